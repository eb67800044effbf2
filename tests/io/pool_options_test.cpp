#include "io/http_pool.hpp"

#include <gtest/gtest.h>

namespace assay::io {
namespace {

class pool_options_test : public testing::Test {
protected:
  io_runtime runtime{"x"};
  pool_options options = [] {
    pool_options o;
    o.origin = parse_base_url("https://host").value();
    return o;
  }();

  fault refused() {
    const auto made = http_pool::make(runtime, options, [](http_turn&&) {});
    return made ? fault{errc::internal, "was accepted", {}, {}} : made.error();
  }
};

TEST_F(pool_options_test, AcceptsGoodOptions) {
  options.credentials.emplace_back("Authorization", secret("Bearer sk-1"));
  options.extra_headers = {{"anthropic-version", "2023-06-01"}};
  EXPECT_EQ(refused().message, "was accepted");
}

TEST_F(pool_options_test, BoundsTheConnections) {
  options.max_connections = 0;
  EXPECT_EQ(refused().where, "max_connections");
  options.max_connections = 20'001;
  EXPECT_EQ(refused().code, errc::invalid_argument);
}

TEST_F(pool_options_test, RefusesHeaderInjectionWithoutShowingTheKey) {
  options.credentials.emplace_back("Authorization", secret("Bearer sk-hunter2\r\nX-Evil: 1"));
  EXPECT_EQ(refused().code, errc::invalid_argument);
  EXPECT_EQ(to_string(refused()).find("hunter2"), std::string::npos);
  options.credentials = {{"Bad Name", secret("x")}};
  EXPECT_EQ(refused().where, "credentials");
}

TEST_F(pool_options_test, KeepsFramingHeadersToItself) {
  for (const char* name : {"Host", "content-length", "Transfer-Encoding", "CONNECTION", "accept-encoding"}) {
    options.extra_headers = {{name, "x"}};
    EXPECT_EQ(refused().where, "extra_headers") << name;
  }
}

TEST_F(pool_options_test, NamesTheUnreadableCaFile) {
  options.tls.extra_ca_file = "/nowhere/ca.pem";
  EXPECT_EQ(refused().where, "/nowhere/ca.pem");
}

TEST_F(pool_options_test, RefusesAStoppedRuntime) {
  runtime.stop();
  EXPECT_EQ(refused().code, errc::shutting_down);
}

} // namespace
} // namespace assay::io
