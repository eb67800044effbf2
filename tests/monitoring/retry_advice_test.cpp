#include "core/monitoring/retry_advice.hpp"
#include "core/monitoring/retry_view.hpp"

#include <nlohmann/json.hpp>

#include <gtest/gtest.h>

namespace assay::monitoring {
namespace {

using namespace std::chrono_literals;
using control::retry_rule;
using control::retry_strategy;

const provider_id the_provider{"p"};
constexpr auto the_error = errc::provider_unavailable;

failed_try_seen failed(wait_half half = wait_half::unknown, milliseconds waited = 400ms) {
  return {the_error, retry_strategy::exponential, waited, half};
}

/// @p count calls whose tries failed @p times before an answer, or for good.
void add(retry_tally& to, int count, size_t times, bool answered, wait_half half = wait_half::unknown) {
  for (int i = 0; i < count; ++i)
    to.add(the_provider, std::vector<failed_try_seen>(times, failed(half)), answered);
}

std::vector<retry_proposal> advice(const retry_tally& seen, const retry_rule& now = {},
                                   const retry_rule& configured = {}) {
  return retry_proposals(
      seen, [&](const provider_id&, errc) { return configured; },
      [&](const provider_id&, errc) { return now; });
}

TEST(retry_tally, CountsWhatComesAfterEachFailedTry) {
  retry_tally tally;
  add(tally, 1, 0, true);
  add(tally, 1, 2, true);
  add(tally, 1, 3, false);
  const auto& calls = tally.providers().at(the_provider);
  EXPECT_EQ(calls, (retried_calls{3, 1, 1, 1}));
  const auto& seen = tally.subjects().at({the_provider, the_error, retry_strategy::exponential});
  EXPECT_EQ(seen.failed, 5u);
  EXPECT_EQ(seen.retries, (retry_outcomes{4, 1}));
  EXPECT_EQ(seen.given_up, 1u);
  EXPECT_EQ(seen.waited, 4 * 400ms) << "nobody waits after the last one";
  EXPECT_EQ(seen.by_number[0], (retry_outcomes{2, 0}));
  EXPECT_EQ(seen.by_number[1], (retry_outcomes{2, 1}));
}

TEST(retry_tally, FailuresOfSeveralKindsInOneCallCountApart) {
  retry_tally tally;
  auto other = failed();
  other.error = errc::provider_timeout;
  tally.add(the_provider, {failed(), other}, true);
  EXPECT_EQ(tally.subjects().size(), 2u);
  EXPECT_EQ(tally.subjects().at({the_provider, the_error, retry_strategy::exponential}).retries,
            (retry_outcomes{1, 0}));
  EXPECT_EQ(tally.subjects().at({the_provider, errc::provider_timeout, retry_strategy::exponential}).retries,
            (retry_outcomes{1, 1}));
}

TEST(retry_tally, OldEvidenceFadesWhereItIsTold) {
  retry_tally fading{100};
  add(fading, 1000, 1, true);
  EXPECT_LE(fading.subjects().begin()->second.failed, 100u);
  retry_tally all;
  add(all, 1000, 1, true);
  EXPECT_EQ(all.subjects().begin()->second.failed, 1000u);
  all.forget(the_provider, the_error);
  EXPECT_TRUE(all.subjects().empty());
}

TEST(retry_advice, AFewCallsSayNothing) {
  retry_tally seen;
  add(seen, 10, 5, false);
  EXPECT_TRUE(advice(seen).empty());
}

TEST(retry_advice, RetriesThatNeverHelpAreSpared) {
  retry_tally seen;
  add(seen, 100, 1, true);
  add(seen, 100, 5, false);
  const auto found = advice(seen);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].action, "fewer_attempts");
  EXPECT_EQ(found[0].proposed.attempts, 2) << "the first retry helps in half of the cases, the second never";
  EXPECT_EQ(found[0].samples, 300u);
  EXPECT_NEAR(found[0].gain, 0.6, 1e-9) << "300 of 500 retries";
  EXPECT_LT(found[0].gain_low, found[0].gain);
  EXPECT_GT(found[0].gain_high, found[0].gain);
}

TEST(retry_advice, ARetryThatFailsBeforeOneThatHelpsStays) {
  retry_tally seen;
  add(seen, 200, 2, true);
  EXPECT_TRUE(advice(seen).empty());
}

TEST(retry_advice, RetriesAreNeverTurnedOff) {
  retry_tally seen;
  add(seen, 500, 5, false);
  ASSERT_EQ(advice(seen).size(), 1u);
  EXPECT_EQ(advice(seen)[0].proposed.attempts, 2);
  retry_rule two;
  two.attempts = 2;
  EXPECT_TRUE(advice(seen, two).empty());
}

