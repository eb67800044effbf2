#include "actors/fleet/rate_limiter.hpp"
#include "tests/support/actor_fixture.hpp"

namespace assay {
namespace {

using namespace std::chrono_literals;

struct slot_owner_state {
  std::vector<call_id> granted;
  std::string memory;
  size_t memories = 0;
  std::vector<slots_delayed> delays;
};

slot_sink_actor::behavior_type slot_owner(slot_sink_actor::stateful_pointer<slot_owner_state> self) {
  return {
      [self](const slots_granted& slots) {
        self->state.granted.insert(self->state.granted.end(), slots.calls.begin(), slots.calls.end());
      },
      [self](const slots_delayed& news) { self->state.delays.push_back(news); },
      [self](const limiter_memory& memory) {
        self->state.memory = memory.state;
        ++self->state.memories;
      },
  };
}

class rate_limiter_test : public test::actor_test {
protected:
  slot_sink_actor owner = spawn(slot_owner);
  wall_time wall{std::chrono::sys_days{std::chrono::year{2026} / 1 / 2}};

  rate_limiter_actor make(rate_limits limits, std::string memory = {}, bool start_empty = false) {
    rate_limiter_config config;
    config.model = model_id{"m"};
    config.limits = limits;
    config.memory = std::move(memory);
    config.start_empty = start_empty;
    config.wall = [this] { return wall; };
    return spawn(rate_limiter, config, owner);
  }

  void want(const rate_limiter_actor& limiter, uint64_t count, uint32_t tokens = 1, uint32_t output = 0) {
    acquire_slots wish;
    for (uint64_t i = 0; i < count; ++i)
      wish.requests.push_back({call_id{++next_}, tokens, output});
    tell(limiter, std::move(wish));
  }

