#include "core/codecs/durations.hpp"
#include "tests/codecs/support.hpp"

#include <gtest/gtest.h>

namespace assay::codecs {
namespace {

using test::noon_of_tests;

TEST(go_duration, ReadsWhatOpenAiSends) {
  EXPECT_EQ(parse_go_duration("1s"), seconds{1});
  EXPECT_EQ(parse_go_duration("6m0s"), seconds{360});
  EXPECT_EQ(parse_go_duration("100ms"), milliseconds{100});
  EXPECT_EQ(parse_go_duration("1h2m3s"), seconds{3723});
  EXPECT_EQ(parse_go_duration("8.64s"), milliseconds{8640});
  EXPECT_EQ(parse_go_duration("0s"), milliseconds{0});
  EXPECT_EQ(parse_go_duration("1m"), seconds{60}) << "minutes, not milliseconds";
  EXPECT_EQ(parse_go_duration("17us"), milliseconds{1}) << "rounded up";
}

TEST(go_duration, RefusesEverythingElse) {
  for (const auto* text :
       {"", "1", "s", "-1s", "1x", "1s2", "1 s", "1e3s", "nan", "1..5s", "99999999999h", "1seconds"})
    EXPECT_FALSE(parse_go_duration(text)) << text;
}

TEST(http_date, ReadsAllThreeForms) {
  for (const auto* text :
       {"Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"})
    EXPECT_EQ(parse_http_date(text), noon_of_tests()) << text;
}

TEST(http_date, RefusesDatesThatDoNotExist) {
  for (const auto* text : {"Sun, 31 Feb 1994 08:49:37 GMT", "Sun, 06 Foo 1994 08:49:37 GMT", "yesterday",
                           "Sun, 06 Nov 1994 25:49:37 GMT", "", "Sun, 06 Nov 1994 08:49:37 CET"})
    EXPECT_FALSE(parse_http_date(text)) << text;
}

TEST(retry_after, PrefersMillisecondsThenSecondsThenDateThenWords) {
  const std::string_view words = "Please try again in 18.642s. Visit x.";
  const http_headers date{{"Retry-After", "Sun, 06 Nov 1994 08:49:47 GMT"}};
  const http_headers second{{"Retry-After", " 2.5 "}};
  const http_headers both{{"retry-after", "7"}, {"Retry-After-Ms", "1200.5"}};
  EXPECT_EQ(retry_after(both, words, noon_of_tests()), milliseconds{1201});
  EXPECT_EQ(retry_after(second, words, noon_of_tests()), milliseconds{2500});
  EXPECT_EQ(retry_after(date, words, noon_of_tests()), seconds{10});
  EXPECT_EQ(retry_after({}, words, noon_of_tests()), milliseconds{18642});
}

TEST(retry_after, ADateInThePastMeansNow) {
  EXPECT_EQ(retry_after({{"retry-after", "Sun, 06 Nov 1994 08:00:00 GMT"}}, "", noon_of_tests()),
            milliseconds{0});
}

TEST(retry_after, ReadsTheWordsOfSeveralProviders) {
  EXPECT_EQ(retry_after({}, "try again in 6m0s.", noon_of_tests()), seconds{360});
  EXPECT_EQ(retry_after({}, "try again in 20ms", noon_of_tests()), milliseconds{20});
  EXPECT_EQ(retry_after({}, "Please retry after 26 seconds.", noon_of_tests()), seconds{26});
  EXPECT_EQ(retry_after({}, "Please try again in 1h12m30.5s", noon_of_tests()), milliseconds{4'350'500});
}

TEST(retry_after, SaysNothingWhenNothingUsableIsSaid) {
  EXPECT_FALSE(retry_after({{"retry-after", "-1"}}, "try again in a while", noon_of_tests()));
  EXPECT_FALSE(retry_after({{"retry-after", "soon"}}, "", noon_of_tests()));
  EXPECT_FALSE(retry_after({}, "try again in 5 parsecs", noon_of_tests()));
  EXPECT_FALSE(retry_after({{"retry-after", "1e99"}}, "", noon_of_tests()));
}

} // namespace
} // namespace assay::codecs
