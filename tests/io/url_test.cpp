#include "io/url.hpp"

#include <gtest/gtest.h>

namespace assay::io {
namespace {

TEST(base_url, SplitsIntoOriginAndPath) {
  const auto where = parse_base_url("https://Api.OpenAI.com/v1/").value();
  EXPECT_EQ(where, (origin{url_scheme::https, "api.openai.com", 443, "/v1"}));
  EXPECT_EQ(to_string(where), "https://api.openai.com/v1");
  EXPECT_EQ(authority_of(where), "api.openai.com");
  EXPECT_EQ(host_and_port_of(where), "api.openai.com:443");
}

TEST(base_url, TakesPortsAndAddresses) {
  EXPECT_EQ(parse_base_url("http://127.0.0.1:8000").value(),
            (origin{url_scheme::http, "127.0.0.1", 8000, ""}));
  const auto six = parse_base_url("http://[::1]:8000/api").value();
  EXPECT_EQ(six.host, "::1");
  EXPECT_EQ(authority_of(six), "[::1]:8000");
  EXPECT_EQ(to_string(six), "http://[::1]:8000/api");
  EXPECT_EQ(parse_base_url("http://host:").value().port, 80);
}

TEST(base_url, RefusesWhatIsNoBaseUrl) {
  for (const char* text : {"", "api.openai.com", "ftp://host", "https://", "https:///v1", "https://host?x=1",
                           "https://host#x", "https://host:0", "https://host:70000", "https://ho st",
                           "//host/v1", "https://h%20st/", "https://host:80:90/"}) {
    const auto where = parse_base_url(text);
    ASSERT_FALSE(where) << text;
    EXPECT_EQ(where.error().code, errc::invalid_argument) << text;
    EXPECT_FALSE(where.error().hint.empty()) << text;
  }
}

TEST(base_url, NeverRepeatsAPasswordInItsError) {
  const auto where = parse_base_url("https://user:hunter2@host/v1");
  ASSERT_FALSE(where);
  EXPECT_EQ(to_string(where.error()).find("hunter2"), std::string::npos);
  EXPECT_NE(where.error().hint.find("key"), std::string::npos);
}

} // namespace
} // namespace assay::io
