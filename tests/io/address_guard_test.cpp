#include "io/address_guard.hpp"

#include "io/http_fetch.hpp"
#include "tests/io/pool_client.hpp"
#include "tests/io/script_server.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace assay::io::test {
namespace {

using boost::asio::ip::address;
using boost::asio::ip::make_address;
using testing::HasSubstr;
using kind = address_kind;

// -- kinds -------------------------------------------------------------------------------------------------

TEST(address_kinds, HoldAtEveryEdgeOfEveryRange) {
  const std::pair<const char*, kind> table[] = {
      {"0.0.0.0", kind::unspecified},
      {"0.255.255.255", kind::unspecified},
      {"1.0.0.0", kind::public_use},
      {"9.255.255.255", kind::public_use},
      {"10.0.0.0", kind::private_use},
      {"10.255.255.255", kind::private_use},
      {"11.0.0.0", kind::public_use},
      {"100.63.255.255", kind::public_use},
      {"100.64.0.0", kind::carrier_nat},
      {"100.100.100.199", kind::carrier_nat},
      {"100.100.100.200", kind::cloud_metadata},
      {"100.100.100.201", kind::carrier_nat},
      {"100.127.255.255", kind::carrier_nat},
      {"100.128.0.0", kind::public_use},
      {"126.255.255.255", kind::public_use},
      {"127.0.0.0", kind::loopback},
      {"127.0.0.1", kind::loopback},
      {"127.255.255.255", kind::loopback},
      {"128.0.0.0", kind::public_use},
      {"168.63.129.15", kind::public_use},
      {"168.63.129.16", kind::cloud_metadata},
      {"168.63.129.17", kind::public_use},
      {"169.253.255.255", kind::public_use},
      {"169.254.0.0", kind::link_local},
      {"169.254.169.253", kind::link_local},
      {"169.254.169.254", kind::cloud_metadata},
      {"169.254.169.255", kind::link_local},
      {"169.254.170.2", kind::cloud_metadata},
      {"169.254.255.255", kind::link_local},
      {"169.255.0.0", kind::public_use},
      {"172.15.255.255", kind::public_use},
      {"172.16.0.0", kind::private_use},
      {"172.31.255.255", kind::private_use},
      {"172.32.0.0", kind::public_use},
      {"191.255.255.255", kind::public_use},
      {"192.0.0.0", kind::reserved},
      {"192.0.0.192", kind::cloud_metadata},
      {"192.0.0.255", kind::reserved},
      {"192.0.1.0", kind::public_use},
      {"192.0.1.255", kind::public_use},
      {"192.0.2.0", kind::documentation},
      {"192.0.2.255", kind::documentation},
      {"192.0.3.0", kind::public_use},
      {"192.88.98.255", kind::public_use},
      {"192.88.99.0", kind::reserved},
      {"192.88.99.255", kind::reserved},
      {"192.88.100.0", kind::public_use},
      {"192.167.255.255", kind::public_use},
      {"192.168.0.0", kind::private_use},
      {"192.168.255.255", kind::private_use},
      {"192.169.0.0", kind::public_use},
      {"198.17.255.255", kind::public_use},
      {"198.18.0.0", kind::benchmarking},
      {"198.19.255.255", kind::benchmarking},
      {"198.20.0.0", kind::public_use},
      {"198.51.99.255", kind::public_use},
      {"198.51.100.0", kind::documentation},
      {"198.51.100.255", kind::documentation},
      {"198.51.101.0", kind::public_use},
      {"203.0.112.255", kind::public_use},
      {"203.0.113.0", kind::documentation},
      {"203.0.113.255", kind::documentation},
      {"203.0.114.0", kind::public_use},
      {"223.255.255.255", kind::public_use},
      {"224.0.0.0", kind::multicast},
      {"239.255.255.255", kind::multicast},
      {"240.0.0.0", kind::reserved},
      {"255.255.255.255", kind::reserved},

      {"::", kind::unspecified},
      {"::1", kind::loopback},
      {"::2", kind::reserved},
      {"::127.0.0.1", kind::reserved},
      {"::8.8.8.8", kind::reserved},
      {"::ffff:0:8.8.8.8", kind::reserved},
      {"::1:0:0:1", kind::reserved},
      {"64:ff9a:ffff:ffff:ffff:ffff:ffff:ffff", kind::reserved},
      {"64:ff9b::8.8.8.8", kind::public_use},
      {"64:ff9b::1:0:8.8.8.8", kind::reserved},
      {"64:ff9b:1::", kind::private_use},
      {"64:ff9b:1::8.8.8.8", kind::private_use},
      {"64:ff9b:1:ffff:ffff:ffff:ffff:ffff", kind::private_use},
      {"64:ff9b:2::", kind::reserved},
      {"100::", kind::reserved},
      {"1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", kind::reserved},
      {"2000::", kind::public_use},
      {"2000:ffff:ffff:ffff:ffff:ffff:ffff:ffff", kind::public_use},
      {"2001:1::", kind::reserved},
      {"2001:1::1", kind::reserved},
      {"2001:2::", kind::benchmarking},
      {"2001:2:0:ffff:ffff:ffff:ffff:ffff", kind::benchmarking},
      {"2001:2:1::", kind::reserved},
      {"2001:20::", kind::reserved},
      {"2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff", kind::reserved},
      {"2001:200::", kind::public_use},
      {"2001:db7:ffff:ffff:ffff:ffff:ffff:ffff", kind::public_use},
      {"2001:db8::", kind::documentation},
      {"2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", kind::documentation},
      {"2001:db9::", kind::public_use},
      {"2606:4700:4700::1111", kind::public_use},
      {"3ffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff", kind::public_use},
      {"3fff::", kind::documentation},
      {"3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff", kind::documentation},
      {"3fff:1000::", kind::public_use},
      {"3fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", kind::public_use},
      {"4000::", kind::reserved},
      {"5f00::1", kind::reserved},
      {"fbff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", kind::reserved},
      {"fc00::", kind::private_use},
      {"fd00:ec2::253", kind::private_use},
      {"fd00:ec2::254", kind::cloud_metadata},
      {"fd20:ce::254", kind::cloud_metadata},
      {"fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", kind::private_use},
      {"fe00::", kind::reserved},
      {"fe7f:ffff:ffff:ffff:ffff:ffff:ffff:ffff", kind::reserved},
      {"fe80::", kind::link_local},
      {"fe80::1%lo", kind::link_local},
      {"febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", kind::link_local},
      {"fec0::", kind::private_use},
      {"feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", kind::private_use},
      {"ff00::", kind::multicast},
      {"ff02::1", kind::multicast},
      {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", kind::multicast},
  };
  for (const auto& [text, expected] : table)
    EXPECT_EQ(kind_of(make_address(text)), expected)
        << text << " is " << describe(kind_of(make_address(text)));
}

/// The forms in which IPv6 carries the IPv4 address @p four.
std::vector<std::string> carriers_of(uint32_t four) {
  const auto word = [](uint32_t value) {
    char text[8];
    std::snprintf(text, sizeof text, "%x", value & 0xFFFF);
    return std::string(text);
  };
  const std::string high = word(four >> 16);
  const std::string low = word(four);
  return {"::ffff:" + high + ":" + low, "64:ff9b::" + high + ":" + low, "2002:" + high + ":" + low + "::1",
          "2001:0:" + high + ":" + low + "::f7f7:f7f7", // the server of Teredo; the client is 8.8.8.8
          "2001:0:808:808::" + word(~four >> 16) + ":" + word(~four)};
}

TEST(address_kinds, LookInsideIpv6ThatCarriesIpv4) {
  const char* fours[] = {"8.8.8.8",     "0.0.0.0",         "10.1.2.3",   "100.64.1.1",     "127.0.0.1",
                         "169.254.1.1", "169.254.169.254", "172.16.0.1", "192.0.0.1",      "192.168.1.1",
                         "198.18.0.1",  "192.0.2.1",       "224.0.0.1",  "255.255.255.255"};
  for (const char* four : fours) {
    const auto inner = boost::asio::ip::make_address_v4(four);
    for (const auto& text : carriers_of(inner.to_uint()))
      EXPECT_EQ(kind_of(make_address(text)), kind_of(inner)) << text << " carries " << four;
  }
}

// -- rules -------------------------------------------------------------------------------------------------

origin to(const std::string& url) { return parse_base_url(url).value(); }

std::vector<address> addresses(std::initializer_list<const char*> texts) {
  std::vector<address> out;
  for (const char* text : texts)
    out.push_back(make_address(text));
  return out;
}

bool passes(const address_guard& guard, const std::string& url, std::initializer_list<const char*> found) {
  return bool(guard.check(to(url), addresses(found)));
}

address_guard allowing(std::vector<std::string> rules) {
  return address_guard::make(std::move(rules)).value();
}

TEST(address_guards, LetOnlyPublicAddressesPassUnlessTold) {
  const address_guard guard;
  EXPECT_TRUE(passes(guard, "https://api.example", {"8.8.8.8", "2606:4700:4700::1111"}));
  EXPECT_FALSE(passes(guard, "https://api.example", {}));
  const auto refused = guard.check(to("https://api.example"), addresses({"10.0.0.7"}));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, errc::forbidden);
  EXPECT_THAT(refused.error().message, HasSubstr("api.example"));
  EXPECT_THAT(refused.error().message, HasSubstr("10.0.0.7 is a private address"));
  EXPECT_THAT(refused.error().hint, HasSubstr("network.allow_private_addresses"));
}

TEST(address_guards, RefuseANameOfWhichOneAddressIsBad) {
  const address_guard guard;
  EXPECT_FALSE(passes(guard, "https://api.example", {"8.8.8.8", "127.0.0.1"}));
  EXPECT_FALSE(passes(guard, "https://api.example", {"::ffff:127.0.0.1", "8.8.8.8"}));
  EXPECT_FALSE(passes(allowing({"10.0.0.0/8"}), "https://api.example", {"10.0.0.1", "192.168.0.1"}));
}

TEST(address_guards, LetPassWhatTheOperatorNames) {
  EXPECT_TRUE(passes(allowing({"*"}), "http://x", {"169.254.169.254"}));
  const auto ranges = allowing({"10.0.0.0/8", "fd00::/8", "192.168.1.7", "127.0.0.1:8080"});
  EXPECT_TRUE(passes(ranges, "http://x", {"10.255.255.255"}));
  EXPECT_TRUE(passes(ranges, "http://x", {"::ffff:10.0.0.1"}));
  EXPECT_TRUE(passes(ranges, "http://x", {"fd12::1", "8.8.8.8"}));
  EXPECT_TRUE(passes(ranges, "http://x", {"192.168.1.7"}));
  EXPECT_FALSE(passes(ranges, "http://x", {"192.168.1.8"}));
  EXPECT_FALSE(passes(ranges, "http://x", {"fc12::1"}));
  EXPECT_FALSE(passes(ranges, "http://x", {"11.0.0.1", "127.0.0.1"}));
  EXPECT_TRUE(passes(ranges, "http://x:8080", {"127.0.0.1"}));
  EXPECT_FALSE(passes(ranges, "http://x:8081", {"127.0.0.1"}));
  const auto hosts = allowing({"llm.internal", "vllm:8000"});
  EXPECT_TRUE(passes(hosts, "http://llm.internal", {"10.0.0.1"}));
  EXPECT_TRUE(passes(hosts, "http://vllm:8000", {"10.0.0.1"}));
  EXPECT_FALSE(passes(hosts, "http://vllm:8001", {"10.0.0.1"}));
  EXPECT_FALSE(passes(hosts, "http://llm.internal.evil.example", {"10.0.0.1"}));
}

TEST(address_guards, NameTheRuleThatMeansNothing) {
  for (const char* bad :
       {"10.0.0", "300.0.0.1", "10.0.0.0/33", "fd00::/129", "no good", "http://x", "a/b", ""}) {
    const auto made = address_guard::make({"10.0.0.0/8", bad});
    ASSERT_FALSE(made) << bad;
    EXPECT_EQ(made.error().code, errc::invalid_argument) << bad;
    EXPECT_EQ(made.error().where, "[1]") << bad;
  }
  for (const char* good : {"*", "10.0.0.7", "10.0.0.7/8", "fd00::1", "fd00::/8", "localhost", "*.internal",
                           ".internal", "10.0.0.7:8000", "[fd00::1]:8000", "a_b.example"})
    EXPECT_TRUE(address_guard::make({good})) << good;
}

// -- resolution, pool, fetch -------------------------------------------------------------------------------

/// Every way to write loopback that a resolver takes and that a URL can hold.
const char* const loopback_hosts[] = {"127.0.0.1",
                                      "127.1",
                                      "127.0.1",
                                      "0x7f.1",
                                      "0x7f000001",
                                      "2130706433",
                                      "017700000001",
                                      "0177.0.0.1",
                                      "127.0.0.1.",
                                      "0x7f.0x0.0x0.0x1",
                                      "[::1]",
                                      "[::ffff:127.0.0.1]",
                                      "[::ffff:7f00:1]",
                                      "localhost",
                                      "LOCALHOST",
                                      "localhost.",
                                      "0.0.0.0",
                                      "0",
                                      "[::]"};

TEST(address_checks, SeeThroughEverySpelling) {
  const address_guard guard;
  for (const char* host : loopback_hosts) {
    const auto where = parse_base_url("http://" + std::string(host) + ":8000");
    if (!where)
      continue; // refused before it gets that far
    const auto allowed = check_addresses_of(guard, *where);
    ASSERT_FALSE(allowed) << host;
    EXPECT_NE(allowed.error().message, "") << host;
    // The resolver may know no name of that spelling; then nothing is reached either.
    EXPECT_TRUE(allowed.error().code == errc::forbidden || allowed.error().code == errc::connect_failed)
        << host;
  }
  EXPECT_EQ(check_addresses_of(guard, to("http://2130706433")).error().code, errc::forbidden);
  EXPECT_EQ(check_addresses_of(guard, to("http://0x7f.1")).error().code, errc::forbidden);
  EXPECT_EQ(check_addresses_of(guard, to("http://0177.0.0.1")).error().code, errc::forbidden);
  EXPECT_EQ(check_addresses_of(guard, to("http://[::ffff:127.0.0.1]")).error().code, errc::forbidden);
  EXPECT_TRUE(check_addresses_of(guard, to("http://8.8.8.8")));
  EXPECT_TRUE(check_addresses_of(guard, to("http://134744072"))); // the same address
  EXPECT_TRUE(check_addresses_of(allowing({"127.0.0.0/8"}), to("http://0x7f.1")));
}

class guarded : public testing::Test {
protected:
  script_server server{[](peer& client) -> awaitable<void> {
    for (;;) {
      co_await client.request();
      co_await client.answer("reached");
    }
  }};

