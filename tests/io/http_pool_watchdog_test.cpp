#include "tests/io/pool_client.hpp"
#include "tests/io/script_server.hpp"
#include "tests/io/stream_scripts.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>

namespace assay::io::test {
namespace {

using testing::HasSubstr;
using testing::SizeIs;

/// The time that passes until a request that nobody answers is given up: a pause that the pool itself makes.
void let_pass(milliseconds time) {
  script_server silent([](peer& caller) -> awaitable<void> { co_await caller.until_closed(); });
  pool_client other(silent.port());
  EXPECT_EQ(other.exchange(make_request(1, "{}", time)).error, errc::provider_timeout);
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
    request.first_byte_timeout = milliseconds(500);
    const auto outcome = client.exchange(request);
    EXPECT_EQ(outcome.error, errc::provider_timeout) << sent;
    EXPECT_THAT(outcome.error_message, HasSubstr("did not begin its answer within 500 ms"));
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
    request.idle_timeout = milliseconds(500);
    const auto outcome = client.exchange(request);
    EXPECT_EQ(outcome.error, errc::provider_timeout) << start;
    EXPECT_THAT(outcome.error_message, HasSubstr("fell silent inside its answer for 500 ms")) << start;
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
    auto request = make_stream(1, "{}", milliseconds(1'500));
    request.first_byte_timeout = request.idle_timeout = milliseconds(0); // no limit
    const auto outcome = client.exchange(request);
    EXPECT_EQ(outcome.error, errc::provider_timeout);
    EXPECT_THAT(outcome.error_message, HasSubstr(paused ? "5 bytes of it were not taken"
                                                        : "did not finish its answer within 1500 ms"));
  }
}

TEST(http_pool_streams, AreKeptAliveByWhateverComes) {
  script_server* self = nullptr;
  script_server server(drip(self, chunked_head,
                            {chunk(": keep-alive\n\n"), chunk(": keep-alive\n\n"), chunk("x")}, "0\r\n\r\n"));
  self = &server;
  pool_client client(server.port());
  auto request = make_stream(1);
  request.first_byte_timeout = request.idle_timeout = milliseconds(5'000);
  client.submit(request);
  for (int i = 0; i < 4; ++i) { // longer than either limit in all
    server.open_gate();
    let_pass(milliseconds(1'500));
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
  request.idle_timeout = milliseconds(1'500);
  client.submit(request);
  ASSERT_THAT(client.wait_for_bytes(1, 100), SizeIs(100));
  let_pass(milliseconds(2'500));
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
  ASSERT_TRUE(client.wait_for_outcomes(2));
  EXPECT_EQ(client.streamed(1), "done");
}

} // namespace
} // namespace assay::io::test
