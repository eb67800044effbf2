#include "core/control/deadline_wheel.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <random>

namespace assay::control {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using wheel = deadline_wheel<int>;

const steady_time start{1000s};

std::vector<int> expired(wheel& w, steady_time now) {
  std::vector<int> keys;
  w.expire(now, [&](int key) { keys.push_back(key); });
  return keys;
}

TEST(deadline_wheel, FiresInOrderAndNeverEarly) {
  wheel w{start};
  w.schedule(3, start + 35ms);
  w.schedule(1, start + 10ms);
  w.schedule(2, start + 15ms);
  EXPECT_TRUE(expired(w, start + 9ms).empty());
  EXPECT_THAT(expired(w, start + 10ms), ElementsAre(1));
  EXPECT_TRUE(expired(w, start + 19ms).empty()) << "15 ms belongs to the tick at 20 ms";
  EXPECT_THAT(expired(w, start + 100ms), ElementsAre(2, 3));
  EXPECT_TRUE(w.empty());
}

TEST(deadline_wheel, FiresWhatIsAlreadyPastAtTheNextTick) {
  wheel w{start};
  (void)expired(w, start + 50ms);
  w.schedule(1, start - 5s);
  EXPECT_TRUE(expired(w, start + 55ms).empty());
  EXPECT_THAT(expired(w, start + 60ms), ElementsAre(1));
}

TEST(deadline_wheel, HoldsDeadlinesBeyondOneTurn) {
  wheel w{start, 10ms, 64};
  w.schedule(1, start + 10s);
  auto now = start;
  for (; now < start + 10s; now += 10ms)
    ASSERT_TRUE(expired(w, now).empty());
  EXPECT_THAT(expired(w, now), ElementsAre(1));
}

TEST(deadline_wheel, CatchesUpAfterALongPause) {
  wheel w{start, 10ms, 64};
  for (int i = 0; i < 500; ++i)
    w.schedule(i, start + i * 10ms);
  w.schedule(1000, start + 2h);
  EXPECT_EQ(expired(w, start + 1h).size(), 500U);
  EXPECT_EQ(w.size(), 1U);
  EXPECT_TRUE(expired(w, start).empty()) << "time that runs backwards fires nothing";
  EXPECT_THAT(expired(w, start + 2h), ElementsAre(1000));
}

TEST(deadline_wheel, CancelsOnceAndOnlyWhatIsOpen) {
  wheel w{start};
  const auto a = w.schedule(1, start + 10ms);
  const auto b = w.schedule(2, start + 10ms);
  EXPECT_TRUE(w.cancel(a));
  EXPECT_FALSE(w.cancel(a));
  EXPECT_FALSE(w.cancel(wheel::handle{}));
  const auto c = w.schedule(3, start + 20ms);
  EXPECT_FALSE(w.cancel(a)) << "the place is another's now";
  EXPECT_THAT(expired(w, start + 10ms), ElementsAre(2));
  EXPECT_FALSE(w.cancel(b));
  EXPECT_TRUE(w.cancel(c));
  EXPECT_TRUE(w.empty());
}

TEST(deadline_wheel, DoesNotGrowWithCallsThatEndSoon) {
  wheel w{start};
  std::vector<wheel::handle> open;
  auto now = start;
  // 40,000 calls a second for 30 s, each with a deadline of 600 s, each ended after 4 ms.
  for (int ms = 0; ms < 30'000; ++ms) {
    for (int i = 0; i < 40; ++i)
      open.push_back(w.schedule(i, now + 600s));
    if (open.size() > 160) {
      for (size_t i = 0; i < 40; ++i)
        ASSERT_TRUE(w.cancel(open[i]));
      open.erase(open.begin(), open.begin() + 40);
    }
    now += 1ms;
    ASSERT_TRUE(expired(w, now).empty());
  }
  EXPECT_LE(w.pool_size(), 200U);
  EXPECT_EQ(w.size(), open.size());
}

TEST(deadline_wheel, ReleasesTheKeyOfACancelledDeadline) {
  deadline_wheel<std::shared_ptr<int>> w{start};
  const auto key = std::make_shared<int>(1);
  const auto handle = w.schedule(key, start + 1h);
  EXPECT_EQ(key.use_count(), 2);
  w.cancel(handle);
  EXPECT_EQ(key.use_count(), 1);
}

TEST(deadline_wheel, AllowsChangesWhileFiring) {
  wheel w{start};
  std::map<int, wheel::handle> handles;
  for (int i = 0; i < 4; ++i)
    handles[i] = w.schedule(i, start + 10ms + i * 10ms);
  std::vector<int> fired;
  w.expire(start + 40ms, [&](int key) {
    fired.push_back(key);
    if (key == 0) {
      EXPECT_TRUE(w.cancel(handles[2])) << "due as well, but not fired yet";
      w.schedule(9, start);
    }
  });
  EXPECT_THAT(fired, ElementsAre(0, 1, 3));
  EXPECT_THAT(expired(w, start + 50ms), ElementsAre(9));
}

TEST(deadline_wheel, HintsNoLaterThanTheNextDeadline) {
  wheel w{start, 10ms, 128};
  EXPECT_FALSE(w.next_due());
  w.schedule(1, start + 700ms);
  EXPECT_EQ(w.next_due(), start + 700ms);
  const auto h = w.schedule(2, start + 333ms);
  EXPECT_EQ(w.next_due(), start + 340ms);
  w.cancel(h);
  EXPECT_EQ(w.next_due(), start + 700ms);
  (void)expired(w, start + 600ms);
  EXPECT_EQ(w.next_due(), start + 700ms);
  w.schedule(3, start + 600ms + 1270ms);
  EXPECT_THAT(expired(w, start + 700ms), ElementsAre(1));
  EXPECT_EQ(w.next_due(), start + 1870ms) << "behind the end of the slots";
}

TEST(deadline_wheel, AgreesWithASortedListUnderRandomUse) {
  std::mt19937 random{5};
  wheel w{start, 10ms, 64};
  struct entry {
    wheel::handle handle;
    steady_time due;
  };
  std::map<int, entry> open;
  auto now = start;
  int next = 0;
  for (int step = 0; step < 20'000; ++step) {
    for (int i = static_cast<int>(random() % 3); i > 0; --i) {
      const auto due = now + milliseconds{random() % 3000};
      open[next] = {w.schedule(next, due), due};
      ++next;
    }
    if (!open.empty() && random() % 2 == 0) {
      auto it = open.lower_bound(static_cast<int>(random() % static_cast<unsigned>(next)));
      if (it == open.end())
        it = open.begin();
      ASSERT_TRUE(w.cancel(it->second.handle));
      open.erase(it);
    }
    if (!open.empty()) {
      const auto earliest =
          std::ranges::min_element(open, {}, [](const auto& x) { return x.second.due; })->second.due;
      ASSERT_LE(*w.next_due(), std::max(earliest, now) + 10ms);
    }
    now += milliseconds{random() % 40};
    w.expire(now, [&](int key) {
      ASSERT_LE(open.at(key).due, now) << "early";
      open.erase(key);
    });
    for (const auto& [key, one] : open)
      ASSERT_GT(one.due, now - 20ms) << "late";
    ASSERT_EQ(w.size(), open.size());
  }
}

} // namespace
} // namespace assay::control
