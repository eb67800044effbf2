#include "core/codecs/sse.hpp"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace assay::codecs {
namespace {

struct seen_event {
  std::string type;
  std::string data;
  bool operator==(const seen_event&) const = default;
};

void drain(sse_reader& reader, std::vector<seen_event>& out) {
  sse_event event;
  while (reader.next(event))
    out.push_back({std::string(event.type), std::string(event.data)});
}

/// What a reader makes of a stream that comes in pieces of @p piece bytes.
std::vector<seen_event> read_in(std::string_view stream, size_t piece = std::string::npos) {
  sse_reader reader;
  std::vector<seen_event> out;
  while (!stream.empty()) {
    reader.feed(stream.substr(0, piece));
    stream.remove_prefix(std::min(piece, stream.size()));
    drain(reader, out);
  }
  return out;
}

TEST(sse, DispatchesAtTheBlankLine) {
  EXPECT_EQ(read_in("data: {\"a\":1}\n\ndata: [DONE]\n\n"),
            (std::vector<seen_event>{{"", "{\"a\":1}"}, {"", "[DONE]"}}));
  EXPECT_EQ(read_in("event: error\ndata: {}\n\n"), (std::vector<seen_event>{{"error", "{}"}}));
}

TEST(sse, TakesEveryKindOfLineEnd) {
  const std::vector<seen_event> expected{{"", "a"}, {"", "b"}};
  for (const auto* stream : {"data: a\n\ndata: b\n\n", "data: a\r\n\r\ndata: b\r\n\r\n",
                             "data: a\r\rdata: b\r\r", "data: a\r\n\ndata: b\n\r\n"})
    EXPECT_EQ(read_in(stream), expected) << stream;
}

TEST(sse, StripsOneSpaceOnly) {
  EXPECT_EQ(read_in("data:  two\n\ndata:none\n\ndata\n\n"),
            (std::vector<seen_event>{{"", " two"}, {"", "none"}, {"", ""}}));
}

TEST(sse, JoinsSeveralLinesOfData) {
  EXPECT_EQ(read_in("data: one\ndata:\ndata: three\n\n"), (std::vector<seen_event>{{"", "one\n\nthree"}}));
}

TEST(sse, SkipsCommentsOtherFieldsAndEventsWithoutData) {
  EXPECT_EQ(
      read_in(
          ": OPENROUTER PROCESSING\r\n\r\n: keep-alive\n\nid: 7\nretry: 10\n\nevent: ping\n\ndata: x\n\n"),
      (std::vector<seen_event>{{"", "x"}}));
}

TEST(sse, LosesAnEventThatWasCutBeforeItsBlankLine) {
  EXPECT_TRUE(read_in("data: half").empty());
  EXPECT_TRUE(read_in("data: whole line\n").empty());
}

TEST(sse, SkipsAByteOrderMark) {
  EXPECT_EQ(read_in("\xEF\xBB\xBF"
                    "data: x\n\n"),
            (std::vector<seen_event>{{"", "x"}}));
  EXPECT_EQ(read_in("\xEF\xBB\xBF"
                    "data: x\n\n",
                    1),
            (std::vector<seen_event>{{"", "x"}}));
}

TEST(sse, DoesNotCareWhereTheBytesAreCut) {
  const std::string stream = ": c\r\n\r\nevent: a\r\ndata: 数学\r\ndata: 😀\r\n\r\ndata:x\n\ndata: last\r\r";
  const auto whole = read_in(stream);
  ASSERT_EQ(whole.size(), 3U);
  for (size_t piece = 1; piece <= stream.size(); ++piece)
    EXPECT_EQ(read_in(stream, piece), whole) << piece;
}

TEST(sse, GivesUpOnAnEventWithoutEnd) {
  sse_reader reader(1000);
  sse_event event;
  for (int i = 0; i < 200 && !reader.overflowed(); ++i) {
    reader.feed("data: 0123456789");
    EXPECT_FALSE(reader.next(event));
  }
  EXPECT_TRUE(reader.overflowed()) << "one line";
  sse_reader many(1000);
  for (int i = 0; i < 200 && !many.overflowed(); ++i) {
    many.feed("data: 0123456789\n");
    EXPECT_FALSE(many.next(event));
  }
  EXPECT_TRUE(many.overflowed()) << "many lines";
  many.feed("\n\ndata: x\n\n");
  EXPECT_FALSE(many.next(event)) << "and stays that way";
}

TEST(sse, KeepsNothingOfWhatItHasRead) {
  sse_reader reader(100);
  std::vector<seen_event> out;
  for (int i = 0; i < 1000; ++i) {
    reader.feed("data: 0123456789\n\n");
    drain(reader, out);
  }
  EXPECT_FALSE(reader.overflowed());
  EXPECT_EQ(out.size(), 1000U);
}

TEST(sse, RandomBytesInRandomPiecesGiveTheSameAsAtOnce) {
  std::mt19937 random(20260314);
  constexpr std::string_view alphabet = "data: \r\n\n:event\xEF\xBB\xBF";
  for (int round = 0; round < 3000; ++round) {
    std::string stream(random() % 80, '\0');
    for (auto& byte : stream)
      byte = alphabet[random() % alphabet.size()];
    EXPECT_EQ(read_in(stream, 1 + random() % 5), read_in(stream)) << stream;
  }
}

} // namespace
} // namespace assay::codecs
