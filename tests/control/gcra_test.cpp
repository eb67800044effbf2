#include "core/control/gcra.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <random>
#include <vector>

namespace assay::control {
namespace {

using namespace std::chrono_literals;

const steady_time start{1000s};

gcra_options per_minute(uint64_t limit) {
  gcra_options options;
  options.limit = limit;
  return options;
}

TEST(gcra, AdmitsOneSecondOfBurstAndThenPaces) {
  gcra_bucket bucket{per_minute(600), start};
  bucket.confirm();
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(bucket.wait_for(1, start), 0ns);
    bucket.take(1, start);
  }
  EXPECT_EQ(bucket.wait_for(1, start), 100ms);
  EXPECT_EQ(bucket.wait_for(3, start), 300ms);
  EXPECT_EQ(bucket.wait_for(1, start + 99ms), 1ms);
  EXPECT_EQ(bucket.wait_for(1, start + 100ms), 0ns);
}

TEST(gcra, UsesLessUntilTheLimitIsConfirmed) {
  gcra_bucket bucket{per_minute(60), start};
  bucket.take(1, start);
  EXPECT_NEAR(static_cast<double>(bucket.wait_for(1, start).count()), 1e9 / 0.95, 2);
  bucket.confirm();
  EXPECT_EQ(bucket.safety_factor(start), 1.0);
  bucket.distrust(start);
  EXPECT_EQ(bucket.safety_factor(start + 599s), 0.95);
  EXPECT_EQ(bucket.safety_factor(start + 600s), 1.0);
}

TEST(gcra, HoldsItsRateInTheLongRunAndInEveryWindow) {
  std::mt19937 random{7};
  for (const uint64_t limit : {1U, 7U, 60U, 3500U, 2'000'003U}) {
    gcra_bucket bucket{per_minute(limit), start};
    bucket.confirm();
    const double burst = std::max(1.0, static_cast<double>(limit) / 60.0);
    const auto most = static_cast<uint64_t>(burst);
    std::vector<std::pair<double, double>> sent; // Seconds, units.
    double total = 0;
    auto now = start;
    for (int i = 0; i < 3000; ++i) {
      const uint64_t n = 1 + random() % most;
      const auto wait = bucket.wait_for(n, now);
      now += wait;
      ASSERT_EQ(bucket.wait_for(n, now), 0ns) << "having waited as told, a call must be admitted";
      bucket.take(n, now);
      total += static_cast<double>(n);
      sent.emplace_back(std::chrono::duration<double>(now - start).count(), static_cast<double>(n));
    }
    const double elapsed = sent.back().first;
    const double rate = static_cast<double>(limit) / 60.0;
    EXPECT_LE(total, burst + rate * elapsed + 1e-3) << limit;
    EXPECT_GE(total, rate * elapsed * 0.999) << limit << ": a saturated caller gets the whole limit";
    double in_window = 0;
    size_t oldest = 0;
    for (const auto& [at, n] : sent) {
      in_window += n;
      while (sent[oldest].first < at - 60.0)
        in_window -= sent[oldest++].second;
      ASSERT_LE(in_window, static_cast<double>(limit) + burst + 1e-3) << limit;
    }
  }
}

TEST(gcra, NeverCreditsMoreThanTheBurstForIdleTime) {
  gcra_bucket bucket{per_minute(600), start};
  bucket.confirm();
  const auto later = start + 24h;
  for (int i = 0; i < 10; ++i) {
    ASSERT_EQ(bucket.wait_for(1, later), 0ns);
    bucket.take(1, later);
  }
  EXPECT_GT(bucket.wait_for(1, later), 0ns);
}

TEST(gcra, AdmitsARequestLargerThanTheBurstOnceTheBucketIsFull) {
  gcra_bucket bucket{per_minute(60'000), start}; // 1,000 units of burst, 1 ms each.
  bucket.confirm();
  bucket.take(400, start);
  EXPECT_EQ(bucket.wait_for(5000, start), 400ms);
  EXPECT_EQ(bucket.wait_for(5000, start + 400ms), 0ns);
  bucket.take(5000, start + 400ms);
  EXPECT_EQ(bucket.wait_for(1000, start + 400ms), 5s) << "its whole cost is paid off before the next burst";
}

TEST(gcra, AdmitsARequestLargerThanTheWholeLimit) {
  gcra_bucket bucket{per_minute(1000), start};
  EXPECT_EQ(bucket.wait_for(1'000'000, start), 0ns);
  bucket.take(1'000'000, start);
  EXPECT_GT(bucket.wait_for(1, start), 900min);
  bucket.take(std::numeric_limits<uint64_t>::max(), start);
  EXPECT_GT(bucket.wait_for(1, start), 900min) << "no overflow";
}

TEST(gcra, SettlesEstimatesBothWays) {
  gcra_bucket bucket{per_minute(60'000), start};
  bucket.confirm();
  bucket.take(1000, start);
  EXPECT_EQ(bucket.wait_for(1000, start), 1s);
  bucket.refund(700, start);
  EXPECT_EQ(bucket.wait_for(1000, start), 300ms);
  bucket.refund(-200, start);
  EXPECT_EQ(bucket.wait_for(1000, start), 500ms);
}

TEST(gcra, IsNeverMoreThanFullAfterARefund) {
  gcra_bucket bucket{per_minute(600), start};
  bucket.confirm();
  bucket.take(5, start);
  bucket.refund(1'000'000, start);
  EXPECT_EQ(bucket.wait_for(10, start), 0ns);
  bucket.take(10, start);
  EXPECT_EQ(bucket.wait_for(1, start), 100ms);
}

TEST(gcra, StopsWhenTheProviderSaysThatNothingIsLeft) {
  gcra_bucket bucket{per_minute(60), start};
  bucket.confirm();
  bucket.tighten(0, start);
  EXPECT_EQ(bucket.wait_for(1, start), 1s) << "the provider's bucket refills at the limit";
  bucket.tighten(60, start);
  EXPECT_EQ(bucket.wait_for(1, start), 1s) << "headers never loosen";
  EXPECT_EQ(bucket.wait_for(1, start + 1s), 0ns);
}

TEST(gcra, SendsNoMoreAtOnceThanTheProviderHasLeft) {
  gcra_bucket bucket{per_minute(6000), start}; // 100 of burst.
  bucket.confirm();
  bucket.tighten(30, start);
  EXPECT_EQ(bucket.wait_for(30, start), 0ns);
  EXPECT_EQ(bucket.wait_for(31, start), 10ms);
}

TEST(gcra, DoesNotHaltInTheMiddleOfAFixedWindow) {
  gcra_bucket bucket{per_minute(60), start};
  bucket.confirm();
  auto now = start;
  for (uint64_t sent = 1; sent <= 60; ++sent) {
    const auto wait = bucket.wait_for(1, now);
    ASSERT_LE(wait, 1s) << "the steady rate is what the limit allows";
    now += wait;
    bucket.take(1, now);
    bucket.tighten(60 - sent, now);
  }
}

TEST(gcra, GivesWaySlowlyWhenTheProviderHasMoreLeft) {
  auto options = per_minute(600);
  options.burst_window = options.window; // Only the provider's bucket counts.
  options.start_empty = true;
  gcra_bucket bucket{options, start};
  bucket.sync(600, start);
  EXPECT_EQ(bucket.wait_for(60, start), 6s) << "no time has passed";
  bucket.sync(600, start + 1s);
  EXPECT_EQ(bucket.wait_for(70, start + 1s), 0ns) << "10 came by time, 60 by the header";
  EXPECT_GT(bucket.wait_for(71, start + 1s), 0ns);
  bucket.sync(65, start + 2s);
  EXPECT_EQ(bucket.wait_for(65, start + 2s), 0ns);
  EXPECT_GT(bucket.wait_for(66, start + 2s), 0ns) << "never above what the provider says";
  bucket.sync(600, start + 20s);
  EXPECT_EQ(bucket.wait_for(600, start + 20s), 0ns);
}

TEST(gcra, ConfirmingTheLimitNeverCostsTime) {
  auto options = per_minute(600);
  options.start_empty = true;
  gcra_bucket bucket{options, start};
  const auto before = bucket.wait_for(1, start);
  bucket.confirm();
  EXPECT_LE(bucket.wait_for(1, start), before + 60ms);
}

TEST(gcra, KeepsWhatWasChargedWhenTheLimitChanges) {
  gcra_bucket bucket{per_minute(60), start};
  bucket.confirm();
  bucket.take(11, start);
  EXPECT_EQ(bucket.wait_for(1, start), 11s);
  bucket.set_limit(600, start);
  EXPECT_EQ(bucket.wait_for(10, start), 1100ms);
  EXPECT_EQ(bucket.limit(), 600U);
}

TEST(gcra, AdmitsEverythingWhileNoLimitIsKnown) {
  gcra_bucket bucket{per_minute(0), start};
  bucket.take(1'000'000, start);
  bucket.tighten(0, start);
  EXPECT_EQ(bucket.wait_for(1'000'000, start), 0ns);
  bucket.set_limit(60, start);
  EXPECT_GT(bucket.wait_for(1, start), 0ns) << "what was sent before is unknown";
}

TEST(gcra, StartsEmptyWhenAsked) {
  auto options = per_minute(600);
  options.start_empty = true;
  gcra_bucket bucket{options, start};
  bucket.confirm();
  EXPECT_GT(bucket.wait_for(1, start), 90ms);
  EXPECT_EQ(bucket.wait_for(1, start + 200ms), 0ns);
}

TEST(gcra, GoesOnWhereItStoppedAfterARestart) {
  gcra_bucket before{per_minute(60), start};
  before.confirm();
  before.set_limit(600, start);
  before.take(25, start);
  before.tighten(3, start);
  before.distrust(start);
  const auto state = before.export_state(start + 1s);
  const steady_time other_clock{5s};
  const gcra_bucket after{per_minute(60), state, other_clock, 2s};
  EXPECT_EQ(after.limit(), 600U);
  for (const auto t : {0s, 1s, 5s, 100s, 596s, 597s})
    for (const uint64_t n : {1U, 5U, 10U})
      EXPECT_EQ(after.wait_for(n, other_clock + t), before.wait_for(n, start + 3s + t));
  EXPECT_EQ(after.export_state(other_clock), before.export_state(start + 3s));
}

} // namespace
} // namespace assay::control
