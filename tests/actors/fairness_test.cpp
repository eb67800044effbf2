#include "tests/actors/farm_world.hpp"

#include <string>

namespace assay {
namespace {

using test::farm_world;
using namespace std::chrono_literals;

/// Users and their runs share the farm as the configuration says.
class fairness : public farm_world {
protected:
  result<run_submitted> send(const std::string& owner, uint64_t samples, int32_t priority = 0) {
    auto wish = request(samples);
    wish.priority = priority;
    return ask<run_submitted>(handles().runs, submit_run{std::move(wish), user_id{owner}, ""});
  }

  run_id start(const std::string& owner, uint64_t samples, int32_t priority = 0) {
    const auto made = send(owner, samples, priority);
    EXPECT_TRUE(made) << (made ? "" : to_string(made.error()));
    return made ? made->record.spec.id : run_id{};
  }

  void answer(int calls) {
    for (int i = 0; i < calls && wire.answer_next("right"); ++i)
      run();
  }

  root_supervisor_config one_place() {
    auto with = config();
    with.runs.max_running = 1;
    with.runs.preempt = true;
    return with;
  }
};

TEST_F(fairness, TenantsShareAProviderByTheirWeights) {
  auto with = config();
  with.runs.tenant = [](const user_id& who) {
    tenant_rules out;
    out.weight = who.value == "ben" ? 3 : 1;
    return out;
  };
  start_farm(with);
  const auto anns = start("ann", 2000);
  const auto bens = start("ben", 2000);
  answer(800);
  advance(1s);
  const auto hers = static_cast<double>(scored(anns));
  const auto his = static_cast<double>(scored(bens));
  ASSERT_GT(hers + his, 700);
  EXPECT_NEAR(his / (hers + his), 0.75, 0.03);
}

TEST_F(fairness, ANewcomerStartsHoweverLongTheQueueOfAnotherIs) {
  auto with = config();
  with.runs.max_running = 2;
  with.runs.max_queued = 40;
  start_farm(with);
  for (int i = 0; i < 42; ++i)
    start("ann", 200);
  ASSERT_FALSE(send("ann", 200)) << "her queue is full";
  const auto bens = start("ben", 200);
  answer(16);
  advance(1s);
  EXPECT_EQ(find(bens).state, run_state::running);
  const auto now = find(bens).progress;
  EXPECT_GE(now.in_flight + now.done, 1u);
}

TEST_F(fairness, PlacesGoToTheTenantWithTheFewest) {
  auto with = config();
  with.runs.max_running = 4;
  start_farm(with);
  start("ann", 1);
  start("ann", 1);
  start("ann", 100);
  start("ann", 100);
  const auto hers = start("ann", 100);
  start("ben", 100); // In a place beyond the four.
  const auto his = start("ben", 100);
  ASSERT_EQ(find(his).state, run_state::queued);
  answer(8);
  advance(1s);
  EXPECT_EQ(find(hers).state, run_state::queued) << "it is older, but she has two places and he has one";
  EXPECT_EQ(find(his).state, run_state::running);
}

TEST_F(fairness, ATenantHasNoMorePlacesThanItsOwnBound) {
  auto with = config();
  with.runs.tenant = [](const user_id&) {
    tenant_rules out;
    out.max_running_runs = 1;
    out.max_queued_runs = 1;
    return out;
  };
  start_farm(with);
  const auto first = start("ann", 20);
  const auto second = start("ann", 20);
  EXPECT_EQ(find(first).state, run_state::running);
  EXPECT_EQ(find(second).state, run_state::queued);
  const auto third = send("ann", 20);
  ASSERT_FALSE(third);
  EXPECT_EQ(third.error().code, errc::rate_limited);
  EXPECT_EQ(third.error().where, "tenants.max_queued_runs");
  EXPECT_EQ(find(start("ben", 20)).state, run_state::running);
  answer_everything();
  answer_everything();
  EXPECT_EQ(find(second).state, run_state::completed);
}

TEST_F(fairness, ARunOfHigherPriorityPausesALowerOneOfItsTenant) {
  start_farm(one_place());
  const auto low = start("ann", 30, -5);
  const auto high = start("ann", 3, 5);
  advance(1s);
  EXPECT_EQ(find(low).state, run_state::paused);
  EXPECT_TRUE(find(low).yielded);
  EXPECT_EQ(find(high).state, run_state::running);
  answer_everything();
  answer_everything();
  EXPECT_EQ(find(high).state, run_state::completed);
  EXPECT_EQ(find(low).state, run_state::completed);
  EXPECT_FALSE(find(low).yielded);
  EXPECT_EQ(scored(low), 30u);
}

TEST_F(fairness, OnlyWhereItIsConfigured) {
  auto with = one_place();
  with.runs.preempt = false;
  start_farm(with);
  const auto low = start("ann", 30, -5);
  const auto high = start("ann", 3, 5);
  advance(1s);
  EXPECT_EQ(find(low).state, run_state::running);
  EXPECT_EQ(find(high).state, run_state::queued);
}

TEST_F(fairness, NobodyPausesTheRunsOfOthers) {
  start_farm(one_place());
  const auto anns = start("ann", 30, -5);
  start("ben", 30, 5);
  start("ben", 3, 100);
  advance(1s);
  EXPECT_EQ(find(anns).state, run_state::running);
}

TEST_F(fairness, WhatHasYieldedGoesOnAfterACrash) {
  start_farm(one_place());
  const auto low = start("ann", 30, -5);
  const auto high = start("ann", 3, 5);
  advance(1s);
  ASSERT_TRUE(find(low).yielded);
  crash_farm();
  start_farm(one_place());
  answer_everything();
  answer_everything();
  EXPECT_EQ(find(high).state, run_state::completed);
  EXPECT_EQ(find(low).state, run_state::completed);
}

TEST_F(fairness, WhoPausesARunThatHasYieldedKeepsItPaused) {
  start_farm(one_place());
  const auto low = start("ann", 30, -5);
  const auto high = start("ann", 3, 5);
  advance(1s);
  ASSERT_TRUE(verb(low, run_verb::pause));
  answer_everything();
  answer_everything();
  EXPECT_EQ(find(high).state, run_state::completed);
  EXPECT_EQ(find(low).state, run_state::paused);
  EXPECT_FALSE(find(low).yielded);
}

} // namespace
} // namespace assay
