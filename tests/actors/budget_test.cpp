#include "tests/actors/farm_world.hpp"
#include "tests/support/amounts.hpp"

#include <gmock/gmock.h>

#include <algorithm>

namespace assay {
namespace {

using control::budget_key;
using control::budget_scope;
using test::fake_wire;
using test::farm_world;
using testing::HasSubstr;
using namespace std::chrono_literals;
using test::cents;
using test::dollars;

/// A token costs a cent, in and out: an answer of the fake wire costs 12 cents, and a call may cost 22:
/// twelve tokens of the prompt at most, ten of the answer.
constexpr money cost_of_answer = cents(12);

/// Budgets through the whole farm, on simulated time.
class budgets_of_farm : public farm_world {
protected:
  root_supervisor_config base;

  budgets_of_farm() {
    pinned_prices = token_prices{10'000, 10'000, std::nullopt};
    base = config();
    base.router.assumed_answer = 10;
    base.runs.admit = [this](const run_request& request) {
      auto pinned = admit(request);
      if (pinned) {
        pinned->record.spec.prices = pinned_prices;
        pinned->record.spec.max_cost = request.max_cost;
      }
      return pinned;
    };
  }

  /// The window is what the test has set until now.
  void start() {
    base.providers.child.in_flight.cap = cap;
    start_farm(base);
  }

  void answer_at_once() {
    wire.respond = [](const http_request&) { return std::optional{fake_wire::answer(0, "right")}; };
  }

  run_id submit_limited(uint64_t samples, money limit) {
    auto wish = request(samples);
    wish.max_cost = limit;
    return submit(std::move(wish));
  }

  budget_keeper_state& keeper() { return state_of<budget_keeper_state>(handles().budgets); }
  model_router_state& router() { return state_of<model_router_state>(handles().router); }
  control::budget_account account(budget_scope scope, const std::string& name = {}) {
    const auto period = scope == budget_scope::run ? std::string{} : control::utc_day(wall);
    return keeper().ledger.find({scope, name, period});
  }
  /// What the provider has been paid, whatever the farm knows of it: also for calls that were on the wire
  /// when a part of the farm fell.
  money paid() const { return money{cost_of_answer.nanodollars * static_cast<int64_t>(answered + lost)}; }

