#include "core/control/aimd.hpp"

#include <gtest/gtest.h>

namespace assay::control {
namespace {

using namespace std::chrono_literals;

const steady_time start{1000s};

/// Sends as much as the limit allows and lets all of it succeed.
void saturated_round(aimd_limit& limit, steady_time now, bool clean = true) {
  const auto calls = limit.limit();
  for (uint32_t i = 0; i < calls; ++i)
    limit.started();
  for (uint32_t i = 0; i < calls; ++i)
    limit.succeeded(clean, now);
}

void reject(aimd_limit& limit, steady_time now, std::optional<nanoseconds> retry_after = std::nullopt) {
  limit.started();
  limit.rejected(now, retry_after);
}

TEST(aimd, DoublesEachSaturatedRoundUpToTheCap) {
  aimd_limit limit{{.cap = 100}};
  EXPECT_EQ(limit.limit(), 20U);
  saturated_round(limit, start);
  EXPECT_EQ(limit.limit(), 40U);
  saturated_round(limit, start);
  EXPECT_EQ(limit.limit(), 80U);
  saturated_round(limit, start);
  EXPECT_EQ(limit.limit(), 100U);
}

TEST(aimd, StartsAtTheCapWhenThatIsLower) {
  EXPECT_EQ(aimd_limit{{.cap = 5}}.limit(), 5U);
  EXPECT_EQ(aimd_limit{{.cap = 0}}.limit(), 1U);
}

TEST(aimd, DoesNotGrowWhileHalfIdle) {
  aimd_limit limit{{}};
  for (int i = 0; i < 1000; ++i) {
    limit.started();
    limit.succeeded(true, start);
  }
  EXPECT_EQ(limit.limit(), 20U);
}

TEST(aimd, ShrinksOncePerCooldown) {
  aimd_limit limit{{}};
  for (int i = 0; i < 15; ++i)
    reject(limit, start);
  EXPECT_EQ(limit.limit(), 16U);
  reject(limit, start + 4999ms);
  EXPECT_EQ(limit.limit(), 16U);
  reject(limit, start + 5s);
  EXPECT_EQ(limit.limit(), 12U);
}

TEST(aimd, ExtendsTheCooldownToRetryAfter) {
  aimd_limit limit{{}};
  reject(limit, start, 30s);
  reject(limit, start + 29s);
  EXPECT_EQ(limit.limit(), 16U);
  reject(limit, start + 29s, 10s);
  reject(limit, start + 38s);
  EXPECT_EQ(limit.limit(), 16U) << "a later Retry-After counts too";
  reject(limit, start + 39s);
  EXPECT_EQ(limit.limit(), 12U);
}

TEST(aimd, GrowsSlowlyAfterTheFirstRejection) {
  aimd_limit limit{{.initial = 100}};
  reject(limit, start);
  EXPECT_EQ(limit.limit(), 80U);
  saturated_round(limit, start + 1s);
  EXPECT_EQ(limit.limit(), 80U) << "successes in the cooldown do not count";
  saturated_round(limit, start + 5s);
  EXPECT_EQ(limit.limit(), 84U);
  aimd_limit small{{.initial = 5}};
  reject(small, start);
  saturated_round(small, start + 5s);
  EXPECT_EQ(small.limit(), 5U);
}

TEST(aimd, NeverFallsBelowItsMinimum) {
  aimd_limit limit{{.minimum = 3}};
  for (int i = 0; i < 50; ++i)
    reject(limit, start + i * 10s);
  EXPECT_EQ(limit.limit(), 3U);
  aimd_limit one{{}};
  for (int i = 0; i < 50; ++i)
    reject(one, start + i * 10s);
  EXPECT_EQ(one.limit(), 1U);
}

TEST(aimd, RecoversFromOne) {
  aimd_limit limit{{.initial = 1}};
  reject(limit, start);
  for (int i = 0; i < 4; ++i)
    saturated_round(limit, start + 10s);
  EXPECT_EQ(limit.limit(), 2U) << "a round is at least four calls";
}

TEST(aimd, TreatsRetriedAndFailedCallsAsNeutral) {
  aimd_limit limit{{}};
  for (int i = 0; i < 10; ++i)
    saturated_round(limit, start, false);
  EXPECT_EQ(limit.limit(), 20U);
  for (int i = 0; i < 10; ++i) {
    limit.started();
    limit.ended();
  }
  EXPECT_EQ(limit.limit(), 20U);
  EXPECT_EQ(limit.in_flight(), 0U);
}

TEST(aimd, StaysAtTheCapWhenFixed) {
  aimd_limit limit{{.cap = 500, .fixed = true}};
  EXPECT_EQ(limit.limit(), 500U);
  reject(limit, start);
  EXPECT_EQ(limit.limit(), 500U);
}

TEST(aimd, FollowsANewCapAndARestart) {
  aimd_limit limit{{}};
  saturated_round(limit, start);
  reject(limit, start);
  EXPECT_EQ(limit.limit(), 32U);
  const aimd_limit after{{}, limit.export_state()};
  EXPECT_EQ(after.export_state(), (aimd_state{32, false}));
  limit.set_cap(10);
  EXPECT_EQ(limit.limit(), 10U);
  EXPECT_EQ((aimd_limit{{.cap = 8}, aimd_state{32, false}}.limit()), 8U);
  EXPECT_EQ((aimd_limit{{}, aimd_state{}}.limit()), 20U) << "an empty state is a fresh start";
}

TEST(aimd, HasRoomUpToTheLimit) {
  aimd_limit limit{{.cap = 2}};
  limit.started();
  EXPECT_TRUE(limit.has_room());
  limit.started();
  EXPECT_FALSE(limit.has_room());
  limit.ended();
  EXPECT_TRUE(limit.has_room());
}

} // namespace
} // namespace assay::control