  pool_options options_for(const std::string& host, std::vector<std::string> allowed = {}) {
    auto options = pool_client::options_for(server.port());
    options.origin.host = host;
    options.guard = std::make_shared<const address_guard>(allowing(std::move(allowed)));
    return options;
  }
};

TEST_F(guarded, PoolsDoNotConnectToWhatIsRefused) {
  for (const char* host : {"127.0.0.1", "localhost", "0x7f.1", "2130706433", "::ffff:127.0.0.1", "0.0.0.0"}) {
    pool_client client(options_for(host));
    std::vector<http_request> batch;
    for (uint64_t id = 1; id <= 10; ++id)
      batch.push_back(make_request(id));
    client.pool().submit(std::move(batch));
    for (uint64_t id = 1; id <= 10; ++id) {
      const auto outcome = client.wait_for(id);
      EXPECT_EQ(outcome.error, errc::forbidden) << host << outcome.error_message;
      EXPECT_THAT(outcome.error_message, HasSubstr("may not be called from here")) << host;
      EXPECT_FALSE(outcome.request_written);
    }
  }
  EXPECT_EQ(server.accepted(), 0);
}

TEST_F(guarded, PoolsConnectToWhatIsAllowed) {
  for (const auto& [host, rule] :
       std::initializer_list<std::pair<const char*, const char*>>{{"127.0.0.1", "127.0.0.1"},
                                                                  {"127.0.0.1", "127.0.0.0/8"},
                                                                  {"0x7f.1", "127.0.0.0/8"},
                                                                  {"127.0.0.1", "*"}}) {
    pool_client client(options_for(host, {rule}));
    EXPECT_EQ(client.exchange(make_request(1)).body.view(), "reached") << host << rule;
    EXPECT_EQ(client.exchange(make_request(2)).body.view(), "reached") << host << rule;
  }
  pool_client client(options_for("localhost", {"localhost"}));
  EXPECT_EQ(client.exchange(make_request(1)).body.view(), "reached");
}

TEST_F(guarded, PoolsUseNoProxyThatWouldResolveForThem) {
  io_runtime runtime("x");
  auto options = options_for("api.example", {"other.example"});
  options.proxy.url = secret("http://127.0.0.1:1");
  auto made = http_pool::make(runtime, options, [](http_turn&&) {});
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, errc::forbidden);
  EXPECT_THAT(made.error().hint, HasSubstr("network.allow_private_addresses"));
  options.proxy.no_proxy = {"api.example"};
  EXPECT_TRUE(http_pool::make(runtime, options, [](http_turn&&) {}));
  options = options_for("api.example", {"api.example"});
  options.proxy.url = secret("http://127.0.0.1:1");
  EXPECT_TRUE(http_pool::make(runtime, options, [](http_turn&&) {}));
}

