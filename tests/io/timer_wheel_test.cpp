#include "io/detail/timer_wheel.hpp"

#include <gtest/gtest.h>

#include <random>

namespace assay::io::detail {
namespace {

using std::chrono::milliseconds;

struct named : wheel_entry {
  int name = 0;
  bool expired = false;
};

class timer_wheel_test : public testing::Test {
protected:
  steady_point start = steady_point{} + std::chrono::hours(5);
  timer_wheel wheel{milliseconds(20), start};

  std::vector<int> advance(milliseconds to) {
    std::vector<int> names;
    wheel.advance(start + to, [&](wheel_entry& entry) { names.push_back(static_cast<named&>(entry).name); });
    return names;
  }
};

TEST_F(timer_wheel_test, ExpiresNothingEarlyAndEverythingWithinOneTick) {
  std::mt19937 random(7);
  std::vector<named> entries(2000);
  for (auto& entry : entries)
    wheel.schedule(entry, start + milliseconds(random() % 60'000)); // three turns of the ring
  for (int now = 0; now <= 60'040; now += 20) {
    wheel.advance(start + milliseconds(now), [&](wheel_entry& entry) {
      EXPECT_LE(entry.deadline, start + milliseconds(now));
      EXPECT_GE(entry.deadline + milliseconds(40), start + milliseconds(now));
      static_cast<named&>(entry).expired = true;
    });
  }
  for (const auto& entry : entries)
    EXPECT_TRUE(entry.expired);
  EXPECT_EQ(wheel.next_wake(), steady_point{});
}

TEST_F(timer_wheel_test, SurvivesJumpsOverWholeTurns) {
  named entry;
  wheel.schedule(entry, start + milliseconds(100));
  EXPECT_EQ(advance(std::chrono::hours(3)).size(), 1u);
}

TEST_F(timer_wheel_test, MovesAndWithdrawsDeadlines) {
  named moved, withdrawn;
  moved.name = 1;
  wheel.schedule(moved, start + milliseconds(100));
  wheel.schedule(withdrawn, start + milliseconds(100));
  wheel.schedule(moved, start + milliseconds(5000));
  timer_wheel::withdraw(withdrawn);
  EXPECT_TRUE(advance(milliseconds(1000)).empty());
  EXPECT_EQ(advance(milliseconds(5040)), std::vector<int>{1});
}

TEST_F(timer_wheel_test, LetsExpiryWithdrawAndScheduleOthers) {
  named first, second, later;
  first.name = 1;
  second.name = 2;
  later.name = 3;
  wheel.schedule(first, start + milliseconds(50));
  wheel.schedule(second, start + milliseconds(50));
  std::vector<int> names;
  wheel.advance(start + milliseconds(100), [&](wheel_entry& entry) {
    names.push_back(static_cast<named&>(entry).name);
    timer_wheel::withdraw(second);
    wheel.schedule(later, start); // long past: due at the next tick
  });
  EXPECT_EQ(names, std::vector<int>{1});
  EXPECT_EQ(advance(milliseconds(140)), std::vector<int>{3});
}

TEST_F(timer_wheel_test, ForgetsWhatIsDestroyed) {
  {
    named entry;
    wheel.schedule(entry, start + milliseconds(50));
    EXPECT_NE(wheel.next_wake(), steady_point{});
  }
  EXPECT_EQ(wheel.next_wake(), steady_point{});
  EXPECT_TRUE(advance(milliseconds(100)).empty());
}

} // namespace
} // namespace assay::io::detail
