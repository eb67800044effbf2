#include "core/control/retry_budget.hpp"

#include <gtest/gtest.h>

namespace assay::control {
namespace {

using namespace std::chrono_literals;

const steady_time start{1000s};

int spend_all(retry_budget& budget, steady_time now) {
  int retries = 0;
  while (retries < 1'000'000 && budget.try_retry(now))
    ++retries;
  return retries;
}

TEST(retry_budget, AllowsAFewWithoutTraffic) {
  retry_budget budget;
  EXPECT_EQ(spend_all(budget, start), 100) << "10 a second over ten seconds";
  EXPECT_FALSE(budget.try_retry(start + 9s));
  EXPECT_EQ(spend_all(budget, start + 10s), 100);
}

TEST(retry_budget, AllowsOneRetryForFiveRequests) {
  retry_budget budget{0.2, 0};
  EXPECT_FALSE(budget.try_retry(start));
  for (int i = 0; i < 1000; ++i)
    budget.request_sent(start);
  EXPECT_EQ(spend_all(budget, start), 200);
}

TEST(retry_budget, ForgetsOldTraffic) {
  retry_budget budget{0.2, 0};
  for (int i = 0; i < 1000; ++i)
    budget.request_sent(start);
  EXPECT_NEAR(budget.available(start + 9s), 200, 1e-6);
  EXPECT_EQ(budget.available(start + 10s), 0);
  EXPECT_EQ(budget.available(start + 1000h), 0);
}

TEST(retry_budget, HoldsTheShareInTheLongRun) {
  retry_budget budget;
  int retries = 0;
  for (auto now = start; now < start + 100s; now += 1ms) {
    budget.request_sent(now);
    for (int i = 0; i < 3; ++i)
      retries += budget.try_retry(now) ? 1 : 0;
  }
  // 100,000 requests in 100 s; the first ten seconds' reserve is there from the start.
  EXPECT_LE(retries, 20'000 + 1'100);
  EXPECT_GE(retries, 20'000);
}

} // namespace
} // namespace assay::control
