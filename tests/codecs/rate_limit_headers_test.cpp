#include "core/codecs/rate_limit_headers.hpp"
#include "tests/codecs/support.hpp"

#include <gtest/gtest.h>

namespace assay::codecs {
namespace {

using test::noon_of_tests;

TEST(rate_limit_headers, ReadsOpenAis) {
  const auto report = read_rate_limits({{"x-ratelimit-limit-requests", "60"},
                                        {"x-ratelimit-limit-tokens", "150000"},
                                        {"x-ratelimit-remaining-requests", "59"},
                                        {"X-RateLimit-Remaining-Tokens", "149984"},
                                        {"x-ratelimit-reset-requests", "1s"},
                                        {"x-ratelimit-reset-tokens", "6m0s"}},
                                       noon_of_tests());
  EXPECT_EQ(report.requests, (rate_limit_reading{60, 59, seconds{1}}));
  EXPECT_EQ(report.tokens, (rate_limit_reading{150000, 149984, seconds{360}}));
}

TEST(rate_limit_headers, ReadsResetsInEveryForm) {
  const auto reset = [](const char* text) {
    return read_rate_limits({{"x-ratelimit-reset-requests", text}}, noon_of_tests()).requests.reset;
  };
  EXPECT_EQ(reset("55"), seconds{55}) << "Azure";
  EXPECT_EQ(reset("8.64"), milliseconds{8640});
  EXPECT_EQ(reset("1994-11-06T08:49:40Z"), seconds{3}) << "RFC 3339";
  EXPECT_EQ(reset("1994-11-06T08:00:00Z"), seconds{0}) << "in the past";
  EXPECT_EQ(reset("784111777000"), std::nullopt) << "no time a provider would name";
  EXPECT_EQ(reset("-1"), std::nullopt);
  EXPECT_EQ(reset("whenever"), std::nullopt);
}

TEST(rate_limit_headers, ReadsUnixTimes) {
  const wall_time now{seconds{1'700'000'000}};
  EXPECT_EQ(read_rate_limits({{"x-ratelimit-reset", "1700000005"}}, now).requests.reset, seconds{5});
  EXPECT_EQ(read_rate_limits({{"x-ratelimit-reset", "1700000005250"}}, now).requests.reset,
            milliseconds{5250});
}

TEST(rate_limit_headers, TreatsAzuresGarbageAsAbsent) {
  const auto report = read_rate_limits({{"x-ratelimit-limit-requests", "-1"},
                                        {"x-ratelimit-remaining-requests", "0"},
                                        {"x-ratelimit-reset-requests", "0"},
                                        {"x-ratelimit-limit-tokens", "0"},
                                        {"x-ratelimit-remaining-tokens", "-1"}},
                                       noon_of_tests());
  EXPECT_TRUE(report.empty());
}

TEST(rate_limit_headers, BelievesAnEmptyBucketWhenTheLimitIsReal) {
  const auto report = read_rate_limits(
      {{"x-ratelimit-limit-tokens", "1000"}, {"x-ratelimit-remaining-tokens", "0"}}, noon_of_tests());
  EXPECT_EQ(report.tokens.remaining, 0U);
  EXPECT_TRUE(report.requests.empty());
}

TEST(rate_limit_headers, ReadsTheFormWithoutASuffixAsRequests) {
  const auto report =
      read_rate_limits({{"x-ratelimit-limit", "20"}, {"x-ratelimit-remaining", "19"}}, noon_of_tests());
  EXPECT_EQ(report.requests.limit, 20U);
  EXPECT_EQ(report.requests.remaining, 19U);
}

TEST(rate_limit_headers, ReadsAzuresPeriods) {
  const auto report = read_rate_limits({{"x-ratelimit-limit-requests", "10"},
                                        {"x-ratelimit-remaining-requests", "9"},
                                        {"x-ratelimit-reset-requests", "10"},
                                        {"x-ratelimit-renewalperiod-requests", "10"},
                                        {"x-ratelimit-limit-tokens", "10000"},
                                        {"x-ratelimit-renewalperiod-tokens", "60"},
                                        {"retry-after-ms", "0"}},
                                       noon_of_tests());
  EXPECT_EQ(report.requests, (rate_limit_reading{10, 9, seconds{10}, seconds{10}}));
  EXPECT_EQ(report.tokens.window, seconds{60});
}

TEST(rate_limit_headers, TellADayFromAMinuteByItsReset) {
  const auto window = [](const char* limit, const char* remaining, const char* reset) {
    return read_rate_limits({{"x-ratelimit-limit-requests", limit},
                             {"x-ratelimit-remaining-requests", remaining},
                             {"x-ratelimit-reset-requests", reset}},
                            noon_of_tests())
        .requests.window;
  };
  EXPECT_EQ(window("14400", "14370", "2m59.56s"), std::chrono::hours{24}) << "Groq";
  EXPECT_EQ(window("200", "199", "7m12s"), std::chrono::hours{24}) << "a small account at OpenAI";
  EXPECT_EQ(window("50", "0", "11h"), std::chrono::hours{24}) << "refills at midnight";
  EXPECT_EQ(window("20", "0", "59m"), std::chrono::hours{1});
  EXPECT_EQ(window("60", "59", "1s"), std::nullopt);
  EXPECT_EQ(window("14400", "14390", "60s"), std::nullopt) << "a minute is possible, so it is one";
}

TEST(rate_limit_headers, NeverTakeTokensForADays) {
  const auto report = read_rate_limits({{"x-ratelimit-limit-tokens", "150000"},
                                        {"x-ratelimit-remaining-tokens", "149984"},
                                        {"x-ratelimit-reset-tokens", "6m0s"}},
                                       noon_of_tests());
  EXPECT_EQ(report.tokens.window, std::nullopt);
}

TEST(rate_limit_headers, NoHeadersMeanNothingIsKnown) {
  EXPECT_TRUE(read_rate_limits({{"content-type", "application/json"}}, noon_of_tests()).empty());
}

TEST(find_header, IgnoresCaseAndTakesTheFirst) {
  const http_headers headers{{"X-A", "1"}, {"x-a", "2"}};
  EXPECT_EQ(find_header(headers, "x-A"), "1");
  EXPECT_EQ(find_header(headers, "x"), "");
}

} // namespace
} // namespace assay::codecs
