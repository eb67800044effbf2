#include "tests/io/certificates.hpp"
#include "tests/io/compress.hpp"
#include "tests/io/pool_client.hpp"
#include "tests/io/script_server.hpp"
#include "tests/io/stream_scripts.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>

namespace assay::io::test {
namespace {

using testing::ElementsAreArray;
using testing::SizeIs;

// -- pieces ------------------------------------------------------------------------------------------------

struct framing {
  const char* name;
  std::string head;
  std::function<std::string(std::string_view)> frame;
  std::string end;
  std::string last = {}; ///< What the end adds to the body.
};

class every_framing : public testing::TestWithParam<framing> {};

TEST_P(every_framing, DeliversEachPieceBeforeTheNextIsSent) {
  std::vector<std::string> texts;
  std::vector<std::string> pieces;
  for (int i = 0; i < 5; ++i) {
    texts.push_back(delta(i));
    pieces.push_back(GetParam().frame(texts.back()));
  }
  script_server* self = nullptr;
  script_server server(drip(self, GetParam().head, pieces, GetParam().end));
  self = &server;
  pool_client client(server.port());
  client.submit(make_stream(1));
  std::string expected;
  for (const auto& text : texts) {
    server.open_gate();
    expected += text;
    ASSERT_EQ(client.wait_for_bytes(1, expected.size()), expected);
  }
  EXPECT_EQ(client.outcomes(), 0u);
  server.open_gate();
  const auto outcome = client.wait_for(1);
  EXPECT_EQ(outcome.status, 200) << outcome.error_message;
  EXPECT_TRUE(outcome.body.empty());
  EXPECT_EQ(find_header(outcome.headers, "X-Request-Id"), "r-1");
  EXPECT_TRUE(outcome.request_written);
  EXPECT_GT(outcome.connect.count(), 0);
  EXPECT_GT(outcome.first_byte.count(), 0);
  EXPECT_GT(outcome.transfer.count(), 0);
  if (!GetParam().last.empty())
    texts.push_back(GetParam().last);
  EXPECT_THAT(client.pieces(1), ElementsAreArray(texts));
  EXPECT_EQ(client.bad_pieces(), 0u);
}

std::vector<framing> framings() {
  const std::string ok = "HTTP/1.1 200 OK\r\nX-Request-Id: r-1\r\n";
  size_t length = 0;
  for (int i = 0; i < 5; ++i)
    length += delta(i).size();
  const auto plain = [](std::string_view text) { return std::string(text); };
  return {{"chunked", ok + "Transfer-Encoding: chunked\r\n\r\n", chunk, "0\r\n\r\n"},
          {"length", ok + "Content-Length: " + std::to_string(length + 1) + "\r\n\r\n", plain, "\n", "\n"},
          {"until_the_end", ok + "\r\n", plain, ""}};
}

INSTANTIATE_TEST_SUITE_P(http_pool_streams, every_framing, testing::ValuesIn(framings()),
                         [](const auto& tried) { return tried.param.name; });

TEST(http_pool_streams, DeliversTheLastPieceBeforeTheOutcome) {
  script_server server([](peer& client) -> awaitable<void> {
    for (;;) {
      co_await client.request();
      co_await client.answer("all at once");
    }
  });
  pool_client client(server.port());
  for (uint64_t id = 1; id <= 3; ++id) {
    const auto outcome = client.exchange(make_stream(id));
    EXPECT_EQ(outcome.status, 200);
    EXPECT_TRUE(outcome.body.empty());
    EXPECT_EQ(client.streamed(id), "all at once");
  }
  EXPECT_EQ(client.exchange(make_request(4)).body.view(), "all at once");
  EXPECT_THAT(client.pieces(4), SizeIs(0));
  EXPECT_EQ(client.bad_pieces(), 0u);
  EXPECT_EQ(server.accepted(), 1); // a stream that ended well leaves its socket to the next request
}

TEST(http_pool_streams, ExpandsGzipAsItComes) {
  piecewise_compressor packer;
  std::vector<std::string> pieces;
  for (int i = 0; i < 5; ++i)
    pieces.push_back(chunk(packer.piece(delta(i))));
  script_server* self = nullptr;
  script_server server(drip(self,
                            "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n",
                            pieces, chunk(packer.end()) + "0\r\n\r\n"));
  self = &server;
  pool_client client(server.port());
  client.submit(make_stream(1));
  std::string expected;
  for (int i = 0; i < 5; ++i) {
    server.open_gate();
    expected += delta(i);
    ASSERT_EQ(client.wait_for_bytes(1, expected.size()), expected);
  }
  server.open_gate();
  EXPECT_EQ(client.wait_for(1).status, 200);
  EXPECT_EQ(client.streamed(1), expected);
  EXPECT_EQ(client.bad_pieces(), 0u);
}

TEST(http_pool_streams, CutsNothingOutOfAByteByByteStream) {
  script_server server([](peer& client) -> awaitable<void> {
    co_await client.request();
    std::string text = chunked_head;
    for (int i = 0; i < 20; ++i)
      text += chunk(delta(i));
    for (const char byte : text + "0\r\n\r\n")
      co_await client.send(std::string(1, byte));
  });
  pool_client client(server.port());
  EXPECT_EQ(client.exchange(make_stream(1)).status, 200);
  std::string expected;
  for (int i = 0; i < 20; ++i)
    expected += delta(i);
  EXPECT_EQ(client.streamed(1), expected);
}

TEST(http_pool_streams, KeepOtherAnswersWhole) {
  const std::pair<int, std::string> answers[] = {
      {429, "HTTP/1.1 429 Slow\r\nRetry-After: 3\r\nContent-Length: 4\r\n\r\nwait"},
      {500,
       "HTTP/1.1 500 Oops\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk("wa") + chunk("it") + "0\r\n\r\n"},
      {201, "HTTP/1.1 201 Created\r\nContent-Length: 4\r\n\r\nwait"},
      {302, "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 4\r\n\r\nwait"}};
  for (const auto& [status, text] : answers) {
    script_server server([&](peer& client) -> awaitable<void> {
      co_await client.request();
      co_await client.send(text);
      co_await client.until_closed();
    });
    pool_client client(server.port());
    const auto outcome = client.exchange(make_stream(1));
    EXPECT_EQ(outcome.status, status);
    EXPECT_EQ(outcome.body.view(), "wait");
    EXPECT_THAT(client.pieces(1), SizeIs(0));
  }
}

TEST(http_pool_streams, KeepTwoHundredApart) {
  constexpr int deltas = 30;
  script_server server([](peer& client) -> awaitable<void> {
    for (;;) {
      const std::string request = co_await client.request();
      const std::string name = request.substr(request.find("\r\n\r\n") + 4);
      co_await client.send(chunked_head);
      for (int i = 0; i < deltas; ++i)
        co_await client.send(chunk(name + delta(i)));
      co_await client.send("0\r\n\r\n");
    }
  });
  auto options = pool_client::options_for(server.port(), 50);
  options.stream_window = 100; // every stream is paused now and then
  pool_client client(options);
  std::vector<http_request> batch;
  for (uint64_t id = 1; id <= 200; ++id)
    batch.push_back(make_stream(id, std::to_string(id)));
  client.pool().submit(std::move(batch));
  for (uint64_t id = 1; id <= 200; ++id) {
    ASSERT_EQ(client.wait_for(id).status, 200);
    std::string expected;
    for (int i = 0; i < deltas; ++i)
      expected += std::to_string(id) + delta(i);
    ASSERT_EQ(client.streamed(id), expected);
  }
  EXPECT_EQ(client.bad_pieces(), 0u);
  EXPECT_EQ(client.most_per_id(), 1u);
}

// -- credit ------------------------------------------------------------------------------------------------

TEST(http_pool_streams, AreNotReadFurtherThanTheirWindow) {
  constexpr size_t size = 30'000'000;
  script_server server(flood(size));
  auto options = pool_client::options_for(server.port());
  options.stream_window = 50'000;
  pool_client client(options);
  client.grant_at_once(false);
  client.submit(make_stream(1));
  EXPECT_THAT(client.wait_for_bytes(1, 50'000), SizeIs(50'000));
  // What is ready would be read in the turns of these requests.
  for (uint64_t id = 2; id <= 5; ++id)
    client.exchange(make_request(id, "{}", milliseconds(30)));
  EXPECT_THAT(client.streamed(1), SizeIs(50'000));

  client.grant(1, 20'000); // not half of the window yet
  client.exchange(make_request(6, "{}", milliseconds(30)));
  EXPECT_THAT(client.streamed(1), SizeIs(50'000));
  client.grant(1, 10'000);
  EXPECT_THAT(client.wait_for_bytes(1, 80'000), SizeIs(80'000));

  client.grant_at_once(true);
  client.grant(1, 1'000'000'000); // more than there is to grant opens no larger window
  const auto outcome = client.wait_for(1);
  EXPECT_EQ(outcome.status, 200) << outcome.error_message;
  EXPECT_THAT(client.streamed(1), SizeIs(size));
  EXPECT_LE(client.most_unread(), 50'000u);
}

TEST(http_pool_streams, IgnoreCreditForWhatIsUnknown) {
  script_server server(flood(100));
  pool_client client(server.port());
  client.grant(7, 1);
  EXPECT_EQ(client.exchange(make_request(1)).status, 200);
  client.grant(1, 1);
  EXPECT_EQ(client.exchange(make_stream(2)).status, 200);
  client.grant(2, 1);
  EXPECT_EQ(client.exchange(make_stream(2)).status, 200);
}

TEST(http_pool_streams, PausedWithinATlsRecordGoOn) {
  const certificate authority = make_authority("test authority");
  const temporary_file ca_file{authority.certificate_pem};
  script_server server(flood(100'000), server_context(make_server_certificate(authority, "DNS:localhost")));
  auto options = pool_client::options_for(server.port());
  options.origin.scheme = url_scheme::https;
  options.origin.host = "localhost";
  options.tls.extra_ca_file = ca_file.path();
  options.stream_window = 1'000; // a record holds 16 KiB
  pool_client client(options);
  client.grant_at_once(false);
  client.submit(make_stream(1));
  for (size_t seen = 1'000; seen <= 100'000; seen += 1'000) {
    ASSERT_THAT(client.wait_for_bytes(1, seen), SizeIs(seen));
    client.grant(1, 1'000);
  }
  EXPECT_EQ(client.wait_for(1).status, 200);
  EXPECT_EQ(client.most_unread(), 1'000u);
}

TEST(http_pool_streams, ResetWhilePausedIsFoundWhenReadOn) {
  std::promise<void> reset;
  script_server* self = nullptr;
  script_server server([&](peer& client) -> awaitable<void> {
    co_await client.request();
    co_await client.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n0123456789");
    co_await self->gate();
    client.reset();
    reset.set_value();
  });
  self = &server;
  auto options = pool_client::options_for(server.port());
  options.stream_window = 10;
  pool_client client(options);
  client.grant_at_once(false);
  client.submit(make_stream(1));
  ASSERT_EQ(client.wait_for_bytes(1, 10), "0123456789");
  server.open_gate();
  reset.get_future().get();
  client.grant(1, 10);
  EXPECT_EQ(client.wait_for(1).error, errc::truncated_answer);
}

// -- broken streams ----------------------------------------------------------------------------------------

TEST(http_pool_streams, CutShortDeliverWhatCameAndThenTheError) {
  const std::string length_head = "HTTP/1.1 200 OK\r\nX-Request-Id: r-9\r\nContent-Length: 100\r\n\r\n";
  const std::string head = "HTTP/1.1 200 OK\r\nX-Request-Id: r-9\r\nTransfer-Encoding: chunked\r\n\r\n";
  const std::pair<std::string, std::string> texts[] = {
      {head + chunk("one ") + "10\r\ntwo", "one two"},            // inside a chunk
      {head + chunk("one ") + chunk("two"), "one two"},           // between chunks
      {head + chunk("one ") + chunk("two") + "0\r\n", "one two"}, // before the end of the trailer
      {length_head + "one two", "one two"}};
  for (const auto& [text, expected] : texts) {
    script_server server([&](peer& client) -> awaitable<void> {
      co_await client.request();
      co_await client.send(text);
      client.close();
    });
    pool_client client(server.port());
    const auto outcome = client.exchange(make_stream(1));
    EXPECT_EQ(outcome.status, 0) << text;
    EXPECT_EQ(outcome.error, errc::truncated_answer) << text;
    EXPECT_EQ(find_header(outcome.headers, "x-request-id"), "r-9") << text;
    EXPECT_TRUE(outcome.request_written);
    EXPECT_EQ(client.streamed(1), expected) << text;
    EXPECT_EQ(client.bad_pieces(), 0u);
    EXPECT_EQ(server.accepted(), 1); // never sent again: its beginning has been handed out
  }
}

TEST(http_pool_streams, WithDamagedFramesDeliverWhatCameBefore) {
  for (const std::string& bad : {std::string("xyz\r\n"), chunk("\x1f\x8b nonsense")}) {
    piecewise_compressor packer;
    const std::string text =
        bad == "xyz\r\n" ? chunked_head + chunk("fine") + bad
                         : "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n"
                               + chunk(packer.piece("fine")) + bad;
    script_server server([&](peer& client) -> awaitable<void> {
      co_await client.request();
      co_await client.send(text);
      co_await client.until_closed();
    });
    pool_client client(server.port());
    EXPECT_EQ(client.exchange(make_stream(1)).error, errc::malformed_answer);
    EXPECT_EQ(client.streamed(1), "fine");
  }
}

TEST(http_pool_streams, AreHeldToTheLimitOfBodies) {
  const std::string bomb = compress(std::string(50'000'000, 'x'), gzip_form);
  for (const bool packed : {false, true}) {
    script_server server([&](peer& client) -> awaitable<void> {
      co_await client.request();
      if (packed)
        co_await client.answer(bomb, "Content-Encoding: gzip\r\n");
      else {
        co_await client.send(chunked_head);
        for (int i = 0; i < 1'000; ++i)
          co_await client.send(chunk(std::string(10'000, 'x')));
      }
      co_await client.until_closed();
    });
    auto options = pool_client::options_for(server.port());
    options.max_response_bytes = 1'000'000;
    pool_client client(options);
    EXPECT_EQ(client.exchange(make_stream(1)).error, errc::too_large) << packed;
    EXPECT_LE(client.streamed(1).size(), 1'000'000u);
  }
}

} // namespace
} // namespace assay::io::test
