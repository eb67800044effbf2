#include "io/proxy.hpp"

#include <gtest/gtest.h>

#include <map>

namespace assay::io {
namespace {

origin at(const char* url) { return parse_base_url(url).value(); }

bool bypassed(const char* rules, const char* url) { return bypasses_proxy(split_no_proxy(rules), at(url)); }

TEST(no_proxy, MatchesHostsAndTheirSubdomains) {
  EXPECT_TRUE(bypassed("example.com", "https://example.com"));
  EXPECT_TRUE(bypassed("other, EXAMPLE.com", "https://api.Example.com"));
  EXPECT_FALSE(bypassed("example.com", "https://notexample.com"));
  EXPECT_FALSE(bypassed("example.com", "https://example.com.evil.org"));
}

TEST(no_proxy, LeadingDotMeansSubdomainsOnly) {
  EXPECT_TRUE(bypassed(".example.com", "https://api.example.com"));
  EXPECT_TRUE(bypassed("*.example.com", "https://a.b.example.com"));
  EXPECT_FALSE(bypassed(".example.com", "https://example.com"));
}

TEST(no_proxy, StarMatchesEverything) {
  EXPECT_TRUE(bypassed("*", "https://anything.org"));
  EXPECT_FALSE(bypassed("", "https://anything.org"));
  EXPECT_FALSE(bypassed(" , ,", "https://anything.org"));
}

TEST(no_proxy, PortsRestrictARule) {
  EXPECT_TRUE(bypassed("example.com:8443", "https://example.com:8443"));
  EXPECT_FALSE(bypassed("example.com:8443", "https://example.com"));
  EXPECT_TRUE(bypassed("example.com:443", "https://example.com"));
  EXPECT_TRUE(bypassed("*:80", "http://example.com"));
  EXPECT_FALSE(bypassed("example.com:x", "https://example.com"));
}

TEST(no_proxy, MatchesAddressesAndRanges) {
  EXPECT_TRUE(bypassed("127.0.0.1", "http://127.0.0.1:8000"));
  EXPECT_TRUE(bypassed("10.0.0.0/8", "http://10.20.30.40"));
  EXPECT_FALSE(bypassed("10.0.0.0/8", "http://11.0.0.1"));
  EXPECT_FALSE(bypassed("10.0.0.0/8", "http://ten.example.com"));
  EXPECT_TRUE(bypassed("::1", "http://[::1]:8000"));
  EXPECT_TRUE(bypassed("[0:0::1]:8000", "http://[::1]:8000"));
  EXPECT_FALSE(bypassed("[::1]:8001", "http://[::1]:8000"));
  EXPECT_TRUE(bypassed("fd00::/8", "http://[fd12::1]"));
  EXPECT_FALSE(bypassed("10.0.0.0/99", "http://10.0.0.1"));
  EXPECT_FALSE(bypassed("0.1", "http://127.0.0.1")); // not a suffix of names
}

TEST(proxy_choice, ReadsTheProxysUrl) {
  proxy_options options;
  options.url = secret("http://Proxy.Example.com:3128/");
  const auto chosen = choose_proxy(options, at("https://api.openai.com")).value();
  ASSERT_TRUE(chosen);
  EXPECT_EQ(chosen->host, "proxy.example.com");
  EXPECT_EQ(chosen->port, 3128);
  EXPECT_TRUE(chosen->authorization.empty());

  options.url = secret("proxy:3128");
  EXPECT_EQ(choose_proxy(options, at("https://api.openai.com")).value()->port, 3128);
}

TEST(proxy_choice, TurnsUserAndPasswordIntoAHeader) {
  proxy_options options;
  options.url = secret("http://Aladdin:open%20sesame@proxy:3128");
  const auto chosen = choose_proxy(options, at("https://api.openai.com")).value();
  EXPECT_EQ(chosen->authorization.reveal(), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="); // the example of RFC 7617
}

TEST(proxy_choice, GoesDirectWithoutAProxyOrByRule) {
  EXPECT_FALSE(choose_proxy({}, at("https://api.openai.com")).value());
  proxy_options options;
  options.url = secret("http://proxy:3128");
  options.no_proxy = {"openai.com"};
  EXPECT_FALSE(choose_proxy(options, at("https://api.openai.com")).value());
  EXPECT_TRUE(choose_proxy(options, at("https://api.anthropic.com")).value());
}

TEST(proxy_choice, RefusesOtherKindsWithoutShowingThePassword) {
  for (const char* url : {"socks5://u:hunter2@proxy:1080", "https://u:hunter2@proxy", "http://u:hunter2@:80",
                          "http://u:hunter2@proxy:0", "http://u:hunter2@pro xy"}) {
    proxy_options options;
    options.url = secret(url);
    const auto chosen = choose_proxy(options, at("https://api.openai.com"));
    ASSERT_FALSE(chosen) << url;
    EXPECT_EQ(to_string(chosen.error()).find("hunter2"), std::string::npos);
  }
}

TEST(proxy_environment, FollowsTheCustomaryVariables) {
  std::map<std::string, std::string> variables{{"HTTPS_PROXY", "http://upper:1"},
                                               {"HTTP_PROXY", "http://from-a-request-header:1"},
                                               {"no_proxy", "localhost,.corp"}};
  const auto lookup = [&](const char* name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    return found == variables.end() ? std::nullopt : std::optional(found->second);
  };
  auto options = proxy_from_environment(at("https://host"), lookup);
  EXPECT_EQ(options.url.reveal(), "http://upper:1");
  EXPECT_EQ(options.no_proxy, (std::vector<std::string>{"localhost", ".corp"}));
  EXPECT_TRUE(proxy_from_environment(at("http://host"), lookup).url.empty());

  variables["https_proxy"] = "http://lower:1";
  variables["ALL_PROXY"] = "http://all:1";
  EXPECT_EQ(proxy_from_environment(at("https://host"), lookup).url.reveal(), "http://lower:1");
  EXPECT_EQ(proxy_from_environment(at("http://host"), lookup).url.reveal(), "http://all:1");
}

} // namespace
} // namespace assay::io
