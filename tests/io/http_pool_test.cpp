#include "tests/io/compress.hpp"
#include "tests/io/pool_client.hpp"
#include "tests/io/script_server.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <thread>

namespace assay::io::test {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::SizeIs;
using testing::StartsWith;

awaitable<void> answer_everything(peer& client) {
  for (;;) {
    const std::string request = co_await client.request();
    co_await client.answer(request.substr(request.find("\r\n\r\n") + 4));
  }
}

TEST(http_pool, SendsOneWellFormedRequest) {
  std::promise<std::string> seen;
  script_server server([&](peer& client) -> awaitable<void> {
    seen.set_value(co_await client.request());
    co_await client.answer("{\"ok\":true}", "Content-Type: application/json\r\nX-Request-Id: r-7\r\n");
  });
  auto options = pool_client::options_for(server.port());
  options.origin.base_path = "/api";
  options.credentials.emplace_back("Authorization", secret("Bearer sk-1"));
  options.extra_headers = {{"anthropic-version", "2023-06-01"}, {"User-Agent", "special/2"}};
  pool_client client(options);
  const auto outcome = client.exchange(make_request(7, "{\"n\":1}"));
  EXPECT_EQ(seen.get_future().get(),
            "POST /api/v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(server.port())
                + "\r\nAccept-Encoding: gzip, deflate\r\nanthropic-version: 2023-06-01\r\n"
                  "User-Agent: special/2\r\nAuthorization: Bearer sk-1\r\n"
                  "Accept: application/json\r\nContent-Type: application/json\r\n"
                  "Content-Length: 7\r\n\r\n{\"n\":1}");
  EXPECT_EQ(outcome.id, 7u);
  EXPECT_EQ(outcome.status, 200);
  EXPECT_EQ(outcome.body.view(), "{\"ok\":true}");
  EXPECT_EQ(outcome.headers, (http_headers{{"Content-Type", "application/json"}, {"X-Request-Id", "r-7"}}));
  EXPECT_TRUE(outcome.request_written);
  EXPECT_GT(outcome.connect.count(), 0);
  EXPECT_GT(outcome.first_byte.count(), 0);
  EXPECT_GT(outcome.finished_at.time_since_epoch().count(), 0);
}

TEST(http_pool, LeavesTheBasePathOutWhenTheTargetIsTheOrigins) {
  std::promise<std::string> seen;
  script_server server([&](peer& client) -> awaitable<void> {
    seen.set_value(co_await client.request());
    co_await client.answer("{}");
  });
  auto options = pool_client::options_for(server.port());
  options.origin.base_path = "/v1";
  pool_client client(options);
  auto request = make_request(1, "{}");
  request.target = "/tokenize";
  request.at_origin = true;
  EXPECT_EQ(client.exchange(std::move(request)).status, 200);
  EXPECT_THAT(seen.get_future().get(), StartsWith("POST /tokenize HTTP/1.1\r\n"));
}

TEST(http_pool, GetsWhenThereIsNoBody) {
  std::promise<std::string> seen;
  script_server server([&](peer& client) -> awaitable<void> {
    seen.set_value(co_await client.request());
    co_await client.answer("models");
  });
  pool_client client(server.port());
  EXPECT_EQ(client.exchange(make_request(1, "")).body.view(), "models");
  const std::string request = seen.get_future().get();
  EXPECT_THAT(request, StartsWith("GET /v1/chat/completions HTTP/1.1\r\n"));
  EXPECT_THAT(request, Not(HasSubstr("Content-")));
}

TEST(http_pool, ReusesOneSocketForOneRequestAfterAnother) {
  script_server server(answer_everything);
  pool_client client(server.port());
  for (uint64_t id = 1; id <= 20; ++id)
    ASSERT_EQ(client.exchange(make_request(id, std::to_string(id))).body.view(), std::to_string(id));
  EXPECT_EQ(server.accepted(), 1);
}

TEST(http_pool, NeverSendsARequestBeforeTheAnswerToTheLast) {
  std::atomic<int> pipelined{0};
  script_server server([&](peer& client) -> awaitable<void> {
    for (;;) {
      const std::string request = co_await client.request();
      pipelined += client.more_came();
      co_await client.answer(request.substr(request.find("\r\n\r\n") + 4));
    }
  });
  pool_client client(server.port(), 1);
  std::vector<http_request> batch;
  for (uint64_t id = 1; id <= 50; ++id)
    batch.push_back(make_request(id, std::to_string(id)));
  client.pool().submit(std::move(batch));
  for (uint64_t id = 1; id <= 50; ++id)
    EXPECT_EQ(client.wait_for(id).body.view(), std::to_string(id));
  EXPECT_EQ(pipelined, 0);
  EXPECT_EQ(server.accepted(), 1);
}

TEST(http_pool, HonoursConnectionClose) {
  script_server server([&](peer& client) -> awaitable<void> {
    co_await client.request();
    co_await client.answer("x", "Connection: close\r\n");
    co_await client.until_closed();
  });
  pool_client client(server.port());
  for (uint64_t id = 1; id <= 3; ++id)
    ASSERT_EQ(client.exchange(make_request(id)).status, 200);
  EXPECT_EQ(server.accepted(), 3);
}

TEST(http_pool, DropsASocketThatSaysMoreThanItWasAsked) {
  script_server server([&](peer& client) -> awaitable<void> {
    co_await client.request();
    co_await client.answer("x", "");
    co_await client.send("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nbad");
    co_await client.until_closed();
  });
  pool_client client(server.port());
  for (uint64_t id = 1; id <= 3; ++id) {
    ASSERT_EQ(client.exchange(make_request(id)).body.view(), "x");
    ASSERT_TRUE(client.wait_until([](const pool_stats& s) { return s.connections == 0; }));
  }
}

TEST(http_pool, UnderstandsInterimEmptyAndEndlessAnswers) {
  const std::string answers[] = {
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
      "HTTP/1.1 204 No Content\r\n\r\n",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n",
      "HTTP/1.1 200 OK\r\n\r\nuntil the end",
  };
  script_server server([&](peer& client) -> awaitable<void> {
    for (const auto& text : answers) {
      co_await client.request();
      co_await client.send(text);
    }
    client.close();
  });
  pool_client client(server.port());
  EXPECT_EQ(client.exchange(make_request(1)).body.view(), "hi");
  const auto empty = client.exchange(make_request(2));
  EXPECT_EQ(empty.status, 204);
  EXPECT_TRUE(empty.body.empty());
  EXPECT_EQ(client.exchange(make_request(3)).body.view(), "abcdefg");
  EXPECT_EQ(client.exchange(make_request(4)).body.view(), "until the end");
  EXPECT_EQ(server.accepted(), 1);
}

TEST(http_pool, ReadsAnAnswerThatComesByteByByte) {
  const std::string text = "HTTP/1.1 200 OK\r\nTransfer-Encoding: "
                           "chunked\r\n\r\n3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\nTrailer: t\r\n\r\n";
  script_server server([&](peer& client) -> awaitable<void> {
    for (;;) {
      co_await client.request();
      for (const char byte : text)
        co_await client.send(std::string(1, byte));
    }
  });
  pool_client client(server.port());
  EXPECT_EQ(client.exchange(make_request(1)).body.view(), "abcdefg");
  EXPECT_EQ(client.exchange(make_request(2)).body.view(), "abcdefg");
  EXPECT_EQ(server.accepted(), 1);
}

TEST(http_pool, ExpandsCompressedAnswers) {
  const std::string text(300'000, 'z');
  script_server server([&](peer& client) -> awaitable<void> {
    co_await client.request();
    co_await client.answer(compress(text, gzip_form), "Content-Encoding: gzip\r\n");
    co_await client.request();
    co_await client.answer(compress(text, raw_form), "Content-Encoding: deflate\r\n");
  });
  pool_client client(server.port());
  EXPECT_EQ(client.exchange(make_request(1)).body.view(), text);
  EXPECT_EQ(client.exchange(make_request(2)).body.view(), text);
}

TEST(http_pool, MovesLargeBodiesBothWays) {
  std::string text(20 << 20, 'a');
  for (size_t i = 0; i < text.size(); i += 97)
    text[i] = static_cast<char>('b' + i % 20);
  script_server server(answer_everything);
  pool_client client(server.port());
  for (uint64_t id = 1; id <= 2; ++id) {
    const auto outcome = client.exchange(make_request(id, text));
    ASSERT_EQ(outcome.status, 200) << outcome.error_message;
    EXPECT_TRUE(outcome.body.view() == text);
    EXPECT_TRUE(outcome.request_written);
  }
}

TEST(http_pool, TakesAnAnswerGivenBeforeTheRequestWasWritten) {
  script_server server([&](peer& client) -> awaitable<void> {
    co_await client.request_head();
    co_await client.send("HTTP/1.1 413 Too Large\r\nContent-Length: 5\r\n\r\nlarge");
    co_await client.until_closed();
  });
  pool_client client(server.port());
  const auto outcome = client.exchange(make_request(1, std::string(64 << 20, 'x')));
  EXPECT_EQ(outcome.status, 413);
  EXPECT_EQ(outcome.body.view(), "large");
}

TEST(http_pool, KeepsThreeHundredRequestsInFlight) {
  script_server* self = nullptr;
  std::atomic<int> arrived{0};
  script_server server([&](peer& client) -> awaitable<void> {
    for (;;) {
      const std::string request = co_await client.request();
      if (++arrived == 300) // nobody is answered before all have come
        self->open_gate();
      co_await self->gate();
      co_await client.answer(request.substr(request.find("\r\n\r\n") + 4));
    }
  });
  self = &server;
  pool_client client(server.port(), 300);
  std::vector<http_request> batch;
  for (uint64_t id = 1; id <= 1000; ++id)
    batch.push_back(make_request(id, std::to_string(id)));
  client.pool().submit(std::move(batch));
  for (uint64_t id = 1; id <= 1000; ++id)
    ASSERT_EQ(client.wait_for(id).body.view(), std::to_string(id));
  EXPECT_LE(server.accepted(), 300);
  EXPECT_EQ(client.most_per_id(), 1u);
  EXPECT_LT(client.deliveries(), 1000u);
}

TEST(http_pool, TakesBatchesFromManyThreads) {
  script_server server(answer_everything);
  pool_client client(server.port(), 16);
  std::vector<std::thread> threads;
  for (uint64_t t = 0; t < 8; ++t)
    threads.emplace_back([&, t] {
      for (uint64_t i = 0; i < 100; ++i)
        client.submit(make_request(t * 100 + i + 1, std::to_string(t * 100 + i + 1)));
    });
  for (auto& thread : threads)
    thread.join();
  for (uint64_t id = 1; id <= 800; ++id)
    ASSERT_EQ(client.wait_for(id).body.view(), std::to_string(id));
  EXPECT_EQ(client.outcomes(), 800u);
  EXPECT_LE(server.accepted(), 16);
  EXPECT_TRUE(client.wait_until([](const pool_stats& s) { return s.answered == 800 && s.in_flight == 0; }));
}

TEST(http_pool, ClosesSocketsThatStayIdle) {
  script_server server(answer_everything);
  auto options = pool_client::options_for(server.port());
  options.idle_timeout = milliseconds(300);
  pool_client client(options);
  ASSERT_EQ(client.exchange(make_request(1)).status, 200);
  EXPECT_TRUE(client.wait_until([](const pool_stats& s) { return s.connections == 0; }));
  ASSERT_EQ(client.exchange(make_request(2)).status, 200);
  EXPECT_EQ(server.accepted(), 2);
}

TEST(http_pool, TriesAllAddressesOfAName) {
  script_server server(answer_everything); // listens on IPv4 only; localhost is often ::1 first
  auto options = pool_client::options_for(server.port());
  options.origin.host = "localhost";
  pool_client client(options);
  const auto outcome = client.exchange(make_request(1));
  EXPECT_EQ(outcome.status, 200) << outcome.error_message;
}

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
  std::lock_guard lock(mutex);
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
