#include "core/control/limit_set.hpp"

#include <gtest/gtest.h>

namespace assay::control {
namespace {

using namespace std::chrono_literals;

const steady_time start{1000s};

rate_limits limits(uint32_t rpm, uint32_t tpm, uint32_t rps = 0, uint32_t slots = 0) {
  return {rpm, tpm, rps, slots};
}

TEST(limit_set, ChargesNothingUnlessAllDimensionsAdmit) {
  limit_set set{limits(6000, 60'000), false, start};
  ASSERT_EQ(set.acquire({1, 900, 100}, start).kind, admission_kind::admitted);
  const auto requests_before = set.bucket(limit_dimension::requests_per_minute)->export_state(start);
  const auto refused = set.acquire({1, 900, 100}, start);
  EXPECT_EQ(refused.kind, admission_kind::wait);
  EXPECT_EQ(refused.blocked_by, limit_dimension::tokens_per_minute);
  EXPECT_GT(refused.wait, 1s);
  EXPECT_EQ(set.bucket(limit_dimension::requests_per_minute)->export_state(start), requests_before);
  EXPECT_EQ(set.slots_in_use(), 1U);
  EXPECT_EQ(set.acquire({1, 900, 100}, start + refused.wait).kind, admission_kind::admitted);
}

TEST(limit_set, NamesTheLongestWait) {
  limit_set set{limits(60, 60'000, 10), false, start};
  ASSERT_EQ(set.acquire({1, 10, 0}, start).kind, admission_kind::admitted);
  const auto refused = set.acquire({1, 10, 0}, start);
  EXPECT_EQ(refused.blocked_by, limit_dimension::requests_per_minute);
  EXPECT_EQ(refused.wait, set.wait_for({1, 10, 0}, start));
}

TEST(limit_set, NeverExceedsASecondsLimit) {
  limit_set set{limits(0, 0, 100), false, start};
  int sent = 0;
  for (auto now = start; now < start + 10s; now += 10ms) {
    int in_tick = 0;
    while (set.acquire({}, now).kind == admission_kind::admitted)
      ++in_tick;
    EXPECT_LE(in_tick, 5);
    sent += in_tick;
  }
  EXPECT_LE(sent, 955);
  EXPECT_GE(sent, 940) << "a coarse timer must not lose the rate";
}

TEST(limit_set, ASpentBurstLeavesTheRateAndTheDaysQuota) {
  limit_set set{limits(600, 0), false, start};
  set.spend_burst(start);
  EXPECT_EQ(set.acquire({}, start).kind, admission_kind::wait);
  int sent = 0;
  for (auto now = start; now < start + 60s; now += 10ms)
    while (set.acquire({}, now).kind == admission_kind::admitted)
      ++sent;
  EXPECT_LE(sent, 570);
  EXPECT_GE(sent, 560) << "the minute is not lost";
}

TEST(limit_set, CapsCallsInFlight) {
  limit_set set{limits(0, 0, 0, 2), false, start};
  EXPECT_EQ(set.acquire({}, start).kind, admission_kind::admitted);
  EXPECT_EQ(set.acquire({}, start).kind, admission_kind::admitted);
  EXPECT_EQ(set.acquire({}, start).kind, admission_kind::no_slot);
  set.release();
  EXPECT_EQ(set.acquire({}, start).kind, admission_kind::admitted);
  set.set_slots(3);
  EXPECT_EQ(set.acquire({}, start).kind, admission_kind::admitted);
  EXPECT_EQ(set.slots_in_use(), 3U);
}

TEST(limit_set, AdmitsEverythingWithoutLimits) {
  limit_set set{limits(0, 0), true, start};
  for (int i = 0; i < 1000; ++i)
    ASSERT_EQ(set.acquire({1, 100'000, 100'000}, start).kind, admission_kind::admitted);
}

TEST(limit_set, SettlesTokensButNotRequests) {
  limit_set set{limits(60, 60'000), false, start};
  ASSERT_EQ(set.acquire({1, 500, 500}, start).kind, admission_kind::admitted);
  const auto requests = set.bucket(limit_dimension::requests_per_minute)->export_state(start);
  set.settle({1, 500, 500}, {1, 500, 20}, start);
  EXPECT_EQ(set.bucket(limit_dimension::requests_per_minute)->export_state(start), requests);
  EXPECT_NEAR(static_cast<double>(
                  set.bucket(limit_dimension::tokens_per_minute)->export_state(start).pace_debt.count()),
              520 * 1e6 / 0.95, 1000);
  set.settle({1, 500, 20}, {1, 700, 20}, start);
  EXPECT_NEAR(static_cast<double>(
                  set.bucket(limit_dimension::tokens_per_minute)->export_state(start).pace_debt.count()),
              720 * 1e6 / 0.95, 1000);
}

TEST(limit_set, ClosesUntilRetryAfter) {
  limit_set set{limits(60, 0), false, start};
  set.close_until(start + 20s);
  set.close_until(start + 10s);
  const auto refused = set.acquire({}, start);
  EXPECT_EQ(refused.kind, admission_kind::wait);
  EXPECT_EQ(refused.wait, 20s);
  EXPECT_FALSE(refused.blocked_by);
  EXPECT_EQ(set.acquire({}, start + 20s).kind, admission_kind::admitted);
}

/// Ten answers a second for two seconds, then a refusal.
limit_set refused_set(const rate_limits& configured) {
  limit_set set{configured, false, start};
  for (int i = 0; i < 20; ++i)
    set.answered(1, start + i * 100ms);
  set.refused(start + 2s, 0s);
  return set;
}

TEST(limit_set, KeepsToAPaceAfterARefusalWithoutALimit) {
  auto set = refused_set({});
  ASSERT_TRUE(set.pace(start + 2s).has_value());
  int admitted = 0;
  for (auto now = start + 2s; now < start + 4s; now += 1ms)
    while (set.acquire({}, now).kind == admission_kind::admitted)
      ++admitted;
  EXPECT_GE(admitted, 16);
  EXPECT_LE(admitted, 19) << "nine a second";
  const auto waits = set.acquire({}, start + 4s);
  EXPECT_EQ(waits.kind, admission_kind::wait);
  EXPECT_FALSE(waits.blocked_by.has_value());
  EXPECT_EQ(set.wait_for({}, start + 4s), waits.wait);
  EXPECT_EQ(set.wait_for({}, start + 400s), 0s) << "forgotten";
  limit_set next{{}, set.export_state(start + 4s), start + 5s, 1s};
  EXPECT_EQ(next.pace(start + 5s), set.pace(start + 4s));
  EXPECT_GT(next.wait_for({}, start + 5s), 0s) << "no burst after a restart";
}

TEST(limit_set, AKnownLimitNeedsNoPace) {
  EXPECT_FALSE(refused_set(limits(600, 0)).pace(start + 2s).has_value());
  auto set = refused_set({});
  set.learn(limit_dimension::requests_per_minute, 6'000, 5'000, start + 3s);
  EXPECT_FALSE(set.pace(start + 3s).has_value()) << "headers go before guesses";
}

TEST(limit_set, LearnsLimitsFromHeaders) {
  limit_set set{limits(0, 0), false, start};
  set.learn(limit_dimension::output_tokens_per_minute, 0, 0, start);
  EXPECT_EQ(set.bucket(limit_dimension::output_tokens_per_minute), nullptr) << "0 means unknown";
  set.learn(limit_dimension::requests_per_minute, 120, 119, start);
  ASSERT_NE(set.bucket(limit_dimension::requests_per_minute), nullptr);
  EXPECT_EQ(set.bucket(limit_dimension::requests_per_minute)->limit(), 120U);
  EXPECT_EQ(set.bucket(limit_dimension::requests_per_minute)->safety_factor(start), 1.0);
  set.learn(limit_dimension::requests_per_minute, 0, 0, start);
  EXPECT_EQ(set.acquire({}, start).kind, admission_kind::admitted) << "zeros are no answer";
  set.distrust(start);
  EXPECT_EQ(set.bucket(limit_dimension::requests_per_minute)->safety_factor(start), 0.95);
}

TEST(limit_set, UsesADaysQuotaWhenThereIsWork) {
  limit_set set{limits(0, 0), false, start};
  set.learn(limit_dimension::requests_per_day, 1000, 990, start);
  const auto admitted_at = [&](steady_time now) {
    int admitted = 0;
    while (admitted < 2000 && set.acquire({}, now).kind == admission_kind::admitted)
      ++admitted;
    return admitted;
  };
  EXPECT_EQ(admitted_at(start), 990);
  // A new day at the provider: its headers say so.
  set.learn(limit_dimension::requests_per_day, 1000, 1000, start + 1h);
  EXPECT_EQ(admitted_at(start + 1h), 1000);
}

TEST(limit_set, StartsEmptyWhenItLearnsALimitButNotWhatIsLeft) {
  limit_set set{limits(0, 0), false, start};
  set.learn(limit_dimension::requests_per_minute, 60, std::nullopt, start);
  EXPECT_EQ(set.acquire({}, start).kind, admission_kind::wait);
}

TEST(limit_set, CarriesItsStateOverARestart) {
  limit_set before{limits(600, 60'000), false, start};
  before.learn(limit_dimension::requests_per_day, 1000, 10, start);
  before.close_until(start + 5s);
  for (int i = 0; i < 7; ++i)
    (void)before.acquire({1, 200, 0}, start + 5s);
  const auto state = before.export_state(start + 5s);
  const steady_time other_clock{3s};
  const limit_set after{limits(600, 60'000), state, other_clock};
  EXPECT_EQ(after.wait_for({1, 1000, 0}, other_clock), before.wait_for({1, 1000, 0}, start + 5s));
  EXPECT_GT(after.wait_for({1, 1000, 0}, other_clock), 0ns);
  EXPECT_EQ(after.slots_in_use(), 0U);
}

} // namespace
} // namespace assay::control