TEST_F(guarded, FetchDoesNotConnectToWhatIsRefused) {
  fetch_request request;
  request.target = "/";
  for (const char* host : {"127.0.0.1", "localhost", "0x7f.1", "2130706433", "::ffff:127.0.0.1"}) {
    request.where = options_for(host).origin;
    request.guard = options_for(host).guard;
    const auto answer = fetch(request);
    ASSERT_FALSE(answer) << host;
    EXPECT_EQ(answer.error().code, errc::forbidden) << host;
  }
  EXPECT_EQ(server.accepted(), 0);
  request.guard = options_for("x", {"127.0.0.0/8", "::ffff:127.0.0.1"}).guard;
  EXPECT_EQ(fetch(request).value().body, "reached");
}

TEST_F(guarded, FetchUsesNoProxyThatWouldResolveForIt) {
  fetch_request request;
  request.target = "/";
  request.where = options_for("api.example").origin;
  request.guard = options_for("api.example").guard;
  request.proxy.url = secret("http://127.0.0.1:" + std::to_string(server.port()));
  const auto answer = fetch(request);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, errc::forbidden);
  EXPECT_EQ(server.accepted(), 0);
}

TEST_F(guarded, FetchFollowsNoRedirect) {
  script_server elsewhere([this](peer& client) -> awaitable<void> {
    co_await client.request_head();
    co_await client.send("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:" + std::to_string(server.port())
                         + "/\r\nContent-Length: 0\r\n\r\n");
  });
  fetch_request request;
  request.where = pool_client::options_for(elsewhere.port()).origin;
  request.target = "/";
  EXPECT_EQ(fetch(request).value().status, 302);
  EXPECT_EQ(server.accepted(), 0);
}

} // namespace
} // namespace assay::io::test
