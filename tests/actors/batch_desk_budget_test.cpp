#include "actors/supervision/budget_keeper.hpp"
#include "tests/actors/batch_desk_world.hpp"
#include "tests/support/amounts.hpp"

#include <gmock/gmock.h>

namespace assay {
namespace {

using test::dollars;

using namespace test;
using control::budget_account;
using testing::HasSubstr;

/// A batch desk, and the keeper of the budgets before it. A token of an answer costs a dollar, half of it in
/// a batch, and prompts cost nothing: a call of the test may cost 8 dollars.
class batch_desk_budget_test : public batch_desk_world {
protected:
  std::optional<money> per_day = dollars(100);
  std::optional<money> per_request;
  model_budgets of_model;
  std::optional<token_prices> prices = token_prices{0, 1e6, {}};
  std::shared_ptr<std::map<run_id, money>> stored = std::make_shared<std::map<run_id, money>>();

  void start_keeper() {
    budget_keeper_config config;
    config.per_day = per_day;
    config.per_request = per_request;
    config.find_model = [limits = of_model](const model_id&) { return limits; };
    config.journal = journal;
    config.workers = jobs;
    config.recall = [store = store]() -> result<std::map<std::string, std::string>> {
      std::map<std::string, std::string> found;
      for (const auto& [key, text] : store->committed)
        if (key.find('|') != std::string::npos)
          found.emplace(key, text);
      return found;
    };
    config.journaled_cost = [stored = stored](run_id run) -> result<money> { return (*stored)[run]; };
    config.wall = [today = today] { return *today; };
    budgets = spawn(budget_keeper, config);
    settle();
  }

  void open_run(run_id run = run_a, std::optional<money> max_cost = {}) {
    if (!budgets)
      start_keeper();
    if (!desk)
      start();
    auto where = lane_of(run);
    where.prices = prices;
    where.max_cost = max_cost;
    where.tenant = user_id{"ann"};
    tell(desk, open_lane{where, evaluation});
    settle();
  }

  void ask_calls(uint64_t first, uint64_t last, run_id run = run_a) {
    for (auto id = first; id <= last; ++id)
      ask_call(id, "question " + std::to_string(id), run);
  }

  /// Calls that wait become a batch whose intent is durable, when there is money.
  void gather() {
    pass(6s);
    commit();
  }

  std::string row_of(uint32_t row, int tokens) {
    return R"({"id":"r","custom_id":")" + name_of(row)
           + R"(","response":{"status_code":200,"request_id":"q","body":{"id":"c","object":"chat.completion","model":"m-1",)"
           + R"("choices":[{"index":0,"message":{"role":"assistant","content":"x"},"finish_reason":"stop"}],)"
           + R"("usage":{"prompt_tokens":10,"completion_tokens":)" + std::to_string(tokens)
           + R"(,"total_tokens":)" + std::to_string(10 + tokens) + R"(}}},"error":null})" + "\n";
  }

  void finish(const std::string& rows) {
    end_batch(R"(,"output_file_id":"file-out")");
    reply(asked(), 200, rows);
    commit();
  }

  /// @returns the one that is not over; there is at most one in these tests.
  batch_desk_state::chunk* open_batch() {
    for (auto& [id, which] : state().chunks)
      if (which.now != batch_desk_state::phase::holding)
        return &which;
    return nullptr;
  }

  void fall_of_the_desk() {
    kill(desk);
    desk = batch_desk_actor{};
    provider->waiting.clear();
    provider->targets.clear();
  }

  void fall_of_the_keeper() {
    kill(budgets);
    budgets = budget_keeper_actor{};
    fall_of_the_desk();
  }

