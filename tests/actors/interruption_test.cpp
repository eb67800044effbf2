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
  EXPECT_EQ(find(id).lost_calls, 8u) << "more were allowed out, but only eight samples are left";
  EXPECT_EQ(find(id).progress.possibly_billed, 8u);
  answer_everything();
  const auto& last = store->runs.at(id);
  EXPECT_EQ(last.state, run_state::completed);
  EXPECT_EQ(last.lost_calls, 8u) << "a run that went on without another fall counts them once";
  EXPECT_EQ(last.progress.possibly_billed, 8u);
  EXPECT_EQ(last.open_calls_at_most, 0u);
}

TEST_F(interruption, ABoundOnARunsCallsBoundsWhatACrashCanLose) {
  rules.num_concurrent = 3;
  start_farm();
  const auto id = submit(10);
  crash_farm();
  start_farm();
  EXPECT_EQ(find(id).lost_calls, 4u) << "three, rounded up to spare writes";
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
  EXPECT_EQ(find(id).lost_calls, 6u);
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
