#include "tests/io/certificates.hpp"
#include "tests/io/pool_client.hpp"
#include "tests/io/script_server.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace assay::io::test {
namespace {

using testing::HasSubstr;

awaitable<void> answer_everything(peer& client) {
  for (;;) {
    const std::string request = co_await client.request();
    co_await client.answer(request.substr(request.find("\r\n\r\n") + 4));
  }
}

class http_pool_tls : public testing::Test {
protected:
  const certificate authority = make_authority("test authority");
  const temporary_file ca_file{authority.certificate_pem};

  pool_options options_for(const script_server& server, const char* host = "localhost") {
    auto options = pool_client::options_for(server.port(), 8);
    options.origin.scheme = url_scheme::https;
    options.origin.host = host;
    options.tls.extra_ca_file = ca_file.path();
    return options;
  }
};

TEST_F(http_pool_tls, TrustsTheExtraAuthority) {
  script_server server(answer_everything,
                       server_context(make_server_certificate(authority, "DNS:localhost")));
  pool_client client(options_for(server));
  for (uint64_t id = 1; id <= 5; ++id) {
    const auto outcome = client.exchange(make_request(id, "secret " + std::to_string(id)));
    ASSERT_EQ(outcome.status, 200) << outcome.error_message;
    EXPECT_EQ(outcome.body.view(), "secret " + std::to_string(id));
    EXPECT_TRUE(outcome.request_written);
  }
  EXPECT_EQ(server.accepted(), 1);
}

TEST_F(http_pool_tls, ChecksAddressesInCertificatesToo) {
  script_server good(answer_everything, server_context(make_server_certificate(authority, "IP:127.0.0.1")));
  EXPECT_EQ(pool_client(options_for(good, "127.0.0.1")).exchange(make_request(1)).status, 200);
  script_server bad(answer_everything, server_context(make_server_certificate(authority, "IP:127.0.0.2")));
  EXPECT_EQ(pool_client(options_for(bad, "127.0.0.1")).exchange(make_request(1)).error, errc::connect_failed);
}

TEST_F(http_pool_tls, RefusesACertificateOfAnotherHost) {
  script_server server(answer_everything,
                       server_context(make_server_certificate(authority, "DNS:other.example")));
  pool_client client(options_for(server));
  const auto outcome = client.exchange(make_request(1));
  EXPECT_EQ(outcome.error, errc::connect_failed);
  EXPECT_FALSE(outcome.request_written);
  EXPECT_THAT(outcome.error_message, HasSubstr("another host"));
  EXPECT_THAT(outcome.error_message, HasSubstr("localhost:" + std::to_string(server.port())));
}

TEST_F(http_pool_tls, RefusesAnUnknownAuthority) {
  script_server server(answer_everything,
                       server_context(make_server_certificate(authority, "DNS:localhost")));
  auto options = options_for(server);
  options.tls.extra_ca_file.clear();
  pool_client client(options);
  const auto outcome = client.exchange(make_request(1));
  EXPECT_EQ(outcome.error, errc::connect_failed);
  EXPECT_THAT(outcome.error_message, HasSubstr("not trusted"));
  EXPECT_THAT(outcome.error_message, HasSubstr("extra_ca_file"));
}

TEST_F(http_pool_tls, RefusesAnExpiredCertificate) {
  script_server server(answer_everything,
                       server_context(make_server_certificate(authority, "DNS:localhost", -7200, -3600)));
  pool_client client(options_for(server));
  const auto outcome = client.exchange(make_request(1));
  EXPECT_EQ(outcome.error, errc::connect_failed);
  EXPECT_THAT(outcome.error_message, HasSubstr("expired"));
  EXPECT_THAT(outcome.error_message, HasSubstr("clock"));
}

TEST_F(http_pool_tls, NoticesAServerThatDoesNotSpeakTls) {
  script_server server([](peer& client) -> awaitable<void> {
    co_await client.send("HTTP/1.1 400 Bad Request\r\n\r\n");
    co_await client.until_closed();
  });
  pool_client client(options_for(server));
  const auto outcome = client.exchange(make_request(1));
  EXPECT_EQ(outcome.error, errc::connect_failed);
  EXPECT_THAT(outcome.error_message, HasSubstr("TLS handshake"));
}

TEST_F(http_pool_tls, GivesUpOnASilentHandshake) {
  script_server server([](peer& client) -> awaitable<void> { co_await client.until_closed(); });
  auto options = options_for(server);
  options.connect_timeout = milliseconds(500);
  pool_client client(options);
  const auto outcome = client.exchange(make_request(1));
  EXPECT_EQ(outcome.error, errc::connect_failed);
  EXPECT_THAT(outcome.error_message, HasSubstr("TLS handshake"));
  EXPECT_THAT(outcome.error_message, HasSubstr("500 ms"));
}

TEST_F(http_pool_tls, MovesLargeBodiesBothWays) {
  script_server server(answer_everything,
                       server_context(make_server_certificate(authority, "DNS:localhost")));
  pool_client client(options_for(server));
  std::string text(5 << 20, 'a');
  for (size_t i = 0; i < text.size(); i += 97)
    text[i] = static_cast<char>('b' + i % 20);
  for (uint64_t id = 1; id <= 2; ++id) {
    const auto outcome = client.exchange(make_request(id, text));
    ASSERT_EQ(outcome.status, 200) << outcome.error_message;
    EXPECT_TRUE(outcome.body.view() == text);
  }
}

TEST_F(http_pool_tls, CarriesManyRequestsOverFewConnections) {
  script_server server(answer_everything,
                       server_context(make_server_certificate(authority, "DNS:localhost")));
  pool_client client(options_for(server));
  std::vector<http_request> batch;
  for (uint64_t id = 1; id <= 200; ++id)
    batch.push_back(make_request(id, std::to_string(id)));
  client.pool().submit(std::move(batch));
  for (uint64_t id = 1; id <= 200; ++id)
    ASSERT_EQ(client.wait_for(id).body.view(), std::to_string(id));
  EXPECT_LE(server.accepted(), 8);
}

TEST_F(http_pool_tls, DoesNotTakeABareEndForTheEndOfTheBody) {
  script_server server(
      [](peer& client) -> awaitable<void> {
        co_await client.request();
        co_await client.send(
            "HTTP/1.1 200 OK\r\n\r\nhalf of the ans"); // an attacker can cut TCP, not say goodbye
        client.close();
      },
      server_context(make_server_certificate(authority, "DNS:localhost")));
  pool_client client(options_for(server));
  EXPECT_EQ(client.exchange(make_request(1)).error, errc::truncated_answer);
}

TEST_F(http_pool_tls, ReplacesAStaleSocket) {
  script_server server(
      [](peer& client) -> awaitable<void> {
        co_await client.request();
        co_await client.answer("fine");
        co_await client.request();
        client.close();
      },
      server_context(make_server_certificate(authority, "DNS:localhost")));
  pool_client client(options_for(server));
  ASSERT_EQ(client.exchange(make_request(1)).status, 200);
  const auto outcome = client.exchange(make_request(2));
  EXPECT_EQ(outcome.status, 200) << outcome.error_message;
  EXPECT_EQ(server.accepted(), 2);
}

} // namespace
} // namespace assay::io::test
