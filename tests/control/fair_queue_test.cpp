#include "core/control/fair_queue.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <map>
#include <memory>
#include <random>
#include <string>

namespace assay::control {
namespace {

using testing::ElementsAre;
using queue = fair_queue<int, std::string, int>;
using key = queue::key_type;

key of(std::string tenant, int run, uint32_t tenant_weight = 1, uint32_t run_weight = 1, int priority = 0,
       double cost = 1) {
  return {std::move(tenant), tenant_weight, run, run_weight, priority, cost};
}

std::vector<int> drain(queue& line) {
  std::vector<int> items;
  while (auto item = line.pop())
    items.push_back(*item);
  return items;
}

TEST(fair_queue, GivesOneItemBackAndServesTheRest) {
  queue line{10};
  for (int i = 0; i < 3; ++i)
    ASSERT_TRUE(line.push(int{i}, of("a", 1)));
  ASSERT_TRUE(line.push(10, of("b", 2)));
  line.push_front(9, of("a", 1));
  EXPECT_TRUE(line.remove(1, 1));
  EXPECT_TRUE(line.remove(1, 9));
  EXPECT_FALSE(line.remove(1, 1)) << "it is gone";
  EXPECT_FALSE(line.remove(1, 10)) << "it is another run's";
  EXPECT_FALSE(line.remove(7, 0));
  EXPECT_EQ(line.size(), 3u);
  EXPECT_TRUE(line.remove(2, 10));
  EXPECT_THAT(drain(line), ElementsAre(0, 2));
  ASSERT_TRUE(line.push(5, of("b", 2)));
  EXPECT_THAT(drain(line), ElementsAre(5));
  line.pause_run(3);
  ASSERT_TRUE(line.push(6, of("c", 3)));
  EXPECT_TRUE(line.remove(3, 6));
  EXPECT_TRUE(line.is_paused(3));
}

TEST(fair_queue, ServesOneRunInOrder) {
  queue line{10};
  for (int i = 0; i < 4; ++i)
    ASSERT_TRUE(line.push(int{i}, of("a", 1)));
  EXPECT_EQ(*line.front(), 0);
  EXPECT_THAT(drain(line), ElementsAre(0, 1, 2, 3));
  EXPECT_TRUE(line.empty());
  EXPECT_EQ(line.front(), nullptr);
  EXPECT_FALSE(line.pop());
}

TEST(fair_queue, AlternatesBetweenEqualTenantsWhateverTheyBring) {
  queue line{1000};
  for (int i = 0; i < 100; ++i)
    ASSERT_TRUE(line.push(int{100 + i}, of("many", 1)));
  for (int i = 0; i < 3; ++i)
    ASSERT_TRUE(line.push(int{i}, of("few", 2)));
  std::vector<int> first;
  for (int i = 0; i < 6; ++i)
    first.push_back(*line.pop());
  EXPECT_EQ(std::ranges::count_if(first, [](int item) { return item < 100; }), 3);
}

TEST(fair_queue, SharesByWeightOnBothLevels) {
  std::mt19937 random{42};
  queue line{100'000};
  // Tenant, run, tenant weight, run weight.
  const std::vector<std::tuple<std::string, int, uint32_t, uint32_t>> runs{
      {"a", 1, 1, 1}, {"b", 2, 2, 1}, {"b", 3, 2, 3}, {"c", 4, 5, 1}};
  std::map<int, double> served;
  std::map<int, double> cost_of;
  int next = 0;
  const auto refill = [&](size_t which) {
    const auto& [tenant, run, tenant_weight, run_weight] = runs[which];
    const double cost = 1 + random() % 100;
    cost_of[next] = cost;
    // The run is told apart by the item's remainder.
    ASSERT_TRUE(
        line.push(next * 4 + static_cast<int>(which), of(tenant, run, tenant_weight, run_weight, 0, cost)));
    ++next;
  };
  for (size_t which = 0; which < runs.size(); ++which)
    for (int i = 0; i < 5; ++i)
      refill(which);
  double total = 0;
  for (int i = 0; i < 40'000; ++i) {
    const int item = *line.pop();
    const auto which = static_cast<size_t>(item % 4);
    const double cost = cost_of[item / 4];
    served[static_cast<int>(which)] += cost;
    total += cost;
    refill(which);
  }
  EXPECT_NEAR(served[0] / total, 1.0 / 8, 0.002);
  EXPECT_NEAR(served[1] / total, 2.0 / 8 * 1 / 4, 0.002);
  EXPECT_NEAR(served[2] / total, 2.0 / 8 * 3 / 4, 0.002);
  EXPECT_NEAR(served[3] / total, 5.0 / 8, 0.002);
}

TEST(fair_queue, LetsNoTenantFallBehindByMoreThanOneLargestItemEach) {
  std::mt19937 random{3};
  queue line{100'000};
  const double largest = 50;
  for (int tenant = 0; tenant < 5; ++tenant)
    for (int i = 0; i < 2000; ++i)
      ASSERT_TRUE(line.push(
          int{tenant}, of(std::to_string(tenant), tenant, static_cast<uint32_t>(tenant) + 1, 1, 0, largest)));
  std::vector<double> per_weight(5, 0);
  for (int i = 0; i < 3000; ++i) {
    const int tenant = *line.pop();
    per_weight[static_cast<size_t>(tenant)] += largest / (tenant + 1);
    const auto [least, most] = std::ranges::minmax(per_weight);
    // Bound of start-time fair queueing: l_f/w_f + l_m/w_m.
    ASSERT_LE(most - least, 2 * largest + 1e-6);
  }
}

TEST(fair_queue, GivesNoCreditForIdleTimeAndNoWaitForNewcomers) {
  queue line{1000};
  for (int i = 0; i < 300; ++i)
    ASSERT_TRUE(line.push(1, of("old", 1)));
  ASSERT_TRUE(line.push(2, of("guest", 2)));
  for (int i = 0; i < 100; ++i)
    (void)line.pop();
  for (int i = 0; i < 50; ++i)
    ASSERT_TRUE(line.push(2, of("guest", 2)));
  std::vector<int> next;
  for (int i = 0; i < 20; ++i)
    next.push_back(*line.pop());
  EXPECT_EQ(std::ranges::count(next, 2), 10) << "neither starved nor served in a row";
  EXPECT_THAT(std::vector<int>(next.begin(), next.begin() + 2), testing::Contains(2));
}

TEST(fair_queue, CannotBeOutwittedByLeavingForAMoment) {
  queue line{1000};
  for (int i = 0; i < 100; ++i)
    ASSERT_TRUE(line.push(1, of("patient", 1)));
  int hasty = 0;
  for (int i = 0; i < 60; ++i) {
    if (line.size_of(2) == 0) {
      ASSERT_TRUE(line.push(2, of("hasty", 2)));
    }
    hasty += *line.pop() == 2 ? 1 : 0;
  }
  EXPECT_NEAR(hasty, 30, 1);
}

TEST(fair_queue, PutsPriorityFirstWithinATenantOnly) {
  queue line{100};
  ASSERT_TRUE(line.push(10, of("a", 1, 1, 100, 0)));
  ASSERT_TRUE(line.push(11, of("a", 1, 1, 100, 0)));
  ASSERT_TRUE(line.push(20, of("a", 2, 1, 1, 5)));
  ASSERT_TRUE(line.push(21, of("a", 2, 1, 1, 5)));
  ASSERT_TRUE(line.push(30, of("b", 3, 1, 1, -100)));
  ASSERT_TRUE(line.push(31, of("b", 3, 1, 1, -100)));
  const auto order = drain(line);
  std::vector<int> of_a;
  std::ranges::copy_if(order, std::back_inserter(of_a), [](int item) { return item < 30; });
  EXPECT_THAT(of_a, ElementsAre(20, 21, 10, 11));
  EXPECT_LT(std::ranges::find(order, 30) - order.begin(), 2) << "another tenant's priority does not matter";
}

TEST(fair_queue, FollowsAChangeOfPriority) {
  queue line{100};
  ASSERT_TRUE(line.push(10, of("a", 1)));
  ASSERT_TRUE(line.push(20, of("a", 2)));
  ASSERT_TRUE(line.push(21, of("a", 2, 1, 1, 9)));
  EXPECT_THAT(drain(line), ElementsAre(20, 21, 10));
}

TEST(fair_queue, KeepsThePlaceOfItemsPutBack) {
  queue line{100};
  for (int i = 0; i < 5; ++i)
    ASSERT_TRUE(line.push(int{i}, of("a", 1)));
  const int first = *line.pop();
  const int second = *line.pop();
  line.push_front(int{first}, of("a", 1, 1, 1, 0, 0));
  line.push_front(int{second}, of("a", 1, 1, 1, 0, 0));
  EXPECT_EQ(*line.front(), 0);
  EXPECT_THAT(drain(line), ElementsAre(0, 1, 2, 3, 4));
}

TEST(fair_queue, ChargesARetryOnceWhenItsCostIsZero) {
  queue line{1000};
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(line.push(1, of("a", 1)));
    ASSERT_TRUE(line.push(2, of("b", 2)));
  }
  int a = 0;
  int b = 0;
  bool retried = false;
  while (a + b < 40) {
    const int item = *line.pop();
    if (item == 1 && !retried) {
      retried = true;
      line.push_front(1, of("a", 1, 1, 1, 0, 0));
      continue;
    }
    retried = false;
    ++(item == 1 ? a : b);
  }
  EXPECT_NEAR(a, b, 2) << "one may be on its way";
}

TEST(fair_queue, RefusesMoreThanItsCapacityButNeverWhatItHeldBefore) {
  fair_queue<std::unique_ptr<int>, std::string, int> line{2};
  const fair_key<std::string, int> k{"a", 1, 1, 1, 0, 1};
  ASSERT_TRUE(line.push(std::make_unique<int>(1), k));
  ASSERT_TRUE(line.push(std::make_unique<int>(2), k));
  auto third = std::make_unique<int>(3);
  EXPECT_FALSE(line.push(std::move(third), k));
  EXPECT_NE(third, nullptr) << "a refused item stays the caller's";
  auto popped = line.pop();
  ASSERT_TRUE(line.push(std::move(third), k));
  line.push_front(std::move(*popped), k);
  EXPECT_EQ(line.size(), 3U);
  EXPECT_EQ(**line.pop(), 1);
}

TEST(fair_queue, WithdrawsARun) {
  queue line{100};
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(line.push(10 + i, of("a", 1)));
    ASSERT_TRUE(line.push(20 + i, of("a", 2)));
  }
  line.push_front(99, of("a", 1));
  EXPECT_EQ(line.size_of(1), 4U);
  EXPECT_THAT(line.remove_run(1), ElementsAre(99, 10, 11, 12));
  EXPECT_EQ(line.size_of(1), 0U);
  EXPECT_EQ(line.size(), 3U);
  EXPECT_TRUE(line.remove_run(77).empty());
  EXPECT_THAT(drain(line), ElementsAre(20, 21, 22));
}

TEST(fair_queue, SkipsPausedRunsAndKeepsTheirItems) {
  queue line{100};
  line.pause_run(1);
  ASSERT_TRUE(line.push(10, of("a", 1)));
  ASSERT_TRUE(line.push(20, of("a", 2)));
  ASSERT_TRUE(line.push(21, of("a", 2)));
  line.pause_run(2);
  EXPECT_EQ(line.front(), nullptr);
  EXPECT_FALSE(line.pop());
  EXPECT_EQ(line.size(), 3U);
  line.resume_run(2);
  EXPECT_THAT(drain(line), ElementsAre(20, 21));
  EXPECT_TRUE(line.is_paused(1));
  line.resume_run(1);
  line.resume_run(1);
  EXPECT_THAT(drain(line), ElementsAre(10));
  EXPECT_FALSE(line.is_paused(1));
}

TEST(fair_queue, WithdrawsAPausedRun) {
  queue line{100};
  line.pause_run(1);
  ASSERT_TRUE(line.push(10, of("a", 1)));
  EXPECT_THAT(line.remove_run(1), ElementsAre(10));
  ASSERT_TRUE(line.push(11, of("a", 1)));
  EXPECT_THAT(drain(line), ElementsAre(11)) << "the pause went with the run";
}

TEST(fair_queue, CountsZeroWeightsAndSenselessCostsAsSmall) {
  queue line{100};
  ASSERT_TRUE(line.push(1, of("a", 1, 0, 0, 0, -5)));
  ASSERT_TRUE(line.push(2, of("b", 2, 0, 0, 0, std::numeric_limits<double>::quiet_NaN())));
  EXPECT_EQ(drain(line).size(), 2U);
}

TEST(fair_queue, LosesAndDoublesNothingUnderRandomUse) {
  std::mt19937 random{99};
  queue line{200};
  std::map<int, int> waiting; // item -> run
  int next = 0;
  for (int step = 0; step < 50'000; ++step) {
    const int run = static_cast<int>(random() % 8);
    const auto k = of(std::to_string(run % 3), run, 1 + run % 3, 1 + static_cast<uint32_t>(random() % 4),
                      static_cast<int>(random() % 3), static_cast<double>(random() % 10));
    switch (random() % 8) {
    case 0:
    case 1:
    case 2: {
      const bool room = line.size() < line.capacity();
      ASSERT_EQ(line.push(int{next}, k), room);
      if (room)
        waiting[next] = run;
      ++next;
      break;
    }
    case 3:
    case 4: {
      const auto* front = line.front();
      const auto expected = front ? std::optional<int>(*front) : std::nullopt;
      const auto item = line.pop();
      ASSERT_EQ(item, expected);
      if (!item)
        break;
      ASSERT_FALSE(line.is_paused(waiting.at(*item)));
      if (random() % 4 == 0) {
        const int owner = waiting.at(*item);
        line.push_front(int{*item}, of(std::to_string(owner % 3), owner));
      } else {
        waiting.erase(*item);
      }
      break;
    }
    case 5:
      line.pause_run(run);
      break;
    case 6:
      line.resume_run(run);
      break;
    default:
      if (random() % 20 == 0)
        for (const int item : line.remove_run(run)) {
          ASSERT_EQ(waiting.at(item), run);
          waiting.erase(item);
        }
    }
    ASSERT_EQ(line.size(), waiting.size());
  }
  for (int run = 0; run < 8; ++run)
    line.resume_run(run);
  EXPECT_EQ(drain(line).size(), waiting.size());
}

} // namespace
} // namespace assay::control
