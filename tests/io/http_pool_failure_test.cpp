#include "tests/io/compress.hpp"
#include "tests/io/pool_client.hpp"
#include "tests/io/script_server.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>

namespace assay::io::test {
namespace {

using testing::HasSubstr;

/// Answers the first requests of the first connection, then does something else.
script_server::script answer_then(int answers, std::function<void(peer&)> then,
                                  bool only_first_connection = true) {
  return [=](peer& client) -> awaitable<void> {
    for (int i = 0;; ++i) {
      co_await client.request();
      if (i >= answers && (client.number() == 0 || !only_first_connection)) {
        then(client);
        co_return;
      }
      co_await client.answer("fine");
    }
  };
}

script_server::script send_once(std::string text) {
  return [text = std::move(text)](peer& client) -> awaitable<void> {
    co_await client.request();
    co_await client.send(text);
    client.close();
  };
}

uint16_t unused_port() {
  boost::asio::io_context context;
  boost::asio::ip::tcp::acceptor taken(context, {boost::asio::ip::address_v4::loopback(), 0});
  return taken.local_endpoint().port();
}

// -- broken answers ----------------------------------------------------------------------------------------

TEST(http_pool_failures, TruncatedAnswers) {
  for (const char* text :
       {"H", "HTTP/1.1 200 OK\r\nContent-Le", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "HTTP/1.1 100 Continue\r\n\r\n"}) {
    script_server server(send_once(text));
    pool_client client(server.port());
    const auto outcome = client.exchange(make_request(1));
    EXPECT_EQ(outcome.status, 0) << text;
    EXPECT_EQ(outcome.error, errc::truncated_answer) << text << outcome.error_message;
    EXPECT_TRUE(outcome.request_written) << text;
    EXPECT_EQ(server.accepted(), 1) << text;
  }
}

TEST(http_pool_failures, ResetInsideTheAnswer) {
  script_server server([](peer& client) -> awaitable<void> {
    co_await client.request();
    co_await client.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345");
    client.reset();
  });
  pool_client client(server.port());
  const auto outcome = client.exchange(make_request(1));
  EXPECT_EQ(outcome.error, errc::truncated_answer);
  EXPECT_EQ(outcome.status, 0);
}

TEST(http_pool_failures, GarbageInsteadOfHttp) {
  script_server server(send_once("SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"));
  pool_client client(server.port());
  const auto outcome = client.exchange(make_request(1));
  EXPECT_EQ(outcome.error, errc::malformed_answer);
  EXPECT_THAT(outcome.error_message, HasSubstr("HTTP"));
}

TEST(http_pool_failures, EndlessHeaders) {
  script_server server([](peer& client) -> awaitable<void> {
    co_await client.request();
    co_await client.send("HTTP/1.1 200 OK\r\n");
    for (;;)
      co_await client.send("x-another-header: with some value\r\n");
  });
  pool_client client(server.port());
  const auto outcome = client.exchange(make_request(1));
  EXPECT_EQ(outcome.error, errc::malformed_answer) << outcome.error_message;
}

TEST(http_pool_failures, BodiesOverTheLimitAreRefused) {
  const std::string announced = "HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n";
  const std::string chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
  const std::string until_end = "HTTP/1.1 200 OK\r\n\r\n";
  for (const std::string& head : {announced, chunked, until_end}) {
    std::promise<void> closed;
    script_server server([&](peer& client) -> awaitable<void> {
      co_await client.request();
      co_await client.send(head);
      try {
        const std::string megabyte(1'000'000, 'x');
        const std::string piece = head == chunked ? "F4240\r\n" + megabyte + "\r\n" : megabyte;
        for (int i = 0; i < 100; ++i)
          co_await client.send(piece);
        co_await client.until_closed();
      } catch (const boost::system::system_error&) {
        closed.set_value(); // the client did not read on
        throw;
      }
    });
    auto options = pool_client::options_for(server.port());
    options.max_response_bytes = 3'000'000;
    pool_client client(options);
    const auto outcome = client.exchange(make_request(1));
    EXPECT_EQ(outcome.error, errc::too_large) << head << outcome.error_message;
    EXPECT_EQ(closed.get_future().wait_for(std::chrono::minutes(1)), std::future_status::ready) << head;
  }
}

TEST(http_pool_failures, CompressionBomb) {
  script_server server([](peer& client) -> awaitable<void> {
    co_await client.request();
    co_await client.answer(compress(std::string(100'000'000, 'x'), gzip_form), "Content-Encoding: gzip\r\n");
    co_await client.until_closed();
  });
  pool_client client(server.port());
  EXPECT_EQ(client.exchange(make_request(1)).error, errc::too_large);
}

// -- time --------------------------------------------------------------------------------------------------

TEST(http_pool_failures, SilentServerTimesOut) {
  script_server server([](peer& client) -> awaitable<void> { co_await client.until_closed(); });
  pool_client client(server.port());
  const auto outcome = client.exchange(make_request(1, "{}", milliseconds(500)));
  EXPECT_EQ(outcome.error, errc::provider_timeout);
  EXPECT_TRUE(outcome.request_written);
  EXPECT_THAT(outcome.error_message, HasSubstr("did not answer within 500 ms"));
}

TEST(http_pool_failures, SlowDripTimesOutHoweverOftenItDrips) {
  script_server server([](peer& client) -> awaitable<void> {
    co_await client.request();
    co_await client.send("HTTP/1.1 200 OK\r\n\r\n");
    for (;;)
      co_await client.send("drip");
  });
  auto options = pool_client::options_for(server.port());
  options.max_response_bytes = size_t{8} << 30;
  pool_client client(options);
  const auto outcome = client.exchange(make_request(1, "{}", milliseconds(500)));
  EXPECT_EQ(outcome.error, errc::provider_timeout) << outcome.error_message;
  EXPECT_THAT(outcome.error_message, HasSubstr("finish"));
}

TEST(http_pool_failures, WaitingInLineTimesOutUnsent) {
  script_server server([](peer& client) -> awaitable<void> { co_await client.until_closed(); });
  pool_client client(server.port(), 1);
  client.submit(make_request(1));
  client.submit(make_request(2, "{}", milliseconds(500)));
  const auto outcome = client.wait_for(2);
  EXPECT_EQ(outcome.error, errc::provider_timeout);
  EXPECT_FALSE(outcome.request_written);
  EXPECT_EQ(client.outcomes(), 1u);
}

// -- connecting --------------------------------------------------------------------------------------------

TEST(http_pool_failures, RefusedConnectionNamesWhereAndWhatToDo) {
  const uint16_t port = unused_port();
  pool_client client(port);
  const auto outcome = client.exchange(make_request(1));
  EXPECT_EQ(outcome.status, 0);
  EXPECT_EQ(outcome.error, errc::connect_failed);
  EXPECT_FALSE(outcome.request_written);
  EXPECT_THAT(outcome.error_message, HasSubstr("127.0.0.1:" + std::to_string(port)));
  EXPECT_THAT(outcome.error_message, HasSubstr("refused"));
  EXPECT_THAT(outcome.error_message, HasSubstr("check"));
}

TEST(http_pool_failures, EveryWaitingRequestLearnsThatNothingListens) {
  pool_client client(unused_port(), 2);
  std::vector<http_request> batch;
  for (uint64_t id = 1; id <= 100; ++id)
    batch.push_back(make_request(id));
  client.pool().submit(std::move(batch));
  for (uint64_t id = 1; id <= 100; ++id)
    ASSERT_EQ(client.wait_for(id).error, errc::connect_failed);
}

TEST(http_pool_failures, UnknownNameIsAConnectFailure) {
  auto options = pool_client::options_for(80);
  options.origin.host = "no-such-host.invalid";
  pool_client client(options);
  const auto outcome = client.exchange(make_request(1));
  EXPECT_EQ(outcome.error, errc::connect_failed);
  EXPECT_THAT(outcome.error_message, HasSubstr("no-such-host.invalid"));
  EXPECT_THAT(outcome.error_message, HasSubstr("resolv"));
}

TEST(http_pool_failures, UnfitTargetIsNeverSent) {
  script_server server(answer_then(0, [](peer&) {}));
  pool_client client(server.port());
  uint64_t id = 0;
  for (const char* target : {"", "v1", "/a b", "/a\r\nX-Evil: 1", "http://elsewhere/"}) {
    auto request = make_request(++id);
    request.target = target;
    EXPECT_EQ(client.exchange(std::move(request)).error, errc::invalid_argument) << target;
  }
  EXPECT_EQ(server.accepted(), 0);
}

// -- stale keep-alive sockets ------------------------------------------------------------------------------

TEST(http_pool_failures, StaleSocketIsReplacedUnreported) {
  for (const bool with_reset : {false, true}) {
    script_server server(answer_then(1, [=](peer& client) { with_reset ? client.reset() : client.close(); }));
    pool_client client(server.port());
    ASSERT_EQ(client.exchange(make_request(1)).status, 200);
    const auto outcome = client.exchange(make_request(2));
    EXPECT_EQ(outcome.status, 200) << outcome.error_message;
    EXPECT_EQ(server.accepted(), 2);
    EXPECT_TRUE(client.wait_until([](const pool_stats& s) { return s.stale_retries == 1; }));
  }
}

TEST(http_pool_failures, ServersThatCloseAfterAnsweringNeverCostARequest) {
  script_server server([](peer& client) -> awaitable<void> {
    co_await client.request();
    co_await client.answer("fine"); // promises keep-alive
    client.close();
  });
  pool_client client(server.port(), 2);
  for (uint64_t id = 1; id <= 300; ++id) {
    const auto outcome = client.exchange(make_request(id, std::string(id % 2 ? 10 : 100'000, 'x')));
    ASSERT_EQ(outcome.status, 200) << id << ": " << outcome.error_message;
  }
}

TEST(http_pool_failures, StaleRetryHappensOnce) {
  script_server server(answer_then(
      1, [](peer& client) { client.close(); }, false));
  pool_client client(server.port(), 1);
  ASSERT_EQ(client.exchange(make_request(1)).status, 200);
  // The second connection answers once, too: so the resend gets through; the third request finds it stale.
  ASSERT_EQ(client.exchange(make_request(2)).status, 200);
  ASSERT_EQ(client.exchange(make_request(3)).status, 200);
  EXPECT_EQ(server.accepted(), 3);

  script_server hostile([](peer& peer_of) -> awaitable<void> {
    co_await peer_of.request();
    if (peer_of.number() == 0) {
      co_await peer_of.answer("fine");
      co_await peer_of.request();
    }
    peer_of.close();
  });
  pool_client second(hostile.port());
  ASSERT_EQ(second.exchange(make_request(1)).status, 200);
  const auto outcome = second.exchange(make_request(2));
  EXPECT_EQ(outcome.error, errc::truncated_answer);
  EXPECT_TRUE(outcome.request_written);
  EXPECT_EQ(hostile.accepted(), 2);
}

TEST(http_pool_failures, WhatMustNotHappenTwiceIsNotSentAgain) {
  for (const bool with_reset : {false, true}) {
    // The server reads the second request whole before it ends the connection.
    script_server server(answer_then(1, [=](peer& client) { with_reset ? client.reset() : client.close(); }));
    pool_client client(server.port());
    ASSERT_EQ(client.exchange(make_request(1)).status, 200);
    auto makes_something = make_request(2);
    makes_something.resend = false;
    const auto outcome = client.exchange(std::move(makes_something));
    EXPECT_EQ(outcome.status, 0);
    EXPECT_EQ(outcome.error, errc::truncated_answer) << outcome.error_message;
    EXPECT_TRUE(outcome.request_written);
    EXPECT_EQ(server.accepted(), 1);
    EXPECT_EQ(client.pool().stats().stale_retries, 0u);
    EXPECT_EQ(client.exchange(make_request(3)).status, 200) << "on a fresh socket";
  }
}

TEST(http_pool_failures, WhatWasNotWrittenWholeIsSentAgainInAnyCase) {
  script_server server([](peer& client) -> awaitable<void> {
    co_await client.request();
    co_await client.answer("fine");
    if (client.number() == 0) {
      // More is still to come than sockets hold.
      co_await client.request_head();
      client.reset();
      co_return;
    }
    co_await client.until_closed();
  });
  pool_client client(server.port());
  ASSERT_EQ(client.exchange(make_request(1)).status, 200);
  auto large = make_request(2, std::string(32'000'000, 'x'));
  large.resend = false;
  const auto outcome = client.exchange(std::move(large));
  EXPECT_EQ(outcome.status, 200) << outcome.error_message;
  EXPECT_EQ(server.accepted(), 2);
}

TEST(http_pool_failures, FreshSocketThatClosesIsNotTriedAgain) {
  script_server server(answer_then(
      0, [](peer& client) { client.close(); }, false));
  pool_client client(server.port());
  const auto outcome = client.exchange(make_request(1));
  EXPECT_EQ(outcome.error, errc::truncated_answer);
  EXPECT_TRUE(outcome.request_written);
  EXPECT_EQ(server.accepted(), 1);
}

TEST(http_pool_failures, ReusedSocketThatBreaksInsideTheAnswerIsNotTriedAgain) {
  script_server server([](peer& client) -> awaitable<void> {
    co_await client.request();
    co_await client.answer("fine");
    co_await client.request();
    co_await client.send("HTTP/1.1 200");
    client.close();
  });
  pool_client client(server.port());
  ASSERT_EQ(client.exchange(make_request(1)).status, 200);
  EXPECT_EQ(client.exchange(make_request(2)).error, errc::truncated_answer);
  EXPECT_EQ(server.accepted(), 1);
}

// -- ending early ------------------------------------------------------------------------------------------

TEST(http_pool_failures, CancelTellsWhetherTheRequestWasWritten) {
  std::promise<void> arrived;
  std::promise<void> gone;
  script_server server([&](peer& client) -> awaitable<void> {
    co_await client.request();
    arrived.set_value();
    co_await client.until_closed();
    gone.set_value();
  });
  pool_client client(server.port(), 1);
  client.submit(make_request(1));
  arrived.get_future().get();
  client.submit(make_request(2));
  client.pool().cancel({2, 99});
  const auto unsent = client.wait_for(2);
  EXPECT_EQ(unsent.error, errc::cancelled);
  EXPECT_FALSE(unsent.request_written);

  client.pool().cancel({1});
  const auto sent = client.wait_for(1);
  EXPECT_EQ(sent.error, errc::cancelled);
  EXPECT_TRUE(sent.request_written);
  EXPECT_EQ(gone.get_future().wait_for(std::chrono::minutes(1)), std::future_status::ready);
  EXPECT_TRUE(client.wait_until([](const pool_stats& s) { return s.connections == 0; }));
}

TEST(http_pool_failures, CloseLetsRunningRequestsFinish) {
  std::promise<void> arrived;
  script_server* self = nullptr;
  script_server server([&](peer& client) -> awaitable<void> {
    co_await client.request();
    arrived.set_value();
    co_await self->gate();
    co_await client.answer("in time");
  });
  self = &server;
  pool_client client(server.port(), 1);
  client.submit(make_request(1));
  client.submit(make_request(2));
  arrived.get_future().get();
  client.pool().close(std::chrono::seconds(60));
  const auto waiting = client.wait_for(2);
  EXPECT_EQ(waiting.error, errc::cancelled);
  EXPECT_FALSE(waiting.request_written);
  const auto late = client.exchange(make_request(3));
  EXPECT_EQ(late.error, errc::shutting_down);
  server.open_gate();
  EXPECT_EQ(client.wait_for(1).body.view(), "in time");
  EXPECT_TRUE(client.close(milliseconds(0)));
  EXPECT_EQ(client.exchange(make_request(4)).error, errc::shutting_down);
}

TEST(http_pool_failures, CloseCutsOffWhenItsGraceEnds) {
  script_server server([](peer& client) -> awaitable<void> { co_await client.until_closed(); });
  pool_client client(server.port());
  client.submit(make_request(1));
  ASSERT_TRUE(client.wait_until([](const pool_stats& s) { return s.in_flight == 1; }));
  EXPECT_TRUE(client.close(milliseconds(1'000)));
  const auto outcome = client.wait_for(1);
  EXPECT_EQ(outcome.error, errc::cancelled);
  EXPECT_TRUE(outcome.request_written);
}

TEST(http_pool_failures, DroppingThePoolReportsWhatWasOpen) {
  script_server server([](peer& client) -> awaitable<void> { co_await client.until_closed(); });
  pool_client client(server.port(), 1);
  client.submit(make_request(1));
  client.submit(make_request(2));
  client.drop_pool();
  EXPECT_EQ(client.wait_for(1).error, errc::cancelled);
  EXPECT_EQ(client.wait_for(2).error, errc::cancelled);
}

TEST(http_pool_failures, StoppingTheRuntimeReportsWhatWasOpen) {
  script_server server([](peer& client) -> awaitable<void> { co_await client.until_closed(); });
  pool_client client(server.port(), 1);
  client.submit(make_request(1));
  client.submit(make_request(2));
  client.runtime().stop();
  client.submit(make_request(3));
  client.runtime().join();
  EXPECT_EQ(client.outcomes(), 3u);
  client.submit(make_request(4)); // too late for an outcome, and harmless
}

} // namespace
} // namespace assay::io::test
