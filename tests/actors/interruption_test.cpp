#include "tests/actors/farm_world.hpp"

namespace assay {
namespace {

using test::fake_wire;
using test::farm_world;
using namespace std::chrono_literals;

/// What a run knows of its own interruption: how far it is, and which calls may have been paid for in vain.
class interruption : public farm_world {
protected:
  void answer_always() {
    wire.respond = [](const http_request&) { return std::optional{fake_wire::answer(0, "right")}; };
  }
};

TEST_F(interruption, ACrashCountsTheCallsThatWereOutAsPossiblyBilled) {
  cap = 3;
  start_farm();
  const auto id = submit(10);
  wire.answer_next("right");
  run();
  wire.answer_next("right");
  run();
  crash_farm();
  EXPECT_GE(store->runs.at(id).open_calls_at_most, 3u);
  start_farm();
  EXPECT_EQ(find(id).lost_calls, 4u) << "three on the wire, and an answer that waited for its commit";
  EXPECT_EQ(find(id).progress.possibly_billed, 4u);
  EXPECT_EQ(possibly_billed_at_most(find(id)), 8u)
      << "more were allowed out, but only eight samples are left";
  answer_everything();
  const auto& last = store->runs.at(id);
  EXPECT_EQ(last.state, run_state::completed);
  EXPECT_EQ(last.lost_calls, 4u) << "a run that went on without another fall counts them once";
  EXPECT_EQ(last.progress.possibly_billed, 4u);
  EXPECT_EQ(possibly_billed_at_most(last), 8u);
  EXPECT_EQ(last.open_calls_at_most, 0u);
  EXPECT_EQ(last.sent_calls_at_most, 0u);
}

TEST_F(interruption, WhatACrashMayHaveCostIsWhatTheWindowLetOutAndNotWhatWaited) {
  cap = 20;
  start_farm();
  const auto id = submit(500);
  for (int i = 0; i < 10; ++i) {
    wire.answer_next("right");
    run();
  }
  ASSERT_EQ(wire.requests.size(), 20u);
  ASSERT_GE(store->runs.at(id).open_calls_at_most, 64u) << "the bound that holds whatever happens";
  crash_farm();
  const auto counted_by_budgets = lost_tries(id);
  start_farm();
  const auto found = find(id);
  EXPECT_GE(found.progress.possibly_billed, 20u);
  EXPECT_LE(found.progress.possibly_billed, 25u) << "some for answers that wait for their commit";
  EXPECT_GE(possibly_billed_at_most(found), 64u);
  EXPECT_EQ(possibly_billed_at_most(found), counted_by_budgets);
}

TEST_F(interruption, TheTimeOfARunLeavesOutWhatLiesBetweenItsParts) {
  cap = 3;
  start_farm();
  const auto id = submit(10);
  wall += 65s;
  const auto killed_at = wall;
  advance(65s, 500ms);
  crash_farm();
  EXPECT_GE(store->runs.at(id).active_for.value_or(0ms), 60s) << "a kill loses half a minute at most";
  wall += 3'600s;
  advance(3'600s, 60s);
  start_farm();
  answer_everything();
  const auto& last = store->runs.at(id);
  ASSERT_EQ(last.state, run_state::completed);
  EXPECT_GE(last.active_for.value_or(0ms), 60s);
  EXPECT_LE(last.active_for.value_or(0ms), 70s);
  ASSERT_EQ(last.rests.size(), 1u) << "what the times of tasks leave out";
  EXPECT_EQ(last.rests[0].from, killed_at);
  EXPECT_EQ(last.rests[0].to, wall);
}

TEST_F(interruption, TheTimeOfARunThatIsRetriedLeavesOutTheTimeBefore) {
  wire.respond = [](const http_request&) { return std::optional{fake_wire::failure(0, 400)}; };
  start_farm();
  const auto id = submit(3);
  advance(2s, 100ms);
  ASSERT_EQ(find(id).state, run_state::failed);
  advance(3'600s, 60s);
  answer_always();
  ASSERT_TRUE(verb(id, run_verb::retry).has_value());
  advance(5s, 100ms);
  ASSERT_EQ(find(id).state, run_state::completed);
  EXPECT_LE(execution_time_of(store->runs.at(id)).value_or(1h), 10s);
}

TEST_F(interruption, ABoundOnARunsCallsBoundsWhatACrashCanLose) {
  rules.num_concurrent = 3;
  start_farm();
  const auto id = submit(10);
  crash_farm();
  start_farm();
  EXPECT_EQ(find(id).lost_calls, 3u);
  EXPECT_EQ(find(id).maybe_lost_calls, 1u) << "rounded up to spare writes";
}

TEST_F(interruption, AnEvaluationThatFallsKeepsItsCountersInSightAndBooksItsCalls) {
  cap = 3;
  start_farm();
  const auto id = submit(10);
  for (int i = 0; i < 4; ++i) {
    wire.answer_next("right");
    run();
  }
  advance(600ms);
  ASSERT_EQ(find(id).progress.done, 4u);
  kill(the_evaluation(id));
  ASSERT_FALSE(the_evaluation(id));
  EXPECT_EQ(find(id).progress.done, 4u) << "also until the next one has counted";
  advance(1s);
  ASSERT_TRUE(the_evaluation(id));
  EXPECT_EQ(find(id).progress.done, 4u);
  EXPECT_EQ(find(id).lost_calls, 4u);
  EXPECT_EQ(find(id).maybe_lost_calls, 2u);
}

TEST_F(interruption, AnOrderlyStopLeavesTheCountersAndBooksWhatItGaveUp) {
  cap = 3;
  start_farm();
  const auto id = submit(10);
  wire.answer_next("right");
  run();
  wire.answer_next("right");
  run();
  ASSERT_EQ(wire.requests.size(), 3u);
  tell(root, stop_farm{30s});
  advance(20s, 100ms);
  wire.answer_next("right");
  advance(12s, 20ms);
  const auto& last = store->runs.at(id);
  EXPECT_EQ(last.state, run_state::running) << "it goes on at the next start";
  EXPECT_EQ(last.progress.done, 3u);
  EXPECT_EQ(last.open_calls_at_most, 0u);
  EXPECT_EQ(last.lost_calls, 2u) << "given up after the grace";
  answer_always();
  start_farm();
  advance(5s);
  EXPECT_EQ(find(id).state, run_state::completed);
  EXPECT_EQ(find(id).progress.possibly_billed, 2u);
}

TEST_F(interruption, APausedRunThatRestsLosesNothingInACrash) {
  cap = 3;
  start_farm();
  const auto id = submit(10);
  ASSERT_TRUE(verb(id, run_verb::pause).has_value());
  while (wire.answer_next("right"))
    run();
  crash_farm();
  start_farm();
  EXPECT_EQ(find(id).state, run_state::paused);
  EXPECT_EQ(find(id).lost_calls, 0u);
  answer_always();
  ASSERT_TRUE(verb(id, run_verb::resume).has_value());
  advance(5s);
  EXPECT_EQ(find(id).state, run_state::completed);
  EXPECT_EQ(find(id).progress.possibly_billed, 0u);
}

} // namespace
} // namespace assay
