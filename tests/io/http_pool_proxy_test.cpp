#include "tests/io/certificates.hpp"
#include "tests/io/pool_client.hpp"
#include "tests/io/script_server.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>

namespace assay::io::test {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

/// A provider whose name only the proxy can reach.
pool_options through(const script_server& proxy, const char* base_url) {
  pool_options options;
  options.origin = parse_base_url(base_url).value();
  options.proxy.url = secret("http://user:pass@127.0.0.1:" + std::to_string(proxy.port()));
  options.credentials.emplace_back("Authorization", secret("Bearer sk-1"));
  return options;
}

TEST(http_pool_proxy, TunnelsHttpsAndKeepsTheKeyFromTheProxy) {
  const certificate authority = make_authority("test authority");
  const temporary_file ca_file(authority.certificate_pem);
  const auto identity = server_context(make_server_certificate(authority, "DNS:provider.test"));
  std::promise<std::string> connect;
  std::promise<std::string> request;
  script_server proxy([&](peer& client) -> awaitable<void> {
    connect.set_value(co_await client.request());
    co_await client.send("HTTP/1.1 200 Connection established\r\nVia: test\r\n\r\n");
    co_await client.start_tls(*identity);
    request.set_value(co_await client.request());
    co_await client.answer("through");
    co_await client.request();
    co_await client.answer("again");
  });
  auto options = through(proxy, "https://provider.test/api");
  options.tls.extra_ca_file = ca_file.path();
  pool_client client(options);
  const auto outcome = client.exchange(make_request(1));
  ASSERT_EQ(outcome.status, 200) << outcome.error_message;
  EXPECT_EQ(outcome.body.view(), "through");
  EXPECT_EQ(connect.get_future().get(), "CONNECT provider.test:443 HTTP/1.1\r\nHost: provider.test:443\r\n"
                                        "Proxy-Authorization: Basic dXNlcjpwYXNz\r\n\r\n");
  const std::string seen = request.get_future().get();
  EXPECT_THAT(seen, StartsWith("POST /api/v1/chat/completions HTTP/1.1\r\nHost: provider.test\r\n"));
  EXPECT_THAT(seen, HasSubstr("Authorization: Bearer sk-1"));
  EXPECT_THAT(seen, Not(HasSubstr("Proxy-Authorization")));
  EXPECT_EQ(client.exchange(make_request(2)).body.view(), "again");
  EXPECT_EQ(proxy.accepted(), 1);
}

TEST(http_pool_proxy, StillChecksTheServersName) {
  const certificate authority = make_authority("test authority");
  const temporary_file ca_file(authority.certificate_pem);
  const auto identity = server_context(make_server_certificate(authority, "DNS:proxy.test,IP:127.0.0.1"));
  script_server proxy([&](peer& client) -> awaitable<void> {
    co_await client.request();
    co_await client.send("HTTP/1.1 200 OK\r\n\r\n");
    co_await client.start_tls(*identity);
  });
  auto options = through(proxy, "https://provider.test");
  options.tls.extra_ca_file = ca_file.path();
  pool_client client(options);
  EXPECT_THAT(client.exchange(make_request(1)).error_message, HasSubstr("another host"));
}

TEST(http_pool_proxy, ReportsARefusalByTheProxy) {
  for (const auto& [status, hint] : {std::pair{"407 Proxy Authentication Required", "user and password"},
                                     std::pair{"403 Forbidden", "no_proxy"}}) {
    script_server proxy([&](peer& client) -> awaitable<void> {
      co_await client.request();
      co_await client.send(std::string("HTTP/1.1 ") + status + "\r\nContent-Length: 6\r\n\r\ndenied");
      co_await client.until_closed();
    });
    pool_client client(through(proxy, "https://provider.test"));
    const auto outcome = client.exchange(make_request(1));
    EXPECT_EQ(outcome.error, errc::connect_failed);
    EXPECT_FALSE(outcome.request_written);
    EXPECT_THAT(outcome.error_message, HasSubstr("provider.test:443"));
    EXPECT_THAT(outcome.error_message, HasSubstr("proxy 127.0.0.1:" + std::to_string(proxy.port())));
    EXPECT_THAT(outcome.error_message, HasSubstr(std::string(status).substr(0, 3)));
    EXPECT_THAT(outcome.error_message, HasSubstr(hint));
    EXPECT_THAT(outcome.error_message, Not(HasSubstr("pass@")));
  }
}

TEST(http_pool_proxy, ReportsAProxyThatBreaksOrTalksNonsense) {
  for (const char* text : {"", "HTTP/1.1 200", "nonsense\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\nearly data"}) {
    script_server proxy([&](peer& client) -> awaitable<void> {
      co_await client.request();
      co_await client.send(text);
      client.close();
    });
    pool_client client(through(proxy, "https://provider.test"));
    const auto outcome = client.exchange(make_request(1));
    EXPECT_EQ(outcome.error, errc::connect_failed) << text;
    EXPECT_THAT(outcome.error_message, HasSubstr("CONNECT provider.test:443")) << text;
  }
}

TEST(http_pool_proxy, GivesUpOnASilentProxy) {
  script_server proxy([](peer& client) -> awaitable<void> { co_await client.until_closed(); });
  auto options = through(proxy, "https://provider.test");
  options.connect_timeout = milliseconds(500);
  pool_client client(options);
  const auto outcome = client.exchange(make_request(1));
  EXPECT_EQ(outcome.error, errc::connect_failed);
  EXPECT_THAT(outcome.error_message, HasSubstr("the proxy"));
}

TEST(http_pool_proxy, AsksForPlainHttpInAbsoluteForm) {
  std::promise<std::string> request;
  script_server proxy([&](peer& client) -> awaitable<void> {
    request.set_value(co_await client.request());
    co_await client.answer("through");
  });
  pool_client client(through(proxy, "http://provider.test:8080/api"));
  EXPECT_EQ(client.exchange(make_request(1)).body.view(), "through");
  const std::string seen = request.get_future().get();
  EXPECT_THAT(seen, StartsWith("POST http://provider.test:8080/api/v1/chat/completions HTTP/1.1\r\n"
                               "Host: provider.test:8080\r\n"));
  EXPECT_THAT(seen, HasSubstr("Proxy-Authorization: Basic dXNlcjpwYXNz\r\n"));
}

TEST(http_pool_proxy, GoesDirectWhereARuleSaysSo) {
  std::promise<std::string> request;
  script_server server([&](peer& client) -> awaitable<void> {
    request.set_value(co_await client.request());
    co_await client.answer("direct");
  });
  auto options = pool_client::options_for(server.port());
  options.proxy.url = secret("http://user:pass@proxy.invalid:3128");
  options.proxy.no_proxy = {"127.0.0.0/8"};
  pool_client client(options);
  EXPECT_EQ(client.exchange(make_request(1)).body.view(), "direct");
  EXPECT_THAT(request.get_future().get(), Not(HasSubstr("Proxy-Authorization")));
}

} // namespace
} // namespace assay::io::test
