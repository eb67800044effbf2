#include "mock/limiter.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace assay::mock {

namespace {

using namespace std::chrono_literals;
using cause = limit_verdict::cause;

key_limits limits(uint32_t requests, uint32_t tokens, uint32_t concurrent = 0) {
  return {.requests_per_minute = requests, .tokens_per_minute = tokens, .concurrent_requests = concurrent};
}

} // namespace

TEST(mock_limiter, ShowsLimitRemainingAndResetAsTheProviderDoes) {
  limiter l(limits(60, 150'000));
  const auto first = l.acquire("k", "m", {16}, 0ns);
  EXPECT_EQ(first.refused, cause::none);
  EXPECT_EQ(first.requests.limit, 60);
  EXPECT_EQ(first.requests.remaining, 59);
  EXPECT_EQ(first.requests.reset, 1s);
  EXPECT_EQ(first.tokens.remaining, 149'984);
  EXPECT_EQ(first.tokens.reset, 6'400us); // 16 tokens at 2500 a second.
  const auto second = l.acquire("k", "m", {1'000}, 500ms);
  EXPECT_EQ(second.requests.remaining, 58); // 59.5 - 1
  EXPECT_EQ(second.requests.reset, 1500ms);
  EXPECT_EQ(second.tokens.remaining, 149'000);
}

TEST(mock_limiter, RefusesTheRequestAfterTheLastAndSaysWhenToComeBack) {
  limiter l(limits(3, 0));
  for (int i = 0; i < 3; ++i)
    EXPECT_EQ(l.acquire("k", "m", {1}, 0ns).refused, cause::none);
  const auto refused = l.acquire("k", "m", {1}, 1s);
  EXPECT_EQ(refused.refused, cause::requests);
  EXPECT_EQ(refused.limit, 3);
  EXPECT_EQ(refused.used, 3);
  EXPECT_EQ(refused.retry_after, 19s);
  EXPECT_EQ(refused.requests.remaining, 0);
  EXPECT_EQ(l.acquire("k", "m", {1}, 20s - 1ns).refused, cause::requests);
  EXPECT_EQ(l.acquire("k", "m", {1}, 20s).refused, cause::none);
  EXPECT_EQ(l.acquire("k", "m", {1}, 20s).refused, cause::requests);
}

TEST(mock_limiter, CountsTokensAndTakesNothingForARefusedCall) {
  limiter l(limits(10, 30'000));
  EXPECT_EQ(l.acquire("k", "m", {14'567}, 0ns).refused, cause::none);
  const auto refused = l.acquire("k", "m", {24'754}, 0ns);
  EXPECT_EQ(refused.refused, cause::tokens);
  EXPECT_EQ(refused.used, 14'567);
  EXPECT_EQ(refused.requested, 24'754);
  EXPECT_EQ(refused.retry_after, 18'642ms); // The provider's own example.
  EXPECT_EQ(refused.requests.remaining, 9);
  EXPECT_EQ(refused.tokens.remaining, 15'433);
}

TEST(mock_limiter, NeverPromisesWhatCannotComeTrue) {
  limiter l(limits(0, 100));
  const auto refused = l.acquire("k", "m", {101}, 0ns);
  EXPECT_EQ(refused.refused, cause::request_too_large);
  EXPECT_EQ(refused.retry_after, 0ns);
}

TEST(mock_limiter, KeepsKeysApartAndModelsTogetherUnlessAskedOtherwise) {
  auto settings = limits(1, 0);
  limiter together(settings);
  EXPECT_EQ(together.acquire("a", "m", {1}, 0ns).refused, cause::none);
  EXPECT_EQ(together.acquire("b", "m", {1}, 0ns).refused, cause::none);
  EXPECT_EQ(together.acquire("a", "n", {1}, 0ns).refused, cause::requests);
  settings.per_model = true;
  limiter apart(settings);
  EXPECT_EQ(apart.acquire("a", "m", {1}, 0ns).refused, cause::none);
  EXPECT_EQ(apart.acquire("a", "n", {1}, 0ns).refused, cause::none);
}

TEST(mock_limiter, BoundsCallsInFlight) {
  limiter l(limits(0, 0, 2));
  EXPECT_EQ(l.acquire("k", "m", {1}, 0ns).refused, cause::none);
  EXPECT_EQ(l.acquire("k", "m", {1}, 0ns).refused, cause::none);
  EXPECT_EQ(l.acquire("k", "m", {1}, 0ns).refused, cause::concurrent);
  l.release("k", "m");
  EXPECT_EQ(l.acquire("k", "m", {1}, 0ns).refused, cause::none);
}

TEST(mock_limiter, AShortBurstGivesOnlyItsShareOfAMinute) {
  auto settings = limits(600, 0);
  settings.burst = seconds(1);
  limiter l(settings);
  for (int i = 0; i < 10; ++i)
    EXPECT_EQ(l.acquire("k", "m", {1}, 0ns).refused, cause::none);
  EXPECT_EQ(l.acquire("k", "m", {1}, 0ns).retry_after, 100ms);
}

TEST(mock_limiter, StandsATimeThatGoesBackAndAVeryLongOne) {
  limiter l(limits(100'000'000, 100'000'000));
  EXPECT_EQ(l.acquire("k", "m", {100'000'000}, 10s).refused, cause::none);
  EXPECT_EQ(l.acquire("k", "m", {1}, 5s).refused, cause::tokens);
  const auto later = l.acquire("k", "m", {1}, nanoseconds(INT64_MAX));
  EXPECT_EQ(later.refused, cause::none);
  EXPECT_EQ(later.tokens.remaining, 99'999'999);
}

TEST(mock_limiter, HoldsOneSecondsWorthOfRequestsPerSecond) {
  limiter l({.requests_per_second = 3});
  for (int i = 0; i < 3; ++i)
    EXPECT_EQ(l.acquire("k", "m", {1}, 0ns).refused, cause::none);
  const auto refused = l.acquire("k", "m", {1}, 0ns);
  EXPECT_EQ(refused.refused, cause::requests_per_second);
  EXPECT_EQ(refused.retry_after, 333'333'334ns);
  EXPECT_EQ(l.acquire("k", "m", {1}, 333'333'333ns).refused, cause::requests_per_second);
  EXPECT_EQ(l.acquire("k", "m", {1}, 333'333'334ns).refused, cause::none);
}

TEST(mock_limiter, CountsInputAndOutputApart) {
  limiter l({.input_tokens_per_minute = 100, .output_tokens_per_minute = 10});
  EXPECT_EQ(l.acquire("k", "m", {80, 60, 5}, 0ns).refused, cause::none);
  const auto input = l.acquire("k", "m", {80, 60, 5}, 0ns);
  EXPECT_EQ(input.refused, cause::input_tokens);
  EXPECT_EQ(input.input_tokens.remaining, 40);
  EXPECT_EQ(input.retry_after, 12s);
  EXPECT_EQ(l.acquire("k", "m", {80, 10, 6}, 0ns).refused, cause::output_tokens);
  EXPECT_EQ(l.acquire("k", "m", {80, 10, 11}, 0ns).refused, cause::request_too_large);
}

TEST(mock_limiter, LetsTheFirstFittingRuleDecide) {
  std::vector<limit_rule> rules(2);
  rules[0] = {.key_hash = {}, .model = "slow", .limits = {.requests_per_minute = 1}};
  rules[1] = {.key_hash = "k", .model = {}, .limits = {.requests_per_minute = 2}};
  limiter l({}, rules);
  EXPECT_EQ(l.acquire("k", "slow", {1}, 0ns).refused, cause::none);
  EXPECT_EQ(l.acquire("k", "slow", {1}, 0ns).refused, cause::requests);
  EXPECT_EQ(l.acquire("other", "slow", {1}, 0ns).refused, cause::none);
  EXPECT_EQ(l.acquire("k", "m", {1}, 0ns).refused, cause::none);
  EXPECT_EQ(l.acquire("k", "n", {1}, 0ns).refused, cause::none);
  EXPECT_EQ(l.acquire("k", "m", {1}, 0ns).refused, cause::requests);
  for (int i = 0; i < 10; ++i)
    EXPECT_EQ(l.acquire("other", "m", {1}, 0ns).refused, cause::none);
}

TEST(mock_limiter, ShowsItsCounters) {
  limiter l({.requests_per_minute = 60, .concurrent_requests = 2, .per_model = true});
  l.acquire("k", "m", {1}, 0ns);
  l.acquire("k", "m", {1}, 0ns);
  l.acquire("k", "m", {1}, 0ns);
  const auto shown = l.to_json(500ms);
  EXPECT_EQ(shown["defaults"]["requests_per_minute"], 60);
  ASSERT_EQ(shown["counters"].size(), 1);
  const auto& counter = shown["counters"][0];
  EXPECT_EQ(counter["key_hash"], "k");
  EXPECT_EQ(counter["model"], "m");
  EXPECT_EQ(counter["in_flight"], 2);
  EXPECT_EQ(counter["admitted"], 2);
  EXPECT_EQ(counter["refused"]["concurrent"], 1);
  EXPECT_EQ(counter["requests"]["remaining"], 58);
  EXPECT_EQ(counter["requests"]["reset_ms"], 1500.0);
  l.replace({});
  EXPECT_TRUE(l.to_json(500ms)["counters"].empty());
}

TEST(mock_limiter, ResetFillsTheBuckets) {
  limiter l(limits(1, 0));
  l.acquire("k", "m", {1}, 0ns);
  l.reset();
  EXPECT_EQ(l.acquire("k", "m", {1}, 0ns).refused, cause::none);
}

TEST(go_duration, IsWrittenAsTheProviderDoes) {
  EXPECT_EQ(go_duration(0ns), "0s");
  EXPECT_EQ(go_duration(-5s), "0s");
  EXPECT_EQ(go_duration(1ns), "1ms");
  EXPECT_EQ(go_duration(100ms), "100ms");
  EXPECT_EQ(go_duration(1s), "1s");
  EXPECT_EQ(go_duration(8640ms), "8.64s");
  EXPECT_EQ(go_duration(18'642ms), "18.642s");
  EXPECT_EQ(go_duration(6min), "6m0s");
  EXPECT_EQ(go_duration(1h + 2min + 3s), "1h2m3s");
  EXPECT_EQ(go_duration(59s + 999'999us), "1m0s");
}

} // namespace assay::mock