  size_t answered = 0;
  size_t lost = 0;
  bool answer_one() {
    const bool done = wire.answer_next("right");
    answered += done ? 1 : 0;
    run();
    return done;
  }
};

TEST_F(budgets_of_farm, ARunEndsBeforeItCostsMoreThanItMay) {
  cap = 20;
  answer_at_once();
  start();
  const auto id = submit_limited(200, dollars(3));
  advance(10s);
  const auto record = find(id);
  ASSERT_EQ(record.state, run_state::failed);
  ASSERT_TRUE(record.error.has_value());
  EXPECT_EQ(record.error->code, errc::budget_exhausted);
  EXPECT_EQ(record.error->where, "max_cost");
  EXPECT_THAT(record.error->message, HasSubstr("of $3.00"));
  EXPECT_LE(cost_of(id), dollars(3));
  EXPECT_GE(cost_of(id), dollars(2)) << "most of it was used";
  EXPECT_EQ(scored(id), wire.bodies.size()) << "what was paid for is kept";
  EXPECT_EQ(account(budget_scope::run, to_string(id)), (control::budget_account{cost_of(id), money{}}))
      << "nothing is held any more";
}

TEST_F(budgets_of_farm, ARunGoesOnByRetryWhenItsLimitIsRaised) {
  answer_at_once();
  start();
  const auto id = submit_limited(40, dollars(2));
  advance(10s);
  ASSERT_EQ(find(id).state, run_state::failed);
  const auto before = wire.bodies.size();
  ASSERT_LT(before, 40u);
  ASSERT_TRUE(ask<run_record>(handles().runs, command_run{id, run_verb::retry, dollars(20)}).has_value());
  advance(10s);
  EXPECT_EQ(find(id).state, run_state::completed);
  EXPECT_EQ(find(id).spec.max_cost, dollars(20));
  EXPECT_EQ(scored(id), 40u);
  EXPECT_EQ(wire.bodies.size(), 40u) << "no answer was paid for twice";
}

TEST_F(budgets_of_farm, ARetryWithoutMoreMoneyFailsAgainAtOnceAndSpendsNothing) {
  answer_at_once();
  start();
  const auto id = submit_limited(40, dollars(2));
  advance(10s);
  const auto spent = cost_of(id);
  ASSERT_TRUE(verb(id, run_verb::retry).has_value());
  advance(10s);
  EXPECT_EQ(find(id).state, run_state::failed);
  EXPECT_EQ(find(id).error->code, errc::budget_exhausted);
  EXPECT_LE(cost_of(id), dollars(2));
  EXPECT_LE(cost_of(id) - spent, cents(44));
}

TEST_F(budgets_of_farm, ManyRunsTogetherStayWithinTheDay) {
  cap = 40;
  answer_at_once();
  base.budgets.per_day = dollars(20);
  start();
  std::vector<run_id> runs;
  for (int i = 0; i < 30; ++i)
    runs.push_back(submit(20));
  for (int i = 0; i < 400; ++i) {
    advance(50ms);
    const auto day = account(budget_scope::day);
    ASSERT_LE(day.spent + day.leased, dollars(20));
  }
  money together;
  for (const auto id : runs) {
    together += cost_of(id);
    EXPECT_TRUE(is_final(find(id).state)) << to_string(find(id).state);
  }
  EXPECT_LE(together, dollars(20));
  EXPECT_GE(together, dollars(19)) << "no money is left lying with a run that has ended";
  EXPECT_EQ(account(budget_scope::day), (control::budget_account{together, money{}}));
}

TEST_F(budgets_of_farm, CallsInFlightTogetherStayWithinTheBudget) {
  cap = 100;
  start();
  const auto id = submit_limited(100, dollars(5));
  advance(3s);
  // Each call in flight holds what two tries of it may cost.
  EXPECT_LE(wire.requests.size(), 11u);
  EXPECT_GE(wire.requests.size(), 10u);
  EXPECT_THAT(find(id).waiting_for, HasSubstr("budget"));
  while (answer_one())
    ;
  advance(5s);
  while (answer_one())
    advance(100ms);
  advance(5s);
  EXPECT_EQ(find(id).state, run_state::failed);
  EXPECT_LE(cost_of(id), dollars(5));
  EXPECT_EQ(cost_of(id), paid());
}

TEST_F(budgets_of_farm, HoldOverRestartsOfTheRouterTheKeeperAndTheFarm) {
  cap = 10;
  base.budgets.per_day = dollars(10);
  start();
  std::vector<run_id> runs;
  for (int i = 0; i < 5; ++i)
    runs.push_back(submit(100));
  for (int round = 0; round < 12; ++round) {
    for (int i = 0; i < 6; ++i) {
      answer_one();
      advance(20ms);
    }
    lost += wire.requests.size();
    switch (round % 3) {
    case 0:
      kill(handles().router);
      break;
    case 1:
      kill(handles().budgets);
      break;
    case 2:
      crash_farm();
      start();
      break;
    }
    advance(2s, 50ms);
    ASSERT_LE(paid(), dollars(10)) << round;
    const auto day = account(budget_scope::day);
    ASSERT_LE(day.spent + day.leased, dollars(10)) << round;
    ASSERT_GE(day.spent + day.leased, paid()) << round;
    ASSERT_FALSE(escalation) << round;
    advance(60s, 500ms);
  }
  while (answer_one())
    advance(50ms);
  advance(30s, 100ms);
  EXPECT_LE(paid(), dollars(10));
  EXPECT_GE(paid(), dollars(2)) << "calls that were lost count as their worst case, so not all is left";
  money together;
  for (const auto id : runs)
    together += cost_of(id);
  EXPECT_EQ(together, money{cost_of_answer.nanodollars * static_cast<int64_t>(answered)});
}

TEST_F(budgets_of_farm, ABudgetWithoutPricesEndsTheRunAndSaysWhatIsMissing) {
  pinned_prices.reset();
  answer_at_once();
  start();
  const auto id = submit_limited(5, dollars(1));
  advance(3s);
  EXPECT_EQ(find(id).state, run_state::failed);
  EXPECT_EQ(find(id).error->where, "models.test-model.prices");
  EXPECT_TRUE(wire.bodies.empty());
}

TEST_F(budgets_of_farm, WithoutBudgetsPricesNeedNotBeKnown) {
  pinned_prices.reset();
  answer_at_once();
  start();
  const auto id = submit(5);
  advance(3s);
  EXPECT_EQ(find(id).state, run_state::completed);
  EXPECT_TRUE(std::ranges::none_of(store->documents,
                                   [](const auto& row) { return row.first.starts_with("budgets/"); }));
}

TEST_F(budgets_of_farm, ACallThatAloneIsTooExpensiveFailsItsSampleOnly) {
  answer_at_once();
  base.budgets.per_request = cents(21);
  start();
  const auto id = submit(5);
  advance(3s);
  EXPECT_EQ(find(id).state, run_state::failed) << "every sample of it has failed";
  EXPECT_EQ(find(id).error->code, errc::request_over_budget);
  EXPECT_EQ(find(id).error->where, "budgets.per_request");
  EXPECT_TRUE(wire.bodies.empty());
}

TEST_F(budgets_of_farm, ATryThatMayHaveBeenBilledCountsAsItsWorstCase) {
  int number = 0;
  wire.respond = [&](const http_request&) {
    return std::optional{++number == 1 ? fake_wire::broken(0, errc::truncated_answer, true)
                                       : fake_wire::answer(0, "right")};
  };
  start();
  const auto id = submit_limited(1, dollars(1));
  advance(10s);
  ASSERT_EQ(find(id).state, run_state::completed);
  EXPECT_EQ(wire.bodies.size(), 2u);
  EXPECT_EQ(account(budget_scope::run, to_string(id)).spent, cents(22) + cost_of_answer);
}

TEST_F(budgets_of_farm, ACancelledRunGivesBackWhatItHeld) {
  cap = 5;
  base.budgets.per_day = dollars(10);
  start();
  const auto id = submit(50);
  advance(1s);
  ASSERT_GT(account(budget_scope::day).leased, money{});
  ASSERT_TRUE(verb(id, run_verb::cancel).has_value());
  advance(60s, 100ms);
  EXPECT_EQ(account(budget_scope::day).leased, money{});
  EXPECT_LE(account(budget_scope::day).spent, cents(5 * 22)) << "calls on the wire may have been billed";
}

TEST_F(budgets_of_farm, ARunWithoutALimitDoesNotStarveForAnother) {
  cap = 2;
  base.budgets.per_day = dollars(2);
  start();
  const auto first = submit(100);
  advance(1s);
  const auto second = submit(1);
  advance(1s);
  for (int i = 0; i < 30; ++i) {
    answer_one();
    advance(100ms);
  }
  EXPECT_EQ(scored(second), 1u);
  EXPECT_LE(cost_of(first) + cost_of(second), dollars(2));
}

TEST_F(budgets_of_farm, AnAlertTellsOfABudgetThatIsNearlySpent) {
  answer_at_once();
  base.budgets.per_day = dollars(10);
  base.monitor.wall = [this] { return wall; };
  start();
  const auto id = submit(70);
  const auto pass_a_minute = [&] {
    for (int i = 0; i < 16; ++i) {
      wall += 5s;
      advance(5s, 100ms);
    }
  };
  pass_a_minute();
  ASSERT_EQ(find(id).state, run_state::completed);
  auto seen = ask<monitoring::monitor_view>(handles().monitor, read_monitor{});
  ASSERT_TRUE(seen.has_value());
  const auto is_of_day = [](const monitoring::alert& one) {
    return one.kind == monitoring::alert_kind::budget && one.budget == "day";
  };
  auto found = std::ranges::find_if(seen->alerts, is_of_day);
  ASSERT_NE(found, seen->alerts.end());
  EXPECT_EQ(found->state, monitoring::alert_state::open);
  EXPECT_DOUBLE_EQ(found->threshold, 8.0);
  wall += 24h;
  pass_a_minute();
  seen = ask<monitoring::monitor_view>(handles().monitor, read_monitor{});
  ASSERT_TRUE(seen.has_value());
  found = std::ranges::find_if(seen->alerts, is_of_day);
  ASSERT_NE(found, seen->alerts.end());
  EXPECT_EQ(found->state, monitoring::alert_state::resolved) << "the new day has a new budget";
}

TEST_F(budgets_of_farm, ANewDayLetsARunGoOn) {
  answer_at_once();
  base.budgets.per_day = dollars(2);
  start();
  const auto id = submit(20);
  advance(5s);
  ASSERT_EQ(find(id).state, run_state::failed);
  EXPECT_EQ(find(id).error->where, "budgets.per_day");
  wall += 24h;
  ASSERT_TRUE(verb(id, run_verb::retry).has_value());
  advance(5s);
  EXPECT_EQ(find(id).state, run_state::completed);
  EXPECT_EQ(scored(id), 20u);
}

TEST_F(budgets_of_farm, ARunGoesOnWithItsOtherModelWhenTheBudgetOfOneIsSpent) {
  cap = 20;
  answer_at_once();
  auto second = base.providers.providers.front();
  second.id = provider_id{"standby"};
  base.providers.providers.push_back(second);
  base.budgets.find_model = [](const model_id& id) {
    model_budgets own;
    if (id == test::the_model)
      own.per_day = dollars(3);
    return own;
  };
  base.runs.admit = [this](const run_request& request) {
    auto pinned = admit(request);
    if (pinned)
      pinned->record.spec.route.models = {
          {test::the_model, test::the_provider, "m", *pinned_prices, 1, {}},
          {model_id{"second"}, provider_id{"standby"}, "n", *pinned_prices, 1, {}}};
    return pinned;
  };
  start();
  const auto id = submit(100);
  advance(10s);
  EXPECT_EQ(find(id).state, run_state::completed);
  EXPECT_EQ(scored(id), 100u);
  EXPECT_EQ(wire.bodies.size(), 100u) << "none is asked twice";
  std::map<std::string, int64_t> served;
  bool some_say_why = false;
  for (const auto& [address, response] : store->responses[id]) {
    ++served[response.served_by];
    some_say_why = some_say_why || std::ranges::any_of(response.failures, [](const attempt_record& one) {
                     return one.error == errc::budget_exhausted && one.target == "test-provider/test-model";
                   });
  }
  const auto by_first = served["test-provider/test-model"];
  EXPECT_GT(by_first, 15) << "most of its money was used";
  EXPECT_EQ(by_first + served["standby/second"], 100);
  EXPECT_TRUE(some_say_why);
  const money first_cost{cost_of_answer.nanodollars * by_first};
  EXPECT_LE(first_cost, dollars(3));
  EXPECT_EQ(account(budget_scope::model_day, "test-model"), (control::budget_account{first_cost, money{}}));
}

} // namespace
} // namespace assay
