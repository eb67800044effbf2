#include "tests/actors/response_cache_world.hpp"

namespace assay {
namespace {

using namespace test;

class response_cache_rows_test : public response_cache_world {};

TEST_F(response_cache_rows_test, OnlyWholeAnswersAreKept) {
  open(run_a);
  ask_call(run_a, 1, "withheld");
  ask_call(run_a, 2, "tools");
  ask_call(run_a, 3, "failed");
  auto withheld = answered(1, "");
  withheld.finish = finish_reason::content_filter;
  auto tools = answered(2, "");
  tools.finish = finish_reason::tool_calls;
  tell(cache, call_outcome_batch{run_a, {withheld, tools}});
  fail(run_a, 3);
  commit();
  EXPECT_EQ(stored_answers(), 0u);
  ask_call(run_a, 4, "withheld");
  EXPECT_EQ(at_router().calls.size(), 4u);
}

TEST_F(response_cache_rows_test, ARunThatRewritesAsksAgainAndReplaces) {
  open(run_a);
  ask_call(run_a, 1, "2+2?");
  answer(run_a, 1, "old");
  commit();
  pass(10s);
  open(run_b, cache_use::rewrite);
  ask_call(run_b, 2, "2+2?");
  ASSERT_EQ(at_router().calls.size(), 2u);
  answer(run_b, 2, "new");
  EXPECT_FALSE(at(run_b).outcomes[0].cached);
  commit();
  EXPECT_EQ(stored_answers(), 1u) << "the old place in the order is gone";
  ask_call(run_a, 3, "2+2?");
  EXPECT_EQ(at(run_a).outcomes.back().answer.view(), "new");
  EXPECT_EQ(state().answers, 1u);
  EXPECT_EQ(state().bytes, reader().count().bytes);
}

TEST_F(response_cache_rows_test, ARunThatRemovesAsksAgainAndLeavesNothing) {
  open(run_a);
  ask_call(run_a, 1, "2+2?");
  answer(run_a, 1, "4");
  commit();
  open(run_b, cache_use::remove);
  ask_call(run_b, 2, "2+2?");
  answer(run_b, 2, "4");
  commit();
  EXPECT_TRUE(store->committed.empty());
  EXPECT_EQ(state().bytes, 0u);
  EXPECT_EQ(at_router().calls.size(), 2u);
}

TEST_F(response_cache_rows_test, AnOldAnswerIsAskedForAgain) {
  open(run_a);
  ask_call(run_a, 1, "2+2?");
  answer(run_a, 1, "4");
  commit();
  pass(max_age);
  ask_call(run_a, 2, "2+2?");
  EXPECT_EQ(at_router().calls.size(), 2u);
  answer(run_a, 2, "5");
  commit();
  EXPECT_EQ(stored_answers(), 1u);
}

TEST_F(response_cache_rows_test, OldAnswersGoByThemselves) {
  open(run_a);
  for (uint64_t i = 1; i <= 10; ++i) {
    ask_call(run_a, i, "question " + std::to_string(i));
    answer(run_a, i, "answer");
  }
  commit();
  ASSERT_EQ(stored_answers(), 10u);
  pass(max_age);
  advance(10s, 1s);
  jobs->run();
  run();
  commit();
  EXPECT_EQ(stored_answers(), 0u);
  EXPECT_EQ(state().bytes, 0u);
  EXPECT_LE(state_of<held_commits>(journal).largest, 8u) << "a few rows in each commit";
}

TEST_F(response_cache_rows_test, TheLeastRecentlyUsedGoWhenThereIsTooMuch) {
  max_bytes = 10'000;
  open(run_a);
  for (uint64_t i = 1; i <= 8; ++i) {
    ask_call(run_a, i, "question " + std::to_string(i));
    answer(run_a, i, std::string(900, 'x'));
    commit();
    pass(1s);
  }
  ASSERT_EQ(stored_answers(), 8u);
  pass(3600s);
  ask_call(run_a, 100, "question 1");
  EXPECT_TRUE(at(run_a).outcomes.back().cached);
  commit();
  ask_call(run_a, 101, "question 9");
  answer(run_a, 101, std::string(900, 'x'));
  commit();
  EXPECT_LE(reader().count().bytes, max_bytes);
  EXPECT_EQ(state().bytes, reader().count().bytes);
  ask_call(run_a, 102, "question 1");
  EXPECT_TRUE(at(run_a).outcomes.back().cached) << "used again a moment ago";
  const auto asked = at_router().calls.size();
  ask_call(run_a, 103, "question 2");
  EXPECT_EQ(at_router().calls.size(), asked + 1) << "the longest unused one has gone";
}

TEST_F(response_cache_rows_test, AHitCostsAWriteOnlyOnceInAWhile) {
  open(run_a);
  ask_call(run_a, 1, "2+2?");
  answer(run_a, 1, "4");
  commit();
  for (uint64_t i = 2; i < 20; ++i)
    ask_call(run_a, i, "2+2?");
  EXPECT_TRUE(state_of<held_commits>(journal).waiting.empty());
  pass(3600s);
  ask_call(run_a, 30, "2+2?");
  ask_call(run_a, 31, "2+2?");
  EXPECT_EQ(state_of<held_commits>(journal).waiting.size(), 1u);
}

TEST_F(response_cache_rows_test, AnswersThatComeBeforeItIsCountedAreKeptAfterwards) {
  start();
  tell(cache, open_lane{lane_of(run_a), evaluation_a});
  ask_call(run_a, 1, "2+2?");
  answer(run_a, 1, "4");
  EXPECT_TRUE(state_of<held_commits>(journal).waiting.empty());
  EXPECT_EQ(at(run_a).outcomes.size(), 1u) << "nobody waits for the count";
  jobs->run();
  run();
  commit();
  EXPECT_EQ(stored_answers(), 1u);
  EXPECT_EQ(state().answers, 1u);
  EXPECT_EQ(state().uncommitted_bytes, 0u);
}

TEST_F(response_cache_rows_test, ADamagedRowIsAMiss) {
  open(run_a);
  ask_call(run_a, 1, "2+2?");
  answer(run_a, 1, "4");
  commit();
  for (auto& [key, value] : store->committed)
    if (!storage::parse_cache_order_row(key))
      value = "garbage";
  ask_call(run_a, 2, "2+2?");
  EXPECT_EQ(at_router().calls.size(), 2u);
}

TEST_F(response_cache_rows_test, WithoutAStoreRunsGoOnAndNothingIsKept) {
  open(run_a);
  ask_call(run_a, 1, "2+2?");
  answer(run_a, 1, "4");
  auto& waiting = state_of<held_commits>(journal).waiting;
  ASSERT_EQ(waiting.size(), 1u);
  tell(cache, committed{waiting.front().batch.watermark, 0, fault{errc::store_full, "full", {}, {}}});
  ask_call(run_a, 2, "2+2?");
  EXPECT_EQ(at_router().calls.size(), 2u) << "it was never kept";
  answer(run_a, 2, "4");
  EXPECT_EQ(at(run_a).outcomes.size(), 2u);
  EXPECT_EQ(waiting.size(), 1u) << "nothing more is written";
}

} // namespace
} // namespace assay
