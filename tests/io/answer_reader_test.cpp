#include "io/detail/answer_reader.hpp"

#include "tests/io/compress.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

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

} // namespace
} // namespace assay::io::detail
