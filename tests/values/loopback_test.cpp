#include "core/values/loopback.hpp"

#include <gtest/gtest.h>

namespace assay {
namespace {

TEST(loopback, IsThisMachineAlone) {
  for (const auto* host : {"localhost", "LocalHost", "127.0.0.1", "127.255.255.254", "::1", "[::1]",
                           "::ffff:127.0.0.1", "[::ffff:127.0.0.1]"})
    EXPECT_TRUE(is_loopback_host(host)) << host;
}

TEST(loopback, IsNoNameThatOnlyLooksLikeIt) {
  for (const auto* host : {"", "127.example.org", "127.0.0.1.example.org", "localhost.example.org", "0.0.0.0",
                           "128.0.0.1", "::", "::2", "1270.0.0.1", "::ffff:128.0.0.1", "[127.0.0.1", "127"})
    EXPECT_FALSE(is_loopback_host(host)) << host;
}

} // namespace
} // namespace assay
