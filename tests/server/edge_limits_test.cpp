#include "tests/server/edge_fixture.hpp"

#include <nlohmann/json.hpp>

#include <gmock/gmock.h>

#include <sys/socket.h>

#include <atomic>
#include <random>
#include <thread>

using namespace assay;
using namespace assay::server;
using namespace assay::server::test;
using testing::HasSubstr;

using edge_limits_test = edge_test;

TEST_F(edge_limits_test, AnswersPipelinedRequestsInTheirOrder) {
  start();
  http_connection connection{port()};
  std::string all;
  for (int i = 0; i < 20; ++i)
    all += request_text("GET", i % 2 == 0 ? "/health" : "/nothing", {}, {},
                        "X-Request-Id: r" + std::to_string(i) + "\r\n");
  connection.send(all);
  for (int i = 0; i < 20; ++i) {
    const auto reply = connection.receive();
    EXPECT_EQ(reply.status, i % 2 == 0 ? 200 : 404);
    EXPECT_EQ(reply.header("x-request-id"), "r" + std::to_string(i));
  }
}

TEST_F(edge_limits_test, RefusesHugeHeaders) {
  start();
  http_connection connection{port()};
  connection.send("GET /health HTTP/1.1\r\nHost: localhost\r\nX-Long: " + std::string(20'000, 'a')
                  + "\r\n\r\n");
  const auto reply = connection.receive();
  EXPECT_EQ(reply.status, 431);
  EXPECT_EQ(reply.json()["error"]["code"], "HEADERS_TOO_LARGE");
  std::string many = "GET /health HTTP/1.1\r\nHost: localhost\r\n";
  for (int i = 0; i < 150; ++i)
    many += "A: b\r\n";
  http_connection second{port()};
  second.send(many + "\r\n");
  EXPECT_EQ(second.receive().status, 431);
}

TEST_F(edge_limits_test, GivesHeadersAnAbsoluteTime) {
  options.limits.header_time = milliseconds{200};
  start();
  http_connection connection{port()};
  connection.send("GET /health HTTP/1.1\r\nHost: loc");
  const auto reply = connection.receive();
  EXPECT_EQ(reply.status, 408);
  EXPECT_TRUE(connection.closed());
  http_connection silent{port()};
  EXPECT_TRUE(silent.closed()) << "who says nothing at all gets no answer";
}

TEST_F(edge_limits_test, ClosesIdleConnections) {
  options.limits.idle_time = milliseconds{100};
  start();
  http_connection connection{port()};
  connection.send(request_text("GET", "/health"));
  EXPECT_EQ(connection.receive().status, 200);
  EXPECT_TRUE(connection.closed());
}

TEST_F(edge_limits_test, RefusesLargeBodiesBeforeReadingThem) {
  options.limits.body_bytes = 100'000;
  start();
  const auto token = admin();
  http_connection connection{port()};
  connection.send("POST /evaluations HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " + token
                  + "\r\nContent-Length: 100001\r\nContent-Type: application/json\r\n\r\n");
  const auto reply = connection.receive();
  EXPECT_EQ(reply.status, 413);
  EXPECT_EQ(reply.header("connection"), "close");
  EXPECT_EQ(reply.json()["error"]["code"], "PAYLOAD_TOO_LARGE");
  http_connection login{port()};
  login.send("POST /auth/login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 90000\r\n\r\n");
  EXPECT_EQ(login.receive().status, 413) << "a login is small";
}

TEST_F(edge_limits_test, RefusesLargeBodiesInChunks) {
  options.limits.body_bytes = 50'000;
  start();
  const auto token = admin();
  http_connection connection{port()};
  connection.send(
      "POST /evaluations HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nAuthorization: Bearer "
      + token + "\r\n\r\n");
  const auto chunk = "4000\r\n" + std::string(0x4000, ' ') + "\r\n";
  for (int i = 0; i < 5; ++i)
    connection.send(chunk);
  EXPECT_EQ(connection.receive().status, 413);
}

TEST_F(edge_limits_test, ReadsChunkedBodies) {
  start();
  http_connection connection{port()};
  connection.send("POST /auth/login HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
                  "15\r\n{\"username\":\"admin\",\"\r\n15\r\npassword\":\"admin123\"}\r\n0\r\n\r\n");
  EXPECT_EQ(connection.receive().status, 200);
}

TEST_F(edge_limits_test, GivesSlowBodiesUp) {
  options.limits.body_time = milliseconds{200};
  start();
  http_connection connection{port()};
  connection.send("POST /auth/login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{");
  EXPECT_EQ(connection.receive().status, 408);
}

TEST_F(edge_limits_test, DoesNotReadBodiesOfStrangers) {
  start();
  http_connection connection{port()};
  connection.send("POST /evaluations HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n");
  const auto reply = connection.receive();
  EXPECT_EQ(reply.status, 401);
  EXPECT_EQ(reply.header("connection"), "close");
}

TEST_F(edge_limits_test, SaysGoOnToThoseWhoAskFirst) {
  start();
  http_connection connection{port()};
  const std::string body = R"({"username":"admin","password":"admin123"})";
  connection.send("POST /auth/login HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: "
                  + std::to_string(body.size()) + "\r\n\r\n");
  EXPECT_EQ(connection.receive().status, 100);
  connection.send(body);
  EXPECT_EQ(connection.receive().status, 200);
}

TEST_F(edge_limits_test, CapsConnectionsOfOneAddress) {
  options.limits.connections_per_address = 3;
  start();
  std::vector<std::unique_ptr<http_connection>> open;
  for (int i = 0; i < 3; ++i) {
    open.push_back(std::make_unique<http_connection>(port()));
    open.back()->send(request_text("GET", "/health"));
    EXPECT_EQ(open.back()->receive().status, 200);
  }
  http_connection fourth{port()};
  const auto refused = fourth.receive();
  EXPECT_EQ(refused.status, 429);
  EXPECT_EQ(refused.json()["error"]["code"], "TOO_MANY_REQUESTS");
  EXPECT_EQ(refused.json()["request_id"], refused.header("x-request-id"));
  EXPECT_EQ(refused.header("retry-after"), "1");
  EXPECT_NE(refused.header("x-process-time"), "");
  open.front().reset();
  // The server sees the end of the first one in its own time.
  int status = 0;
  for (int i = 0; i < 1000 && status != 200; ++i) {
    http_connection next{port()};
    next.send(request_text("GET", "/health"));
    status = next.receive().status;
  }
  EXPECT_EQ(status, 200);
}

TEST_F(edge_limits_test, AnswersWhatIsNotHttpWithAnError) {
  start();
  const char* texts[] = {
      "\r\n\r\n\r\n",
      "GET\r\n\r\n",
      "GET / HTTP/9.9\r\nHost: a\r\n\r\n",
      "GET / HTTP/1.1\r\n\r\n",
      "CONNECT elsewhere:443 HTTP/1.1\r\nHost: a\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
      "GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n",
      "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 this is tls\r\n\r\n",
  };
  for (const auto* text : texts) {
    http_connection connection{port()};
    connection.send(text);
    const auto status = connection.receive().status;
    EXPECT_GE(status, 400) << text;
    EXPECT_LT(status, 500) << text;
  }
  EXPECT_EQ(get("/health").status, 200);
}

TEST_F(edge_limits_test, SurvivesRandomBytes) {
  start();
  std::mt19937 random{11};
  const auto good = request_text("POST", "/auth/login", R"({"username":"a","password":"b"})");
  for (int round = 0; round < 200; ++round) {
    auto text = good;
    for (auto count = 1 + random() % 8; count > 0; --count)
      text[random() % text.size()] = static_cast<char>(random());
    http_connection connection{port()};
    connection.send(text);
    ::shutdown(connection.socket(), 1);
    const auto status = connection.receive().status;
    EXPECT_TRUE(status == 0 || (status >= 200 && status < 500)) << status;
  }
  EXPECT_EQ(get("/health").status, 200);
}

TEST_F(edge_limits_test, GivesUpOnReadersWhoDoNotRead) {
  options.limits.write_stall = milliseconds{200};
  start();
  http_connection connection{port(), 2048};
  // More answers than the socket's buffers take.
  std::string many;
  for (int i = 0; i < 2000; ++i)
    many += request_text("GET", "/docs");
  std::thread sender{[&] { connection.send(many); }};
  sender.join();
  stop();
  SUCCEED() << "the session ended although nobody read";
}

TEST_F(edge_limits_test, ServesManyAtOnce) {
  start();
  std::vector<std::thread> threads;
  std::atomic<int> good = 0;
  for (int i = 0; i < 8; ++i)
    threads.emplace_back([&] {
      http_connection connection{port()};
      for (int k = 0; k < 50; ++k) {
        connection.send(request_text("GET", "/health"));
        good += connection.receive().status == 200 ? 1 : 0;
      }
    });
  for (auto& thread : threads)
    thread.join();
  EXPECT_EQ(good, 400);
}