  budget_account day() {
    return state_of<budget_keeper_state>(budgets).ledger.find(
        {control::budget_scope::day, {}, control::utc_day(*today)});
  }
};

TEST_F(batch_desk_budget_test, NothingIsMadeBeforeItsMoneyIsDurable) {
  open_run();
  ask_calls(1, 2);
  pass(6s);
  EXPECT_TRUE(provider->targets.empty());
  ASSERT_EQ(state_of<held_commits>(journal).waiting.size(), 1u) << "the lease, and not the intent";
  EXPECT_EQ(day().leased, dollars(16));
  commit();
  ASSERT_EQ(provider->targets.size(), 1u);
  EXPECT_EQ(provider->targets[0], "/files");
}

TEST_F(batch_desk_budget_test, IsSettledByWhatItsRowsHaveCost) {
  open_run();
  ask_calls(1, 2);
  gather();
  make_batch();
  EXPECT_EQ(day(), (budget_account{money{}, dollars(16)}));
  finish(row_of(0, 4) + row_of(1, 10));
  EXPECT_EQ(day(), (budget_account{dollars(7), money{}}));
  EXPECT_EQ(outcomes().at(1).cost, dollars(2));
  pass(62s);
  EXPECT_EQ(day(), (budget_account{dollars(7), money{}})) << "the end of its row is no second end";
}

TEST_F(batch_desk_budget_test, ARowWithoutAnAnswerCostsNothing) {
  open_run();
  ask_calls(1, 2);
  gather();
  make_batch();
  tell(desk, lane_credit{run_a, 10});
  finish(row_of(0, 4));
  EXPECT_EQ(day(), (budget_account{dollars(2), money{}}));
  EXPECT_EQ(at_router().calls.size(), 1u);
}

TEST_F(batch_desk_budget_test, IsCutToWhatTheBudgetHolds) {
  per_day = dollars(20);
  open_run();
  ask_calls(1, 5);
  gather();
  ASSERT_NE(open_batch(), nullptr);
  EXPECT_EQ(open_batch()->rows.size(), 2u);
  make_batch();
  pass(10s);
  commit();
  EXPECT_THAT(at_asker().credits.back().why, HasSubstr("budget"));
  provider->waiting.clear();
  EXPECT_TRUE(outcomes().empty()) << "money may come back";
  EXPECT_EQ(day().leased, dollars(20));
}

TEST_F(batch_desk_budget_test, WhatComesBackPaysForTheNextBatch) {
  per_day = dollars(20);
  open_run();
  ask_calls(1, 3);
  gather();
  make_batch();
  finish(row_of(0, 2) + row_of(1, 4));
  ASSERT_EQ(outcomes().size(), 2u);
  gather();
  ASSERT_NE(open_batch(), nullptr);
  EXPECT_EQ(open_batch()->rows.size(), 1u);
  EXPECT_EQ(day(), (budget_account{dollars(3), dollars(8)}));
  EXPECT_TRUE(at_asker().credits.back().why.empty());
}

TEST_F(batch_desk_budget_test, SaysSoWhenNothingFits) {
  open_run(run_a, dollars(5));
  ask_calls(1, 2);
  gather();
  const auto got = outcomes();
  ASSERT_EQ(got.size(), 2u);
  ASSERT_TRUE(got.at(1).error);
  EXPECT_EQ(got.at(1).error->code, errc::budget_exhausted);
  EXPECT_EQ(got.at(1).error->where, "max_cost");
  EXPECT_FALSE(got.at(1).possibly_billed);
  EXPECT_TRUE(provider->targets.empty());
  EXPECT_TRUE(state().chunks.empty());
}

TEST_F(batch_desk_budget_test, RunsTogetherSpendNoMoreThanTheDay) {
  per_day = dollars(30);
  std::vector<run_id> runs;
  for (uint32_t i = 1; i <= 6; ++i)
    runs.emplace_back(1'700'000'000U, i);
  uint64_t id = 0;
  for (const auto run : runs) {
    open_run(run);
    for (int i = 0; i < 3; ++i)
      ask_call(++id, "question", run);
  }
  pass(6s);
  commit();
  EXPECT_LE(day().spent + day().leased, dollars(30));
  EXPECT_GE(day().leased, dollars(24));
  size_t rows = 0;
  for (const auto& [name, which] : state().chunks)
    if (which.now != batch_desk_state::phase::paying)
      rows += which.rows.size();
  EXPECT_EQ(rows, 3u) << "of eighteen calls, three may cost what there is";
}

TEST_F(batch_desk_budget_test, ADeskThatFallsLeavesTheMoneyToItsBatch) {
  open_run();
  ask_calls(1, 2);
  gather();
  make_batch();
  const auto rows = row_of(0, 4) + row_of(1, 10);
  fall_of_the_desk();
  pass(10s);
  EXPECT_EQ(day(), (budget_account{money{}, dollars(16)})) << "nobody else may have it";
  open_run();
  pass(10s);
  commit();
  EXPECT_EQ(day(), (budget_account{money{}, dollars(16)}));
  ask_calls(1, 2);
  reply(asked(), 200, openai_batch("completed", R"(,"output_file_id":"file-out")"));
  pass(1500ms);
  reply(asked(), 200, rows);
  commit();
  EXPECT_EQ(outcomes().size(), 2u);
  EXPECT_EQ(day(), (budget_account{dollars(7), money{}}));
}

TEST_F(batch_desk_budget_test, ABatchIsPaidOnceWhateverFalls) {
  open_run();
  ask_calls(1, 2);
  gather();
  make_batch();
  const auto rows = row_of(0, 4) + row_of(1, 10);
  for (int round = 0; round < 3; ++round) {
    fall_of_the_keeper();
    open_run();
    ask_calls(1, 2);
    commit();
    pass(1500ms);
    EXPECT_EQ(day(), (budget_account{round == 0 ? money{} : dollars(7), round == 0 ? dollars(16) : money{}}))
        << round;
    reply(asked(), 200, openai_batch("completed", R"(,"output_file_id":"file-out")"));
    pass(1500ms);
    reply(asked(), 200, rows);
    commit();
    EXPECT_EQ(day(), (budget_account{dollars(7), money{}})) << round;
  }
}

TEST_F(batch_desk_budget_test, MoneyForABatchThatWasNeverIntendedComesBack) {
  open_run();
  ask_calls(1, 2);
  advance(6s, 500ms);
  // Its lease is durable and granted, and no worker has written its calls down yet.
  auto& waiting = state_of<held_commits>(journal).waiting;
  ASSERT_EQ(waiting.size(), 1u);
  store->apply(waiting.front().batch);
  caf::anon_send(waiting.front().owner, committed{waiting.front().batch.watermark, 0, std::nullopt});
  waiting.pop_front();
  run();
  EXPECT_EQ(day().leased, dollars(16));
  jobs->jobs.clear();
  fall_of_the_desk();
  open_run();
  commit();
  EXPECT_EQ(day(), budget_account{});
}

TEST_F(batch_desk_budget_test, ABatchThatTheProviderRefusesCostsNothing) {
  open_run();
  ask_calls(1, 2);
  gather();
  tell(desk, lane_credit{run_a, 10});
  reply(asked(), 404, R"({"error":{"message":"no such route"}})");
  commit();
  EXPECT_EQ(at_router().calls.size(), 2u);
  EXPECT_EQ(day(), budget_account{});
}

TEST_F(batch_desk_budget_test, ACancelledBatchThatIsNotReadCountsAsAllThatItMayCost) {
  open_run();
  ask_calls(1, 2);
  gather();
  make_batch();
  tell(desk, withdraw_calls{run_a, 3s});
  pass(1500ms);
  reply(asked(), 200, openai_batch("cancelling"));
  pass(4s);
  commit();
  EXPECT_EQ(day(), (budget_account{dollars(16), money{}}));
}

TEST_F(batch_desk_budget_test, CallsTakenBackBeforeTheMoneyCameLeaveIt) {
  open_run();
  ask_calls(1, 2);
  pass(6s);
  tell(desk, withdraw_calls{run_a, 0s});
  settle();
  EXPECT_EQ(outcomes().size(), 2u);
  commit();
  EXPECT_TRUE(provider->targets.empty());
  EXPECT_EQ(day(), budget_account{});
}

TEST_F(batch_desk_budget_test, ACallThatAloneIsTooExpensiveFailsAndTheOthersGo) {
  per_request = dollars(9);
  open_run();
  ask_calls(1, 2);
  call_batch batch{lane_of(run_a), {}, evaluation};
  auto& request = batch.calls.emplace_back();
  request.id = call_id{3};
  request.messages.push_back({chat_role::user, shared_text{"long"}});
  request.parameters.max_tokens = 20;
  tell(desk, std::move(batch));
  gather();
  const auto got = outcomes();
  ASSERT_EQ(got.size(), 1u);
  EXPECT_EQ(got.at(3).error->code, errc::request_over_budget);
  ASSERT_NE(open_batch(), nullptr);
  EXPECT_EQ(open_batch()->rows.size(), 2u);
  EXPECT_EQ(day().leased, dollars(16)) << "no money is held for the call that does not go";
}

TEST_F(batch_desk_budget_test, ACallWithoutAPriceIsRefused) {
  prices.reset();
  open_run();
  ask_calls(1, 1);
  gather();
  ASSERT_EQ(outcomes().size(), 1u);
  EXPECT_EQ(outcomes().at(1).error->code, errc::budget_exhausted);
  EXPECT_EQ(outcomes().at(1).error->where, "models.m.prices");
}

TEST_F(batch_desk_budget_test, WithoutBudgetsBatchesGoAtOnce) {
  per_day.reset();
  prices.reset();
  open_run();
  ask_calls(1, 2);
  gather();
  ASSERT_EQ(provider->targets.size(), 1u);
  EXPECT_EQ(state().lanes.at(run_a).unlimited, true);
}

TEST_F(batch_desk_budget_test, TheBudgetOfAModelCountsItsBatches) {
  per_day.reset();
  of_model.per_month = dollars(10);
  open_run();
  ask_calls(1, 2);
  gather();
  ASSERT_NE(open_batch(), nullptr);
  EXPECT_EQ(open_batch()->rows.size(), 1u);
  make_batch();
  finish(row_of(0, 16));
  gather();
  EXPECT_EQ(outcomes().at(2).error->code, errc::budget_exhausted)
      << "two dollars are left, and it may cost 8";
}

TEST_F(batch_desk_budget_test, EndsWhenTheKeeperEnds) {
  open_run();
  kill(budgets);
  EXPECT_FALSE(ask<gauges>(desk, read_gauges{})) << "it is started again with the new keeper";
}

} // namespace
} // namespace assay
