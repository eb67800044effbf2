#include "io/http_fetch.hpp"
#include "io/ws_client.hpp"
#include "tests/io/certificates.hpp"
#include "tests/io/script_server.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>

/// The clients of command line tools, behind a proxy.
namespace assay::io::test {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

proxy_options proxy_at(const script_server& proxy) {
  return {secret("http://user:pass@127.0.0.1:" + std::to_string(proxy.port())), {}};
}

/// A request to a name that only the proxy can reach.
fetch_request through(const script_server& proxy, const char* base_url) {
  fetch_request request;
  request.where = parse_base_url(base_url).value();
  request.target = "/health";
  request.headers = {{"Authorization", "Bearer sk-1"}};
  request.proxy = proxy_at(proxy);
  return request;
}

TEST(fetch_proxy, TunnelsHttpsAndKeepsTheTokenFromTheProxy) {
  const certificate authority = make_authority("test authority");
  const temporary_file ca_file(authority.certificate_pem);
  const auto identity = server_context(make_server_certificate(authority, "DNS:farm.test"));
  std::promise<std::string> connect;
  std::promise<std::string> seen;
  script_server proxy([&](peer& client) -> awaitable<void> {
    connect.set_value(co_await client.request());
    co_await client.send("HTTP/1.1 200 Connection established\r\nVia: test\r\n\r\n");
    co_await client.start_tls(*identity);
    seen.set_value(co_await client.request());
    co_await client.answer("through");
  });
  auto request = through(proxy, "https://farm.test/api");
  request.tls.extra_ca_file = ca_file.path();
  const auto answer = fetch(request);
  ASSERT_TRUE(answer) << to_string(answer.error());
  EXPECT_EQ(answer->body, "through");
  EXPECT_EQ(connect.get_future().get(), "CONNECT farm.test:443 HTTP/1.1\r\nHost: farm.test:443\r\n"
                                        "Proxy-Authorization: Basic dXNlcjpwYXNz\r\n\r\n");
  const auto text = seen.get_future().get();
  EXPECT_THAT(text, StartsWith("GET /api/health HTTP/1.1\r\nHost: farm.test\r\n"));
  EXPECT_THAT(text, HasSubstr("Authorization: Bearer sk-1"));
  EXPECT_THAT(text, Not(HasSubstr("Proxy-Authorization")));
}

TEST(fetch_proxy, StillChecksTheServersName) {
  const certificate authority = make_authority("test authority");
  const temporary_file ca_file(authority.certificate_pem);
  const auto identity = server_context(make_server_certificate(authority, "DNS:proxy.test,IP:127.0.0.1"));
  script_server proxy([&](peer& client) -> awaitable<void> {
    co_await client.request();
    co_await client.send("HTTP/1.1 200 OK\r\n\r\n");
    co_await client.start_tls(*identity);
  });
  auto request = through(proxy, "https://farm.test");
  request.tls.extra_ca_file = ca_file.path();
  const auto answer = fetch(request);
  ASSERT_FALSE(answer);
  EXPECT_THAT(answer.error().message, HasSubstr("farm.test:443"));
}

TEST(fetch_proxy, AsksForPlainHttpInAbsoluteForm) {
  std::promise<std::string> seen;
  script_server proxy([&](peer& client) -> awaitable<void> {
    seen.set_value(co_await client.request());
    co_await client.answer("through");
  });
  const auto answer = fetch(through(proxy, "http://farm.test:8000/api"));
  ASSERT_TRUE(answer) << to_string(answer.error());
  const auto text = seen.get_future().get();
  EXPECT_THAT(text, StartsWith("GET http://farm.test:8000/api/health HTTP/1.1\r\nHost: farm.test:8000\r\n"));
  EXPECT_THAT(text, HasSubstr("Proxy-Authorization: Basic dXNlcjpwYXNz\r\n"));
}

TEST(fetch_proxy, GoesDirectWhereARuleSaysSo) {
  std::promise<std::string> seen;
  script_server server([&](peer& client) -> awaitable<void> {
    seen.set_value(co_await client.request());
    co_await client.answer("direct");
  });
  fetch_request request;
  request.where = parse_base_url("http://127.0.0.1:" + std::to_string(server.port())).value();
  request.target = "/health";
  request.proxy = {secret("http://proxy.invalid:3128"), {"127.0.0.0/8"}};
  const auto answer = fetch(request);
  ASSERT_TRUE(answer) << to_string(answer.error());
  EXPECT_EQ(answer->body, "direct");
  EXPECT_THAT(seen.get_future().get(), StartsWith("GET /health HTTP/1.1\r\n"));
}

TEST(fetch_proxy, ReportsAProxyThatRefusesBreaksOrTalksNonsense) {
  for (const char* text : {"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 6\r\n\r\ndenied",
                           "HTTP/1.1 403 Forbidden\r\n\r\n", "", "HTTP/1.1 200", "nonsense\r\n\r\n",
                           "HTTP/1.1 200 OK\r\n\r\nearly data"}) {
    script_server proxy([&](peer& client) -> awaitable<void> {
      co_await client.request();
      co_await client.send(text);
      client.close();
    });
    const auto answer = fetch(through(proxy, "https://farm.test"));
    ASSERT_FALSE(answer) << text;
    EXPECT_EQ(answer.error().code, errc::connect_failed) << text;
    EXPECT_THAT(answer.error().message, HasSubstr("farm.test:443"));
    EXPECT_THAT(answer.error().message, HasSubstr("the proxy 127.0.0.1:" + std::to_string(proxy.port())));
    EXPECT_THAT(to_string(answer.error()), Not(HasSubstr("pass@"))) << "no password in a message";
  }
}

TEST(fetch_proxy, GivesUpOnASilentProxy) {
  script_server proxy([](peer& client) -> awaitable<void> { co_await client.until_closed(); });
  auto request = through(proxy, "https://farm.test");
  request.timeout = milliseconds(500);
  const auto answer = fetch(request);
  ASSERT_FALSE(answer);
  EXPECT_THAT(answer.error().message, HasSubstr("the proxy"));
}

TEST(fetch_proxy, RefusesAProxyOfAnotherKind) {
  fetch_request request;
  request.where = parse_base_url("https://farm.test").value();
  request.proxy.url = secret("socks5://user:pass@127.0.0.1:1080");
  const auto answer = fetch(request);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, errc::invalid_argument);
  EXPECT_THAT(to_string(answer.error()), Not(HasSubstr("pass@")));
}

TEST(ws_client_proxy, TunnelsWithoutTlsToo) {
  std::promise<std::string> connect;
  std::promise<std::string> upgrade;
  script_server proxy([&](peer& client) -> awaitable<void> {
    connect.set_value(co_await client.request());
    co_await client.send("HTTP/1.1 200 OK\r\n\r\n");
    upgrade.set_value(co_await client.request());
    co_await client.answer("no WebSocket here");
  });
  ws_options options;
  options.where = parse_base_url("http://farm.test:8000").value();
  options.target = "/ws?ticket=t";
  options.proxy = proxy_at(proxy);
  EXPECT_FALSE(ws_client::connect(options));
  EXPECT_THAT(connect.get_future().get(), StartsWith("CONNECT farm.test:8000 HTTP/1.1\r\n"));
  const auto text = upgrade.get_future().get();
  EXPECT_THAT(text, StartsWith("GET /ws?ticket=t HTTP/1.1\r\n"));
  EXPECT_THAT(text, HasSubstr("Host: farm.test:8000\r\n"));
}

} // namespace
} // namespace assay::io::test
