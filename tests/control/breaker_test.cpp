#include "core/control/breaker.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace assay::control {
namespace {

using namespace std::chrono_literals;

const steady_time start{1000s};

void call(breaker& b, breaker_outcome outcome, steady_time now) {
  const auto permit = b.try_acquire(now);
  ASSERT_TRUE(permit);
  b.record(*permit, outcome, now, 0.0);
}

void calls(breaker& b, int count, breaker_outcome outcome, steady_time now) {
  for (int i = 0; i < count; ++i)
    call(b, outcome, now);
}

breaker tripped(steady_time now) {
  breaker b;
  calls(b, 20, breaker_outcome::failure, now);
  EXPECT_EQ(b.state(), breaker_state::open);
  return b;
}

TEST(breaker, TripsAtHalfOfTwentyCalls) {
  breaker b;
  calls(b, 10, breaker_outcome::success, start);
  calls(b, 9, breaker_outcome::failure, start);
  EXPECT_EQ(b.state(), breaker_state::closed);
  calls(b, 1, breaker_outcome::failure, start);
  EXPECT_EQ(b.state(), breaker_state::open);
  EXPECT_FALSE(b.try_acquire(start));
}

TEST(breaker, NeedsTwentyCallsAndHalfOfThem) {
  breaker few;
  calls(few, 19, breaker_outcome::failure, start);
  EXPECT_EQ(few.state(), breaker_state::closed);
  breaker many;
  calls(many, 51, breaker_outcome::success, start);
  calls(many, 50, breaker_outcome::failure, start);
  EXPECT_EQ(many.state(), breaker_state::closed);
}

TEST(breaker, TripsWhenNoConnectionComesAboutHoweverGoodThePastWas) {
  breaker b;
  calls(b, 10'000, breaker_outcome::success, start);
  calls(b, 19, breaker_outcome::unreachable, start + 1s);
  calls(b, 1, breaker_outcome::failure, start + 1s); // Somebody was there.
  calls(b, 19, breaker_outcome::unreachable, start + 1s);
  EXPECT_EQ(b.state(), breaker_state::closed);
  calls(b, 1, breaker_outcome::unreachable, start + 1s);
  EXPECT_EQ(b.state(), breaker_state::open);
  EXPECT_EQ(breaker_outcome_of(errc::connect_failed), breaker_outcome::unreachable);
}

TEST(breaker, ForgetsCallsOlderThanItsWindow) {
  breaker b;
  calls(b, 19, breaker_outcome::failure, start);
  calls(b, 1, breaker_outcome::failure, start + 30s);
  EXPECT_EQ(b.state(), breaker_state::closed);
  calls(b, 19, breaker_outcome::failure, start + 59s);
  EXPECT_EQ(b.state(), breaker_state::open) << "twenty within thirty seconds";
}

TEST(breaker, NeverTripsOnRateLimits) {
  breaker b;
  calls(b, 1000, breaker_outcome_of(errc::rate_limited), start);
  EXPECT_EQ(b.state(), breaker_state::closed);
  calls(b, 19, breaker_outcome::failure, start);
  EXPECT_EQ(b.state(), breaker_state::closed) << "they do not count as calls either";
}

TEST(breaker, JudgesErrorsByWhatTheySayAboutTheTarget) {
  for (const auto code : {errc::provider_timeout, errc::provider_unavailable, errc::truncated_answer})
    EXPECT_EQ(breaker_outcome_of(code), breaker_outcome::failure);
  for (const auto code : {errc::provider_rejected, errc::content_filtered})
    EXPECT_EQ(breaker_outcome_of(code), breaker_outcome::success);
  for (const auto code : {errc::rate_limited, errc::quota_exhausted, errc::credentials_rejected,
                          errc::cancelled, errc::actor_lost, errc::budget_exhausted})
    EXPECT_EQ(breaker_outcome_of(code), breaker_outcome::neutral);
}

TEST(breaker, ProbesWithOneTwoAndFourBeforeItCloses) {
  auto b = tripped(start);
  EXPECT_EQ(b.retry_in(start + 1s), 4s);
  EXPECT_FALSE(b.try_acquire(start + 4999ms));
  const auto now = start + 5s;
  for (const int stage : {1, 2, 4}) {
    std::vector<breaker_permit> permits;
    while (const auto permit = b.try_acquire(now))
      permits.push_back(*permit);
    EXPECT_EQ(permits.size(), static_cast<size_t>(stage));
    EXPECT_EQ(b.state(), breaker_state::half_open);
    for (const auto permit : permits)
      b.record(permit, breaker_outcome::success, now, 0.0);
  }
  EXPECT_EQ(b.state(), breaker_state::closed);
  calls(b, 19, breaker_outcome::failure, now);
  EXPECT_EQ(b.state(), breaker_state::closed) << "what was before is forgotten";
}

TEST(breaker, DoublesItsTimeUpToAMinute) {
  auto b = tripped(start);
  auto now = start;
  for (const auto expected : {5s, 10s, 20s, 40s, 60s, 60s}) {
    EXPECT_EQ(b.retry_in(now), expected);
    now += expected;
    call(b, breaker_outcome::failure, now);
    EXPECT_EQ(b.state(), breaker_state::open);
  }
}

TEST(breaker, AddsJitterToItsTime) {
  breaker b;
  calls(b, 19, breaker_outcome::failure, start);
  const auto permit = b.try_acquire(start);
  b.record(*permit, breaker_outcome::failure, start, 0.5);
  EXPECT_EQ(b.retry_in(start), 5500ms);
}

TEST(breaker, IgnoresOutcomesOfAnEarlierPhase) {
  breaker b;
  const auto old = *b.try_acquire(start);
  calls(b, 20, breaker_outcome::failure, start);
  ASSERT_EQ(b.state(), breaker_state::open);
  b.record(old, breaker_outcome::success, start, 0.0);
  EXPECT_EQ(b.state(), breaker_state::open);
  const auto probe = *b.try_acquire(start + 5s);
  b.record(old, breaker_outcome::failure, start + 5s, 0.0);
  EXPECT_EQ(b.state(), breaker_state::half_open);
  b.record(probe, breaker_outcome::success, start + 5s, 0.0);
  b.record(probe, breaker_outcome::failure, start + 5s, 0.0);
  EXPECT_EQ(b.state(), breaker_state::half_open) << "a probe counts once";
}

TEST(breaker, RepeatsAProbeThatProvedNothing) {
  auto b = tripped(start);
  const auto now = start + 5s;
  call(b, breaker_outcome::neutral, now);
  EXPECT_EQ(b.state(), breaker_state::half_open);
  call(b, breaker_outcome::success, now);
  EXPECT_TRUE(b.try_acquire(now));
  EXPECT_TRUE(b.try_acquire(now));
  EXPECT_FALSE(b.try_acquire(now));
}

TEST(breaker, DoesNotWaitForeverForALostProbe) {
  auto b = tripped(start);
  ASSERT_TRUE(b.try_acquire(start + 5s));
  EXPECT_FALSE(b.try_acquire(start + 10min));
  EXPECT_FALSE(b.try_acquire(start + 5s + 11min));
  EXPECT_EQ(b.state(), breaker_state::open);
  EXPECT_TRUE(b.try_acquire(start + 15s + 11min));
}

TEST(breaker, StaysOpenOverARestart) {
  auto b = tripped(start);
  call(b, breaker_outcome::failure, start + 5s);
  const auto record = b.export_state(start + 6s);
  EXPECT_EQ(record, (breaker_record{true, 10s, 9s}));
  const steady_time other_clock{3s};
  breaker after{{}, record, other_clock, 4s};
  EXPECT_EQ(after.retry_in(other_clock), 5s);
  EXPECT_FALSE(after.try_acquire(other_clock + 4s));
  call(after, breaker_outcome::failure, other_clock + 5s);
  EXPECT_EQ(after.retry_in(other_clock + 5s), 20s);
  EXPECT_EQ((breaker{{}, breaker_record{}, other_clock}.state()), breaker_state::closed);
}

} // namespace
} // namespace assay::control
