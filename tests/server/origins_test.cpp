#include "server/origins.hpp"

#include <gtest/gtest.h>

using namespace assay::server;

namespace {

request_head local(std::vector<header_field> headers) {
  request_head head;
  head.peer = "127.0.0.1";
  head.peer_is_loopback = true;
  head.headers = std::move(headers);
  return head;
}

} // namespace

TEST(anonymous_use, IsForTheOneAtTheKeyboard) {
  edge_options options;
  options.server_names = {"farm.local"};
  for (const auto* host : {"localhost:8000", "127.0.0.1:8000", "[::1]:8000", "LOCALHOST", "farm.local:8000"})
    EXPECT_TRUE(may_be_anonymous(options, local({{"Host", host}}))) << host;
  for (const auto* host :
       {"evil.example:8000", "127.evil.example", "localhost.evil.example", "", "127.0.0.1.evil.example"})
    EXPECT_FALSE(may_be_anonymous(options, local({{"Host", host}}))) << host;
}

TEST(anonymous_use, IsNotForPagesOfOtherSites) {
  const edge_options options;
  EXPECT_TRUE(
      may_be_anonymous(options, local({{"Host", "localhost:8000"}, {"Origin", "http://localhost:8000"}})));
  EXPECT_FALSE(
      may_be_anonymous(options, local({{"Host", "localhost:8000"}, {"Origin", "http://evil.example"}})));
  EXPECT_FALSE(
      may_be_anonymous(options, local({{"Host", "localhost:8000"}, {"Origin", "http://localhost:9000"}})));
  EXPECT_FALSE(may_be_anonymous(options, local({{"Host", "localhost:8000"}, {"Origin", "null"}})));
  EXPECT_FALSE(
      may_be_anonymous(options, local({{"Host", "localhost:8000"}, {"Sec-Fetch-Site", "cross-site"}})));
  EXPECT_TRUE(
      may_be_anonymous(options, local({{"Host", "localhost:8000"}, {"Sec-Fetch-Site", "same-origin"}})));
}

TEST(anonymous_use, IsNotForWhoCameThroughAProxyOrFromAfar) {
  const edge_options options;
  EXPECT_FALSE(may_be_anonymous(options, local({{"Host", "localhost"}, {"X-Forwarded-For", "203.0.113.1"}})));
  EXPECT_FALSE(may_be_anonymous(options, local({{"Host", "localhost"}, {"Forwarded", "for=x"}})));
  auto remote = local({{"Host", "localhost"}});
  remote.peer_is_loopback = false;
  EXPECT_FALSE(may_be_anonymous(options, remote));
}

TEST(origins, AreComparedExactly) {
  edge_options options;
  options.allow_origins = {"https://app.example"};
  EXPECT_TRUE(is_listed_origin(options, "https://app.example"));
  for (const auto* origin :
       {"https://app.example.evil", "http://app.example", "https://app.example:444", "null", ""})
    EXPECT_FALSE(is_listed_origin(options, origin)) << origin;
  auto head = local({{"Host", "farm:8000"}});
  EXPECT_TRUE(is_same_origin(head, "http://farm:8000"));
  EXPECT_FALSE(is_same_origin(head, "https://farm:8000"));
  head.secure = true;
  EXPECT_TRUE(is_same_origin(head, "https://farm:8000"));
}