TEST(retry_advice, LongerWaitsThatHelpDoubleTheFirst) {
  retry_tally seen;
  add(seen, 10, 1, true, wait_half::shorter);
  add(seen, 60, 2, false, wait_half::shorter);
  add(seen, 100, 1, true, wait_half::longer);
  const auto found = advice(seen);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].action, "longer_wait");
  EXPECT_EQ(found[0].proposed.base, 1000ms);
  EXPECT_GT(found[0].gain, 0);
}

TEST(retry_advice, ALinearWaitGrowsFasterInstead) {
  retry_tally seen;
  auto with = [&](wait_half half, int count, bool good) {
    auto one = failed(half);
    one.strategy = retry_strategy::linear;
    for (int i = 0; i < count; ++i)
      seen.add(the_provider, std::vector<failed_try_seen>(good ? 1 : 2, one), good);
  };
  with(wait_half::shorter, 60, false);
  with(wait_half::longer, 60, true);
  retry_rule linear;
  linear.strategy = retry_strategy::linear;
  const auto found = advice(seen, linear, linear);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].action, "faster_growth");
  EXPECT_EQ(found[0].proposed.strategy, retry_strategy::exponential);
  EXPECT_EQ(found[0].proposed.base, linear.base);
  EXPECT_TRUE(advice(seen).empty()) << "what was seen under another strategy says nothing";
}

TEST(retry_advice, WaitsThatBringNothingAreHalved) {
  retry_tally seen;
  add(seen, 200, 1, true, wait_half::shorter);
  add(seen, 200, 1, true, wait_half::longer);
  const auto found = advice(seen);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].action, "shorter_wait");
  EXPECT_EQ(found[0].proposed.base, 250ms);
  EXPECT_EQ(found[0].gain_unit, "seconds a retry");
  EXPECT_NEAR(found[0].gain, 0.2, 0.01);
}

TEST(retry_advice, WaitsStayWithinAFactorOfTheConfiguredOnes) {
  retry_tally seen;
  add(seen, 200, 1, true, wait_half::shorter);
  add(seen, 200, 1, true, wait_half::longer);
  retry_rule short_already;
  short_already.base = 125ms;
  EXPECT_TRUE(advice(seen, short_already).empty()) << "a quarter of 500 ms is the least";
}

TEST(retry_advice, ALastRetryThatStillHelpsGetsAnother) {
  retry_rule three;
  three.attempts = 3;
  retry_tally seen;
  add(seen, 60, 2, true);
  add(seen, 60, 3, false);
  const auto found = advice(seen, three, three);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].action, "more_attempts");
  EXPECT_EQ(found[0].proposed.attempts, 4);
  EXPECT_NEAR(found[0].gain, 0.5, 1e-9);
  EXPECT_TRUE(advice(seen).empty()) << "five are the most there are";
}

TEST(retry_advice, LimitsAndKeysAreNotRetriesBusiness) {
  retry_tally seen;
  for (int i = 0; i < 500; ++i)
    for (const auto code : {errc::rate_limited, errc::credentials_rejected, errc::provider_rejected})
      seen.add(
          the_provider,
          std::vector<failed_try_seen>(5, {code, retry_strategy::exponential, 400ms, wait_half::unknown}),
          false);
  EXPECT_TRUE(advice(seen).empty());
}

TEST(retry_view, ShowsCountsAdviceAndTheNewestFailures) {
  retry_tally seen;
  add(seen, 100, 5, false);
  std::deque<recent_retry> recent{{wall_time{1s}, the_provider, model_id{"m"}, 1, failed(), "failed_again"},
                                  {wall_time{2s}, the_provider, model_id{"m"}, 2, failed(), "given_up"}};
  const auto shown = retries_json({wall_time{3s}, wall_time{0s}, true, seen, {}, advice(seen), recent});
  EXPECT_EQ(shown["apply_retry_advice"], true);
  EXPECT_EQ(shown["providers"][0]["given_up"], 100);
  EXPECT_EQ(shown["providers"][0]["recovery_rate"], 0.0);
  EXPECT_EQ(shown["retries"][0]["error"], "provider_unavailable");
  EXPECT_EQ(shown["retries"][0]["failed_tries"], 500);
  EXPECT_EQ(shown["retries"][0]["retries"], 400);
  EXPECT_NEAR(shown["retries"][0]["waited"].get<double>(), 160, 1e-9);
  EXPECT_EQ(shown["retries"][0]["by_retry"].size(), 4u);
  EXPECT_EQ(shown["advice"][0]["action"], "fewer_attempts");
  EXPECT_EQ(shown["advice"][0]["expected_gain"]["confidence"], 0.95);
  EXPECT_EQ(shown["advice"][0]["now"]["factor"], 2);
  EXPECT_EQ(shown["recent"][0]["then"], "given_up") << "the newest first";
}

} // namespace
} // namespace assay::monitoring
