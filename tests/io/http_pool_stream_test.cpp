#include "tests/io/certificates.hpp"
#include "tests/io/compress.hpp"
#include "tests/io/pool_client.hpp"
#include "tests/io/script_server.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>

namespace assay::io::test {
namespace {

using testing::ElementsAreArray;
using testing::HasSubstr;
using testing::Not;
using testing::SizeIs;
using testing::StartsWith;

const std::string chunked_head =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";

std::string chunk(std::string_view text) {
  char size[24];
  std::snprintf(size, sizeof size, "%zx\r\n", text.size());
  return size + std::string(text) + "\r\n";
}

std::string delta(int number) { return "data: {\"delta\":" + std::to_string(number) + "}\n\n"; }

/// Sends a head, then one piece for each gate that the test opens, then the end.
script_server::script drip(script_server*& self, std::string head, std::vector<std::string> pieces,
                           std::string end) {
  return [&self, head = std::move(head), pieces = std::move(pieces),
          end = std::move(end)](peer& client) -> awaitable<void> {
    co_await client.request();
    co_await client.send(head);
    int number = 0;
    for (const auto& piece : pieces) {
      co_await self->gate(++number);
      co_await client.send(piece);
    }
    co_await self->gate(++number);
    if (end.empty())
      client.close();
    else
      co_await client.send(end);
  };
}

/// A server that sends a stream of @p size bytes as fast as it is taken.
script_server::script flood(size_t size, std::atomic<size_t>* sent = nullptr) {
  return [=](peer& client) -> awaitable<void> {
    for (;;) {
      co_await client.request();
      co_await client.send("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(size) + "\r\n\r\n");
      const std::string block(16'384, 'x');
      for (size_t done = 0; done < size; done += block.size()) {
        co_await client.send(block.substr(0, size - done));
        if (sent)
          *sent += std::min(block.size(), size - done);
      }
    }
  };
}

/// The time that passes until a request that nobody answers is given up: a pause that the pool itself makes.
void let_pass(milliseconds time) {
  script_server silent([](peer& caller) -> awaitable<void> { co_await caller.until_closed(); });
  pool_client other(silent.port());
  EXPECT_EQ(other.exchange(make_request(1, "{}", time)).error, errc::provider_timeout);
}

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

// -- watchdogs ---------------------------------------------------------------------------------------------

TEST(http_pool_streams, ThatDoNotBeginAreGivenUp) {
  for (const char* sent :
       {"", "HTTP/1.1 200 OK\r\nContent-Le", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"}) {
    script_server server([&](peer& client) -> awaitable<void> {
      co_await client.request();
      co_await client.send(sent);
      co_await client.until_closed();
    });
    pool_client client(server.port());
    auto request = make_stream(1);
    request.first_byte_timeout = milliseconds(50);
    const auto outcome = client.exchange(request);
    EXPECT_EQ(outcome.error, errc::provider_timeout) << sent;
    EXPECT_THAT(outcome.error_message, HasSubstr("did not begin its answer within 50 ms"));
    EXPECT_TRUE(outcome.request_written);
    EXPECT_TRUE(client.wait_until([](const pool_stats& s) { return s.connections == 0; }));
  }
}

TEST(http_pool_streams, ThatFallSilentAreGivenUp) {
  const std::string starts[] = {chunked_head + chunk("begun"), chunked_head + chunk("begun") + "5\r\n",
                                chunked_head + chunk("begun") + "0\r\n",
                                "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nbegun"};
  for (const auto& start : starts) {
    script_server server([&](peer& client) -> awaitable<void> {
      co_await client.request();
      co_await client.send(start);
      co_await client.until_closed();
    });
    pool_client client(server.port());
    auto request = make_stream(1);
    request.idle_timeout = milliseconds(50);
    const auto outcome = client.exchange(request);
    EXPECT_EQ(outcome.error, errc::provider_timeout) << start;
    EXPECT_THAT(outcome.error_message, HasSubstr("fell silent inside its answer for 50 ms")) << start;
    EXPECT_EQ(client.streamed(1), "begun");
    EXPECT_TRUE(client.wait_until([](const pool_stats& s) { return s.connections == 0; }));
  }
}

TEST(http_pool_streams, HaveTheirTotalTimeBesides) {
  script_server server([](peer& client) -> awaitable<void> {
    co_await client.request();
    co_await client.send(chunked_head + chunk("begun"));
    co_await client.until_closed();
  });
  for (const bool paused : {false, true}) {
    auto options = pool_client::options_for(server.port());
    options.stream_window = paused ? 5 : 1000;
    pool_client client(options);
    client.grant_at_once(false);
    auto request = make_stream(1, "{}", milliseconds(60));
    request.first_byte_timeout = request.idle_timeout = milliseconds(0); // no limit
    const auto outcome = client.exchange(request);
    EXPECT_EQ(outcome.error, errc::provider_timeout);
    EXPECT_THAT(outcome.error_message, HasSubstr(paused ? "5 bytes of it were not taken"
                                                        : "did not finish its answer within 60 ms"));
  }
}

TEST(http_pool_streams, AreKeptAliveByWhateverComes) {
  script_server* self = nullptr;
  script_server server(drip(self, chunked_head,
                            {chunk(": keep-alive\n\n"), chunk(": keep-alive\n\n"), chunk("x")}, "0\r\n\r\n"));
  self = &server;
  pool_client client(server.port());
  auto request = make_stream(1);
  request.first_byte_timeout = request.idle_timeout = milliseconds(1'500);
  client.submit(request);
  for (int i = 0; i < 4; ++i) { // longer than either limit in all
    server.open_gate();
    let_pass(milliseconds(500));
  }
  EXPECT_EQ(client.wait_for(1).status, 200) << client.wait_for(1).error_message;
}

TEST(http_pool_streams, AreNotBlamedForAPauseOfTheirReceiver) {
  script_server server(flood(1'000));
  auto options = pool_client::options_for(server.port());
  options.stream_window = 100;
  pool_client client(options);
  client.grant_at_once(false);
  auto request = make_stream(1);
  request.idle_timeout = milliseconds(400);
  client.submit(request);
  ASSERT_THAT(client.wait_for_bytes(1, 100), SizeIs(100));
  let_pass(milliseconds(800));
  EXPECT_EQ(client.outcomes(), 0u);
  client.grant_at_once(true);
  client.grant(1, 100);
  EXPECT_EQ(client.wait_for(1).status, 200) << client.wait_for(1).error_message;
}

// -- ending early ------------------------------------------------------------------------------------------

TEST(http_pool_streams, CancelledCloseTheirSockets) {
  std::promise<void> gone[2];
  script_server server([&](peer& client) -> awaitable<void> {
    co_await client.request();
    co_await client.send(chunked_head + chunk("begun"));
    co_await client.until_closed();
    gone[client.number()].set_value();
  });
  auto options = pool_client::options_for(server.port());
  options.stream_window = 5; // the second one is paused
  pool_client client(options);
  for (uint64_t id = 1; id <= 2; ++id) {
    client.grant_at_once(id == 1);
    client.submit(make_stream(id));
    ASSERT_EQ(client.wait_for_bytes(id, 5), "begun");
    client.pool().cancel({id});
    const auto outcome = client.wait_for(id);
    EXPECT_EQ(outcome.error, errc::cancelled);
    EXPECT_EQ(find_header(outcome.headers, "content-type"), "text/event-stream");
    EXPECT_TRUE(outcome.request_written);
    EXPECT_EQ(gone[id - 1].get_future().wait_for(std::chrono::minutes(1)), std::future_status::ready);
  }
}

TEST(http_pool_streams, FinishInTheGraceOfAClosingPool) {
  script_server* self = nullptr;
  script_server server(drip(self, chunked_head, {chunk("one "), chunk("two")}, "0\r\n\r\n"));
  self = &server;
  pool_client client(server.port());
  client.submit(make_stream(1));
  server.open_gate();
  ASSERT_EQ(client.wait_for_bytes(1, 4), "one ");
  client.pool().close(std::chrono::seconds(60));
  server.open_gate();
  server.open_gate();
  EXPECT_EQ(client.wait_for(1).status, 200);
  EXPECT_EQ(client.streamed(1), "one two");
}

TEST(http_pool_streams, AreReportedWhenThePoolCloses) {
  script_server server([](peer& client) -> awaitable<void> {
    co_await client.request();
    co_await client.send(chunked_head + chunk("begun"));
    co_await client.until_closed();
  });
  auto options = pool_client::options_for(server.port());
  options.stream_window = 5;
  pool_client client(options);
  client.grant_at_once(false);
  client.submit(make_stream(1));
  ASSERT_EQ(client.wait_for_bytes(1, 5), "begun");
  EXPECT_TRUE(client.close(milliseconds(0)));
  EXPECT_EQ(client.wait_for(1).error, errc::cancelled);
}

TEST(http_pool_streams, OnAStaleSocketAreSentAgain) {
  script_server server([](peer& client) -> awaitable<void> {
    co_await client.request();
    co_await client.answer("fine");
    if (client.number() == 0) {
      co_await client.request();
      client.close();
      co_return;
    }
  });
  pool_client client(server.port());
  ASSERT_EQ(client.exchange(make_stream(1)).status, 200);
  EXPECT_EQ(client.exchange(make_stream(2)).status, 200);
  EXPECT_EQ(client.streamed(2), "fine");
  EXPECT_EQ(server.accepted(), 2);
}

TEST(http_pool_streams, OfOneIdAreOpenOneAtATime) {
  script_server* self = nullptr;
  script_server server(drip(self, chunked_head, {}, chunk("done") + "0\r\n\r\n"));
  self = &server;
  pool_client client(server.port());
  std::vector<http_request> twins;
  twins.push_back(make_stream(1));
  twins.push_back(make_stream(1));
  client.pool().submit(std::move(twins));
  const auto refused = client.wait_for(1);
  EXPECT_EQ(refused.error, errc::invalid_argument);
  EXPECT_FALSE(refused.request_written);
  server.open_gate();
  EXPECT_EQ(client.wait_for_bytes(1, 4), "");
  EXPECT_TRUE(client.wait_until([](const pool_stats& s) { return s.answered == 1; }));
  EXPECT_EQ(client.streamed(1), "done");
}

// -- other requests ----------------------------------------------------------------------------------------

TEST(http_pool, SendsOtherMethodsAndContentTypes) {
  std::vector<std::string> seen;
  std::mutex mutex;
  script_server server([&](peer& client) -> awaitable<void> {
    for (;;) {
      std::string request = co_await client.request();
      {
        std::lock_guard lock(mutex);
        seen.push_back(std::move(request));
      }
      co_await client.answer("ok");
    }
  });
  pool_client client(server.port());
  auto request = make_request(1, "--b\r\n\r\nx\r\n--b--");
  request.content_type = "multipart/form-data; boundary=b";
  ASSERT_EQ(client.exchange(request).status, 200);
  request = make_request(2, "");
  request.method = http_method::delete_;
  ASSERT_EQ(client.exchange(request).status, 200);
  request.id = 3;
  request.method = http_method::post;
  ASSERT_EQ(client.exchange(request).status, 200);
  request = make_request(4, "{}");
  request.method = http_method::put;
  ASSERT_EQ(client.exchange(request).status, 200);
  ASSERT_THAT(seen, SizeIs(4));
  EXPECT_THAT(seen[0], StartsWith("POST "));
  EXPECT_THAT(
      seen[0],
      HasSubstr("\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 15\r\n\r\n--b"));
  EXPECT_THAT(seen[0], Not(HasSubstr("application/json\r\nContent-")));
  EXPECT_THAT(seen[1], StartsWith("DELETE /v1/"));
  EXPECT_THAT(seen[1], Not(HasSubstr("Content-")));
  EXPECT_THAT(seen[2], StartsWith("POST /v1/"));
  EXPECT_THAT(seen[2], HasSubstr("\r\nContent-Length: 0\r\n\r\n"));
  EXPECT_THAT(seen[3], StartsWith("PUT /v1/"));
  EXPECT_THAT(seen[3], HasSubstr("\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"));
}

TEST(http_pool, RefusesAContentTypeThatWouldSplitTheRequest) {
  pool_client client(uint16_t{1});
  auto request = make_request(1);
  request.content_type = "text/plain\r\nX-Evil: 1";
  EXPECT_EQ(client.exchange(request).error, errc::invalid_argument);
}

} // namespace
} // namespace assay::io::test
