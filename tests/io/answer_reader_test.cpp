#include "io/detail/answer_reader.hpp"

#include "tests/io/compress.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <random>

namespace assay::io::detail {
namespace {

using progress = answer_reader::progress;
using testing::HasSubstr;

/// Feeds pieces as a connection does: what was not used comes again, in front of the next piece.
progress feed_split(answer_reader& reader, const std::string& text, size_t split, size_t* left = nullptr) {
  std::string held;
  progress state = progress::more;
  for (const std::string& piece : {text.substr(0, split), text.substr(split)}) {
    if (piece.empty() || state != progress::more)
      continue;
    held += piece;
    size_t used = 0;
    state = reader.feed(held, used);
    held.erase(0, used);
  }
  if (left)
    *left = held.size();
  return state;
}

const std::string chunked_answer = "HTTP/1.1 100 Continue\r\n\r\n"
                                   "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\nX-Request-Id: early\r\n\r\n"
                                   "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Request-ID: r1\r\n"
                                   "Set-Cookie: a=b\r\nTransfer-Encoding: chunked\r\n\r\n"
                                   "5;name=\"va;lue\"\r\nhello\r\n1\r\n,\r\nA\r\n the farm!\r\n"
                                   "0\r\nX-Request-Id: trailer\r\n\r\n";

TEST(answer_reader, ReadsChunksSplitAtEveryByte) {
  for (size_t split = 1; split <= chunked_answer.size(); ++split) {
    answer_reader reader;
    reader.begin(1000);
    size_t left = 0;
    ASSERT_EQ(feed_split(reader, chunked_answer, split, &left), progress::done) << split << reader.message();
    EXPECT_EQ(left, 0u);
    EXPECT_EQ(reader.status(), 200);
    EXPECT_TRUE(reader.keep_alive());
    EXPECT_EQ(reader.take_body().view(), "hello, the farm!");
    EXPECT_EQ(reader.take_headers(),
              (http_headers{{"Content-Type", "application/json"}, {"X-Request-ID", "r1"}}));
  }
}

TEST(answer_reader, ReadsByteByByte) {
  answer_reader reader;
  reader.begin(1000);
  std::string held;
  progress state = progress::more;
  for (const char byte : chunked_answer) {
    ASSERT_EQ(state, progress::more);
    held += byte;
    size_t used = 0;
    state = reader.feed(held, used);
    held.erase(0, used);
  }
  EXPECT_EQ(state, progress::done);
  EXPECT_EQ(reader.take_body().view(), "hello, the farm!");
}

TEST(answer_reader, ReadsGzipSplitAtEveryByte) {
  const std::string body = test::compress("{\"answer\": 42}", test::gzip_form);
  const std::string text = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: "
                           + std::to_string(body.size()) + "\r\n\r\n" + body;
  for (size_t split = 1; split <= text.size(); ++split) {
    answer_reader reader;
    reader.begin(1000);
    ASSERT_EQ(feed_split(reader, text, split), progress::done) << split;
    EXPECT_EQ(reader.take_body().view(), "{\"answer\": 42}");
  }
}

TEST(answer_reader, KeepsWhatProvidersTellAboutLimits) {
  answer_reader reader;
  reader.begin(1000);
  size_t used = 0;
  const std::string text =
      "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 3\r\nretry-after-ms: 2500\r\n"
      "Server: cloudflare\r\nAnthropic-RateLimit-Requests-Remaining: 0\r\nrequest-id: q\r\n"
      "x-ratelimit-reset-tokens: 6m0s\r\nX-Should-Retry: true\r\nx-assay-test: 1\r\n"
      "date: Sun, 06 Nov 1994 08:49:37 GMT\r\nCF-RAY: 1\r\nContent-Length: 0\r\n\r\n";
  ASSERT_EQ(reader.feed(text, used), progress::done);
  EXPECT_EQ(reader.take_headers().size(), 8u);
}

TEST(answer_reader, TellsWhetherTheConnectionGoesOn) {
  const std::pair<const char*, bool> answers[] = {
      {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", true},
      {"HTTP/1.1 204 No Content\r\n\r\n", true},
      {"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", false},
      {"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", false},
      {"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n", true}};
  for (const auto& [text, expected] : answers) {
    answer_reader reader;
    reader.begin(1000);
    size_t used = 0;
    ASSERT_EQ(reader.feed(text, used), progress::done) << text;
    EXPECT_EQ(reader.keep_alive(), expected) << text;
  }
}

TEST(answer_reader, LeavesBytesBehindTheAnswerAlone) {
  answer_reader reader;
  reader.begin(1000);
  const std::string text = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n";
  size_t used = 0;
  ASSERT_EQ(reader.feed(text, used), progress::done);
  EXPECT_EQ(used, text.size() - 17);
}

TEST(answer_reader, EndsABodyWithoutLengthAtTheEndOfTheStream) {
  answer_reader reader;
  reader.begin(1000);
  size_t used = 0;
  ASSERT_EQ(reader.feed("HTTP/1.1 200 OK\r\n\r\nall of it", used), progress::more);
  ASSERT_EQ(reader.end_of_stream(), progress::done);
  EXPECT_EQ(reader.take_body().view(), "all of it");
  EXPECT_FALSE(reader.keep_alive());
}

TEST(answer_reader, CallsEveryEarlyEndTruncated) {
  for (size_t length = 1; length < chunked_answer.size(); ++length) {
    answer_reader reader;
    reader.begin(1000);
    ASSERT_EQ(feed_split(reader, chunked_answer.substr(0, length), length), progress::more) << length;
    ASSERT_EQ(reader.end_of_stream(), progress::failed) << length;
    EXPECT_EQ(reader.error(), errc::truncated_answer) << length;
  }
}

TEST(answer_reader, RefusesWhatIsNotHttp) {
  for (const char* text :
       {"SSH-2.0-OpenSSH_9.2p1 Debian\r\n\r\n", "HTTP/2 200\r\n\r\n", "HTTP/1.1 20 OK\r\n\r\n",
        "\r\n\r\n\r\n\r\n", "HTTP/1.1 200 OK\r\nno colon here\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", "HTTP/1.1 101 Switching\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcdefgh\r\n",
        "HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 1\r\n\r\nx",
        "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nplain"}) {
    answer_reader reader;
    reader.begin(1000);
    size_t used = 0;
    ASSERT_EQ(reader.feed(text, used), progress::failed) << text;
    EXPECT_EQ(reader.error(), errc::malformed_answer) << text;
    EXPECT_FALSE(reader.message().empty());
  }
}

TEST(answer_reader, RefusesEndlessHeadersTrailersAndInterimAnswers) {
  const std::string start = "HTTP/1.1 200 OK\r\n";
  const std::string chunked = start + "Transfer-Encoding: chunked\r\n\r\n";
  const std::tuple<std::string, std::string, const char*> floods[] = {
      {start, "x-some-header: some value\r\n", "64 KiB"},
      {start + "x-long: ", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "64 KiB"},
      {chunked + "5;", "extension=endless;", "64 KiB"},
      {chunked + "0\r\n", "trailer: x\r\n", "64 KiB"},
      {"", "HTTP/1.1 100 Continue\r\n\r\n", "interim"}};
  for (const auto& [head, more, message] : floods) {
    answer_reader reader;
    reader.begin(1000);
    std::string held = head;
    progress state = progress::more;
    size_t sent = 0;
    while (state == progress::more && sent < 1'000'000) {
      for (int i = 0; i < 40; ++i)
        held += more;
      sent += 40 * more.size();
      size_t used = 0;
      state = reader.feed(held, used);
      held.erase(0, used);
    }
    ASSERT_EQ(state, progress::failed) << more;
    EXPECT_EQ(reader.error(), errc::malformed_answer);
    EXPECT_THAT(reader.message(), HasSubstr(message));
  }
}

TEST(answer_reader, HoldsEveryKindOfBodyToTheLimit) {
  const std::string start = "HTTP/1.1 200 OK\r\n";
  const std::string bomb = test::compress(std::string(1'000'000, 'x'), test::gzip_form);
  for (const std::string& text :
       {start + "Content-Length: 1001\r\n\r\n", start + "Transfer-Encoding: chunked\r\n\r\n3E9\r\n",
        start + "Transfer-Encoding: chunked\r\n\r\n3E8\r\n" + std::string(1000, 'x') + "\r\n1\r\nx\r\n",
        start + "\r\n" + std::string(1001, 'x'),
        start + "Content-Encoding: gzip\r\nContent-Length: 900\r\n\r\n" + bomb.substr(0, 900)}) {
    answer_reader reader;
    reader.begin(1000);
    ASSERT_EQ(feed_split(reader, text, text.size()), progress::failed) << text.substr(0, 80);
    EXPECT_EQ(reader.error(), errc::too_large) << reader.message();
  }
}

TEST(answer_reader, StopsAtTheHeadersOfAConnectAnswer) {
  answer_reader reader;
  reader.begin(0, true);
  size_t used = 0;
  ASSERT_EQ(reader.feed("HTTP/1.1 200 Connection established\r\nContent-Length: 10\r\n\r\n", used),
            progress::done);
  EXPECT_EQ(reader.status(), 200);
}

// -- streams -----------------------------------------------------------------------------------------------

/// What became of an answer that was read as a stream.
struct streamed_answer {
  progress state = progress::more;
  std::string body;
  int status = 0;
  errc error = errc::internal;

  bool operator==(const streamed_answer&) const = default;
};

/// Feeds @p text in parts that end at @p cuts, as a connection does, and then its end.
streamed_answer read_stream(const std::string& text, const std::vector<size_t>& cuts,
                            size_t max_body = 100'000) {
  answer_reader reader;
  reader.begin(max_body, false, true);
  streamed_answer out;
  std::string held;
  size_t at = 0;
  for (size_t i = 0; i <= cuts.size() && out.state == progress::more; ++i) {
    const size_t end = i < cuts.size() ? cuts[i] : text.size();
    held.append(text, at, end - at);
    at = end;
    size_t used = 0;
    out.state = reader.feed(held, used);
    EXPECT_LE(used, held.size());
    held.erase(0, used);
    out.body += reader.take_piece().view();
  }
  if (out.state == progress::more && reader.started())
    out.state = reader.end_of_stream();
  out.status = reader.status();
  if (out.state == progress::failed)
    out.error = reader.error();
  else if (reader.status() == 200)
    EXPECT_TRUE(reader.take_body().empty());
  else
    out.body += reader.take_body().view();
  EXPECT_LE(out.body.size(), max_body);
  return out;
}

std::vector<std::string> streams() {
  test::piecewise_compressor packer;
  const auto chunk = [](const std::string& text) {
    char size[24];
    std::snprintf(size, sizeof size, "%zx\r\n", text.size());
    return size + text + "\r\n";
  };
  // One after the other: the operands of a sum have no order.
  std::string gzip_body = chunk(packer.piece("data: one\n\n"));
  gzip_body += chunk(packer.piece("data: two\n\n"));
  gzip_body += chunk(packer.end());
  gzip_body += "0\r\n\r\n";
  return {chunked_answer,
          "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n" + gzip_body,
          "HTTP/1.1 200 OK\r\nContent-Length: 22\r\n\r\ndata: one\n\ndata: two\n\n",
          "HTTP/1.1 200 OK\r\n\r\ndata: one\n\ndata: two\n\n",
          "HTTP/1.1 429 Slow\r\nContent-Length: 4\r\n\r\nwait"};
}

TEST(answer_reader, HandsOutAStreamSplitAtEveryByte) {
  const std::string bodies[] = {"hello, the farm!", "data: one\n\ndata: two\n\n",
                                "data: one\n\ndata: two\n\n", "data: one\n\ndata: two\n\n", "wait"};
  for (size_t i = 0; i < streams().size(); ++i) {
    const auto text = streams()[i];
    for (size_t split = 0; split <= text.size(); ++split) {
      const auto read = read_stream(text, {split});
      ASSERT_EQ(read.state, progress::done) << i << " at " << split;
      ASSERT_EQ(read.body, bodies[i]) << i << " at " << split;
    }
  }
}

TEST(answer_reader, HandsOutWhatCameBeforeAnError) {
  answer_reader reader;
  reader.begin(1000, false, true);
  size_t used = 0;
  ASSERT_EQ(
      reader.feed("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ngood\r\nno size\r\n", used),
      progress::failed);
  EXPECT_EQ(reader.take_piece().view(), "good");
}

TEST(answer_reader, HandsOutOnlyBodiesOfStatus200) {
  answer_reader reader;
  reader.begin(1000, false, true);
  size_t used = 0;
  ASSERT_EQ(reader.feed("HTTP/1.1 206 Part\r\nContent-Length: 4\r\n\r\nbody", used), progress::done);
  EXPECT_TRUE(reader.take_piece().empty());
  EXPECT_EQ(reader.take_body().view(), "body");
}

/// Changes a few bytes at random: flips, drops, doubles, inserts what HTTP is made of.
std::string mutate(std::string text, std::mt19937& random) {
  const auto below = [&](size_t limit) {
    return std::uniform_int_distribution<size_t>(0, limit - 1)(random);
  };
  static const std::string seeds[] = {"\r\n",      "\r",   "\n",  "0\r\n",   ":",
                                      ";",         "ffff", "-1",  "chunked", std::string(1, '\0'),
                                      "HTTP/1.1 ", "200",  "204", "gzip",    "Content-Length: 3\r\n"};
  for (size_t changes = 1 + below(4); changes > 0 && !text.empty(); --changes) {
    const size_t at = below(text.size());
    switch (below(5)) {
    case 0:
      text[at] = static_cast<char>(below(256));
      break;
    case 1:
      text.erase(at, 1 + below(8));
      break;
    case 2:
      text.insert(at, text.substr(below(text.size()), 1 + below(16)));
      break;
    case 3:
      text.insert(at, seeds[below(std::size(seeds))]);
      break;
    default:
      text.resize(at);
    }
  }
  return text;
}

TEST(answer_reader, JudgesMutatedStreamsAlikeHoweverTheyAreCut) {
  std::mt19937 random(20240607);
  std::map<progress, int> seen;
  const auto originals = streams();
  for (int i = 0; i < 20'000; ++i) {
    const auto text = mutate(originals[static_cast<size_t>(i) % originals.size()], random);
    const auto whole = read_stream(text, {});
    std::vector<size_t> cuts;
    for (size_t at = 0; at < text.size();
         at += std::uniform_int_distribution<size_t>(1, 1 + text.size() / 4)(random))
      cuts.push_back(at);
    const auto cut = read_stream(text, cuts);
    // Broken headers may look cut short or malformed, depending on how far they are looked at.
    ASSERT_EQ(cut.state, whole.state) << i << ":\n" << text;
    ASSERT_EQ(cut.body, whole.body) << i << ":\n" << text;
    ++seen[whole.state];
  }
  EXPECT_GT(seen[progress::done], 1'000); // it must reach both
  EXPECT_GT(seen[progress::failed], 1'000);
}

TEST(answer_reader, SurvivesMutatedAnswersByteByByte) {
  std::mt19937 random(7);
  const auto originals = streams();
  for (int i = 0; i < 3'000; ++i) {
    const auto text = mutate(originals[static_cast<size_t>(i) % originals.size()], random);
    std::vector<size_t> cuts;
    for (size_t at = 0; at < text.size(); ++at)
      cuts.push_back(at);
    ASSERT_EQ(read_stream(text, cuts, 25), read_stream(text, cuts, 25)) << text;
  }
}

} // namespace
} // namespace assay::io::detail