  size_t granted() { return state_of<slot_owner_state>(owner).granted.size(); }

private:
  uint64_t next_ = 0;
};

TEST_F(rate_limiter_test, GrantsEverythingAtOnceWithoutLimits) {
  const auto limiter = make({});
  want(limiter, 1'000);
  EXPECT_EQ(granted(), 1'000u);
}

TEST_F(rate_limiter_test, KeepsRequestsPerMinuteOverTenMinutes) {
  const auto limiter = make({600, 0, 0, 0});
  want(limiter, 10'000);
  advance(10min, 50ms);
  // The safety factor is 0.95 until the provider has confirmed the limit: 5,700, and a burst of one second.
  EXPECT_LE(granted(), 5'710u);
  EXPECT_GE(granted(), 5'650u);
}

TEST_F(rate_limiter_test, KeepsTokensPerMinute) {
  const auto limiter = make({0, 60'000, 0, 0});
  want(limiter, 1'000, 1'000);
  advance(5min);
  EXPECT_LE(granted(), 290u);
  EXPECT_GE(granted(), 280u);
}

TEST_F(rate_limiter_test, SaysWhichLimitIsWaitedForAndHowLong) {
  const auto limiter = make({2, 0, 0, 0});
  want(limiter, 5);
  const auto& told = state_of<slot_owner_state>(owner).delays;
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].limit, "requests-per-minute limit");
  EXPECT_GT(told[0].wait, 10s);
  EXPECT_LE(told[0].wait, 64s);
  want(limiter, 5);
  EXPECT_EQ(told.size(), 1u) << "the same wait is told once";
}

TEST_F(rate_limiter_test, DoesNotSpeakOfWaitsThatAreOverSoon) {
  const auto limiter = make({6'000, 0, 0, 0});
  want(limiter, 1'000);
  advance(5s, 50ms);
  EXPECT_TRUE(state_of<slot_owner_state>(owner).delays.empty());
}

TEST_F(rate_limiter_test, GrantsInTheOrderOfAsking) {
  const auto limiter = make({0, 0, 20, 0});
  want(limiter, 50);
  advance(5s);
  const auto& ids = state_of<slot_owner_state>(owner).granted;
  ASSERT_EQ(ids.size(), 50u);
  EXPECT_TRUE(std::is_sorted(ids.begin(), ids.end()));
}

TEST_F(rate_limiter_test, AClosedKeyGrantsNothingUntilTheTimeIsOver) {
  const auto limiter = make({});
  tell(limiter, key_closed{89s, true});
  want(limiter, 5);
  advance(88s, 100ms);
  EXPECT_EQ(granted(), 0u);
  advance(2s, 100ms);
  EXPECT_EQ(granted(), 5u);
}

TEST_F(rate_limiter_test, ARefusalThatNamesNoLimitTeachesAPaceThatOutlivesTheLimiter) {
  const auto limiter = make({});
  want(limiter, 20);
  ASSERT_EQ(granted(), 20u);
  for (uint64_t i = 1; i <= 20; ++i) {
    slot_settlement slot;
    slot.id = call_id{i};
    slot.answered = true;
    tell(limiter, slots_settled{{slot}});
    advance(100ms);
  }
  tell(limiter, key_closed{1s, false});
  want(limiter, 100);
  advance(900ms, 10ms);
  EXPECT_EQ(granted(), 20u);
  advance(2s, 10ms);
  EXPECT_GE(granted(), 20u + 12u);
  EXPECT_LE(granted(), 20u + 20u) << "nine a second, and not all at once";
  const auto memory = state_of<slot_owner_state>(owner).memory;
  kill(limiter);
  const auto before = granted();
  const auto successor = make({}, memory);
  want(successor, 100);
  advance(1s, 10ms);
  EXPECT_GE(granted() - before, 5u);
  EXPECT_LE(granted() - before, 10u);
}

TEST_F(rate_limiter_test, AFewRefusalsBeforeAnyAnswerTeachNothing) {
  const auto limiter = make({});
  want(limiter, 5);
  for (int i = 0; i < 5; ++i)
    tell(limiter, key_closed{2s, false});
  want(limiter, 100);
  advance(3s, 100ms);
  EXPECT_EQ(granted(), 105u);
}

TEST_F(rate_limiter_test, AWithdrawnRequestIsNotGranted) {
  const auto limiter = make({0, 0, 1, 0});
  want(limiter, 3);
  const auto before = granted();
  tell(limiter, slots_withdrawn{{call_id{2}, call_id{3}}});
  advance(10s);
  EXPECT_EQ(granted(), std::max<size_t>(before, 1));
}

TEST_F(rate_limiter_test, HeadersThatSayNothingIsLeftStopTheKeyAtOnce) {
  const auto limiter = make({600, 0, 0, 0});
  limits_observed seen;
  seen.limit_requests = 600;
  seen.remaining_requests = 0;
  tell(limiter, seen);
  want(limiter, 100);
  const auto at_once = granted();
  advance(1s);
  EXPECT_EQ(at_once, 0u);
  EXPECT_LE(granted(), 11u);
}

TEST_F(rate_limiter_test, LimitsOfInputAndOutputAreKeptApart) {
  limits_observed seen;
  seen.limit_input_tokens = 1'000'000;
  seen.limit_output_tokens = 6'000;
  const auto talkative = make({});
  tell(talkative, seen);
  want(talkative, 1'000, 1'100, 100);
  advance(5min, 100ms);
  const auto by_output = granted();
  EXPECT_LE(by_output, 305u) << "60 a minute by the output, and a burst";
  EXPECT_GE(by_output, 280u);
  const auto terse = make({});
  tell(terse, seen);
  want(terse, 10'000, 1'100, 0);
  advance(5min, 100ms);
  EXPECT_GE(granted() - by_output, 4'000u) << "the input alone allows 909 a minute";
}

TEST_F(rate_limiter_test, WhatAnAnswerDidNotNeedIsGivenBackToItsDirection) {
  limits_observed seen;
  seen.limit_output_tokens = 6'000;
  seen.remaining_output_tokens = 6'000;
  const auto limiter = make({});
  tell(limiter, seen);
  want(limiter, 100, 1'000, 1'000);
  advance(2s, 100ms);
  const auto before = granted();
  ASSERT_GE(before, 1u);
  ASSERT_LT(before, 10u);
  slots_settled settled;
  for (const auto id : state_of<slot_owner_state>(owner).granted)
    settled.slots.push_back({id, 1'000, 10, 1'000, 10});
  tell(limiter, settled);
  EXPECT_GT(granted(), before);
}

TEST_F(rate_limiter_test, ADaysQuotaIsUsedUpAndNotSpreadOverTheDay) {
  const auto limiter = make({});
  limits_observed seen;
  seen.limit_requests_per_day = 1'000;
  seen.remaining_requests_today = 50;
  tell(limiter, seen);
  want(limiter, 100);
  advance(1min, 100ms);
  EXPECT_GE(granted(), 45u);
  EXPECT_LE(granted(), 52u);
}

TEST_F(rate_limiter_test, TheMemoryCarriesAClosureOverARestart) {
  const auto limiter = make({600, 0, 0, 0});
  tell(limiter, key_closed{60s, true});
  advance(2s);
  want(limiter, 1);
  advance(1s);
  const auto memory = state_of<slot_owner_state>(owner).memory;
  ASSERT_FALSE(memory.empty());
  kill(limiter);
  const auto successor = make({600, 0, 0, 0}, memory);
  want(successor, 1);
  advance(30s, 100ms);
  EXPECT_EQ(granted(), 0u);
  advance(40s, 100ms);
  EXPECT_GE(granted(), 1u);
}

TEST_F(rate_limiter_test, TheLastChangeBeforeAQuietTimeIsTold) {
  const auto limiter = make({600, 0, 0, 0});
  want(limiter, 1);
  // A report went out just now; this one has to wait, and nothing else happens that could take it along.
  tell(limiter, key_closed{60s, true});
  advance(2s);
  const auto memory = state_of<slot_owner_state>(owner).memory;
  kill(limiter);
  const auto successor = make({600, 0, 0, 0}, memory);
  const auto before = granted();
  want(successor, 1);
  advance(50s, 100ms);
  EXPECT_EQ(granted(), before);
  advance(10s, 100ms);
  EXPECT_EQ(granted(), before + 1);
}

TEST_F(rate_limiter_test, TellsItsMemoryOnceASecondAtMost) {
  const auto limiter = make({60'000, 0, 0, 0});
  auto& told = state_of<slot_owner_state>(owner).memories;
  for (int i = 0; i < 500; ++i) {
    want(limiter, 3);
    advance(10ms);
  }
  EXPECT_GE(told, 4u);
  EXPECT_LE(told, 6u);
}

TEST_F(rate_limiter_test, AMemoryIsOldSoItsBurstCountsAsSpent) {
  const auto limiter = make({6'000, 0, 0, 0});
  want(limiter, 1);
  advance(2s);
  const auto memory = state_of<slot_owner_state>(owner).memory;
  const auto before = granted();
  const auto successor = make({6'000, 0, 0, 0}, memory);
  want(successor, 1'000);
  EXPECT_EQ(granted(), before) << "a hundred would be a second's burst";
  advance(1s);
  EXPECT_LE(granted(), before + 100u);
  EXPECT_GE(granted(), before + 80u);
}

TEST_F(rate_limiter_test, GarbageAsMemoryMeansAnEmptyBucket) {
  const auto limiter = make({60, 0, 0, 0}, "not json");
  want(limiter, 5);
  EXPECT_EQ(granted(), 0u);
  advance(10s);
  EXPECT_EQ(granted(), 5u);
}

} // namespace
} // namespace assay
