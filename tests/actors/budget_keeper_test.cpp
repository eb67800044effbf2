#include "actors/supervision/budget_keeper.hpp"
#include "tests/support/actor_fixture.hpp"
#include "tests/support/amounts.hpp"

#include <caf/others.hpp>

#include <deque>
#include <map>

namespace assay {
namespace {

using namespace std::chrono_literals;
using control::budget_key;
using control::budget_scope;
using test::dollars;

const run_id run_a{1'700'000'000U, 1U};
const run_id run_b{1'700'000'000U, 2U};

/// Stands for the router.
struct holder_state {
  std::vector<lease_granted> granted;
  std::vector<lease_refused> refused;
  std::vector<lease_recalled> recalled;
};

lease_holder_actor::behavior_type holder_of_leases(lease_holder_actor::stateful_pointer<holder_state> self) {
  return {
      [self](const lease_granted& news) { self->state.granted.push_back(news); },
      [self](const lease_refused& news) { self->state.refused.push_back(news); },
      [self](const lease_recalled& news) { self->state.recalled.push_back(news); },
  };
}

struct keepers_journal_state {
  std::deque<append> waiting;
  size_t flushes = 0;
};

journal_actor::behavior_type keepers_journal(journal_actor::stateful_pointer<keepers_journal_state> self) {
  return {
      [self](const append& message) { self->state.waiting.push_back(message); },
      [](const append_and_wait&) { return committed{}; },
      [self](const flush_journal&) {
        ++self->state.flushes;
        return committed{};
      },
      [](const read_gauges&) { return gauges{}; },
      [](const writer_reported&) {},
      [](const tick&) {},
  };
}

class instant_jobs : public executor {
public:
  bool submit(std::function<void()> job) override {
    if (!busy)
      job();
    return !busy;
  }
  bool busy = false;
};

class budget_keeper_test : public test::actor_test {
protected:
  std::shared_ptr<std::map<std::string, std::string>> rows =
      std::make_shared<std::map<std::string, std::string>>();
  std::shared_ptr<std::map<run_id, money>> costs = std::make_shared<std::map<run_id, money>>();
  std::shared_ptr<std::vector<budget_alert>> alerts = std::make_shared<std::vector<budget_alert>>();
  /// 2024-05-31T12:00:00Z
  std::shared_ptr<wall_time> today = std::make_shared<wall_time>(wall_time{seconds{1'717'156'800}});
  std::shared_ptr<instant_jobs> jobs = std::make_shared<instant_jobs>();
  journal_actor journal = spawn(keepers_journal);
  lease_holder_actor router = spawn(holder_of_leases);
  budget_keeper_config config;
  budget_keeper_actor keeper;

  void start() {
    config.journal = journal;
    config.workers = jobs;
    config.recall = [rows = rows]() -> result<std::map<std::string, std::string>> { return *rows; };
    config.journaled_cost = [costs = costs](run_id run) -> result<money> { return (*costs)[run]; };
    config.on_alert = [alerts = alerts](const budget_alert& alert) { alerts->push_back(alert); };
    config.wall = [today = today] { return *today; };
    keeper = spawn(budget_keeper, config);
    run();
  }

  /// Makes durable what has been appended.
  void commit() {
    auto& waiting = state_of<keepers_journal_state>(journal).waiting;
    while (!waiting.empty()) {
      const auto message = waiting.front();
      waiting.pop_front();
      for (const auto& one : message.batch.documents) {
        EXPECT_EQ(one.table, "budgets");
        if (one.value)
          (*rows)[one.key] = *one.value;
        else
          rows->erase(one.key);
      }
      tell(message.owner, committed{message.batch.watermark, 0, std::nullopt});
    }
  }

  request_lease wish(run_id run, money least, money wanted, std::optional<money> max_cost = std::nullopt) {
    lease_wish out;
    out.run = run;
    out.model = model_id{"m"};
    out.tenant = user_id{"ann"};
    out.max_cost = max_cost;
    out.least = least;
    out.wanted = wanted;
    return {out, router};
  }

  void ask_for(run_id run, int64_t least, int64_t wanted, std::optional<money> max_cost = std::nullopt) {
    tell(keeper, wish(run, dollars(least), dollars(wanted), max_cost));
    commit();
  }

  void settle(run_id run, uint64_t lease, int64_t spent, int64_t returned) {
    tell(keeper, leases_settled{{{run, 0, lease, dollars(spent), dollars(returned)}}});
    commit();
  }

  holder_state& at_router() { return state_of<holder_state>(router); }
  control::budget_account account(const budget_key& key) {
    return state_of<budget_keeper_state>(keeper).ledger.find(key);
  }
  control::budget_account day() { return account({budget_scope::day, {}, control::utc_day(*today)}); }

  /// The process ends without a word, and another one starts.
  void crash() {
    kill(keeper);
    kill(router);
    state_of<keepers_journal_state>(journal).waiting.clear();
    router = spawn(holder_of_leases);
    start();
  }
};

TEST_F(budget_keeper_test, GrantsOnlyWhatIsDurable) {
  config.per_day = dollars(100);
  start();
  tell(keeper, wish(run_a, dollars(1), dollars(10)));
  EXPECT_TRUE(at_router().granted.empty()) << "it might be forgotten";
  commit();
  ASSERT_EQ(at_router().granted.size(), 1u);
  EXPECT_EQ(at_router().granted[0].run, run_a);
  EXPECT_EQ(at_router().granted[0].amount, dollars(10));
  EXPECT_FALSE(at_router().granted[0].unlimited);
}

TEST_F(budget_keeper_test, ALaneWithoutBudgetsHearsSoAtOnce) {
  start();
  tell(keeper, wish(run_a, dollars(1), dollars(10)));
  ASSERT_EQ(at_router().granted.size(), 1u);
  EXPECT_TRUE(at_router().granted[0].unlimited);
  EXPECT_TRUE(state_of<keepers_journal_state>(journal).waiting.empty());
}

TEST_F(budget_keeper_test, BooksInEveryAccountOfTheLane) {
  config.per_run = dollars(50);
  config.per_day = dollars(100);
  config.per_tenant = dollars(70);
  config.find_model = [](const model_id&) { return model_budgets{dollars(3), dollars(80), dollars(900)}; };
  start();
  ask_for(run_a, 1, 10);
  ASSERT_EQ(at_router().granted.size(), 1u);
  EXPECT_EQ(at_router().granted[0].per_request, dollars(3));
  EXPECT_EQ(at_router().granted[0].per_request_setting, "models.m.cost_management.max_cost_per_request");
  settle(run_a, at_router().granted[0].lease, 4, 6);
  const std::string date = "2024-05-31";
  for (const auto& key :
       {budget_key{budget_scope::run, to_string(run_a), {}}, budget_key{budget_scope::day, {}, date},
        budget_key{budget_scope::tenant, "ann", date}, budget_key{budget_scope::model_day, "m", date},
        budget_key{budget_scope::model_month, "m", "2024-05"}})
    EXPECT_EQ(account(key), (control::budget_account{dollars(4), money{}})) << to_string(key);
  EXPECT_TRUE(state_of<budget_keeper_state>(keeper).leases.empty());
}

TEST_F(budget_keeper_test, RefusesWhatIsSpentAndNamesTheBudget) {
  start();
  ask_for(run_a, 3, 3, dollars(5));
  ASSERT_EQ(at_router().granted.size(), 1u);
  settle(run_a, at_router().granted[0].lease, 3, 0);
  ask_for(run_a, 3, 3, dollars(5));
  const auto& reason = at_router().refused.at(0).reason;
  EXPECT_FALSE(at_router().refused[0].of_model);
  EXPECT_EQ(reason.code, errc::budget_exhausted);
  EXPECT_EQ(reason.where, "max_cost");
  EXPECT_NE(reason.message.find("$3.00 of $5.00"), std::string::npos) << reason.message;
}

TEST_F(budget_keeper_test, WaitsForMoneyThatOthersHold) {
  config.per_day = dollars(10);
  start();
  ask_for(run_a, 8, 8);
  ask_for(run_b, 5, 5);
  EXPECT_EQ(at_router().granted.size(), 1u);
  EXPECT_TRUE(at_router().refused.empty());
  ASSERT_EQ(at_router().recalled.size(), 1u);
  EXPECT_EQ(at_router().recalled[0].run, run_a);
  settle(run_a, at_router().granted[0].lease, 1, 7);
  ASSERT_EQ(at_router().granted.size(), 2u);
  EXPECT_EQ(at_router().granted[1].run, run_b);
  EXPECT_LE(day().spent + day().leased, dollars(10));
}

TEST_F(budget_keeper_test, DoesNotWaitForEver) {
  config.find_model = [](const model_id&) { return model_budgets{std::nullopt, dollars(10), std::nullopt}; };
  config.patience = 60s;
  start();
  ask_for(run_a, 8, 8);
  ask_for(run_b, 5, 5);
  advance(59s, 1s);
  EXPECT_TRUE(at_router().refused.empty());
  advance(3s, 1s);
  ASSERT_EQ(at_router().refused.size(), 1u);
  EXPECT_EQ(at_router().refused[0].run, run_b);
  EXPECT_TRUE(at_router().refused[0].of_model);
}

TEST_F(budget_keeper_test, AfterACrashWhatWasGrantedCountsAsSpentUntilTheJournalSaysOtherwise) {
  config.per_day = dollars(10);
  start();
  ask_for(run_a, 8, 8);
  jobs->busy = true;
  crash();
  EXPECT_EQ(day().leased, dollars(8)) << "before anything is known";
  ask_for(run_b, 3, 3);
  EXPECT_TRUE(at_router().granted.empty());
  jobs->busy = false;
  advance(2s, 1s);
  commit();
  EXPECT_EQ(at_router().granted.size(), 1u) << "it had spent nothing";
}

TEST_F(budget_keeper_test, AfterACrashTheJournalSaysWhatWasSpent) {
  config.per_day = dollars(10);
  start();
  ask_for(run_a, 8, 8);
  const auto lease = at_router().granted.at(0).lease;
  settle(run_a, lease, 1, 0);
  (*costs)[run_a] = dollars(3);
  crash();
  EXPECT_EQ(state_of<keepers_journal_state>(journal).flushes, 1u) << "answers on their way count too";
  commit();
  EXPECT_EQ(day(), (control::budget_account{dollars(3), money{}})) << "one was booked before, two were not";
  EXPECT_EQ(rows->count("lease|00000000000000000001"), 0u);
  ask_for(run_b, 7, 7);
  ASSERT_EQ(at_router().granted.size(), 1u);
  EXPECT_GT(at_router().granted[0].lease, lease) << "no number is used twice";
  ask_for(run_b, 1, 1);
  EXPECT_EQ(at_router().granted.size(), 1u);
}

TEST_F(budget_keeper_test, BudgetsHoldOverManyCrashes) {
  config.per_day = dollars(20);
  start();
  money truth;
  for (int i = 0; i < 40; ++i) {
    ask_for(run_a, 2, 2);
    if (!at_router().granted.empty()) {
      truth += dollars(2);
      (*costs)[run_a] = truth;
    }
    ASSERT_LE(truth, dollars(20)) << i;
    crash();
    commit();
  }
  EXPECT_EQ(truth, dollars(20)) << "all of it could be used";
}

TEST_F(budget_keeper_test, ARouterThatFallsLosesNoMoney) {
  config.per_day = dollars(10);
  start();
  ask_for(run_a, 8, 8);
  (*costs)[run_a] = dollars(2);
  kill(router);
  commit();
  EXPECT_EQ(day(), (control::budget_account{dollars(2), money{}}));
}

TEST_F(budget_keeper_test, ANewDayHasANewBudget) {
  config.per_day = dollars(10);
  start();
  ask_for(run_a, 8, 8);
  const auto lease = at_router().granted.at(0).lease;
  *today += 12h;
  advance(2s, 1s);
  ASSERT_EQ(at_router().recalled.size(), 1u) << "its leases are of the day before";
  ask_for(run_b, 9, 9);
  EXPECT_EQ(at_router().granted.size(), 2u);
  settle(run_a, lease, 5, 3);
  EXPECT_EQ(account({budget_scope::day, {}, "2024-05-31"}).spent, dollars(5))
      << "booked when it was reserved";
  EXPECT_EQ(day(), (control::budget_account{money{}, dollars(9)}));
}

TEST_F(budget_keeper_test, AClockThatGoesBackFindsTheSameAccount) {
  config.per_day = dollars(10);
  start();
  ask_for(run_a, 10, 10);
  settle(run_a, at_router().granted.at(0).lease, 10, 0);
  *today += 24h;
  ask_for(run_b, 1, 1);
  EXPECT_EQ(at_router().granted.size(), 2u);
  *today -= 24h;
  ask_for(run_b, 1, 1);
  ASSERT_EQ(at_router().refused.size(), 1u);
  EXPECT_EQ(at_router().refused[0].reason.where, "budgets.per_day");
}

TEST_F(budget_keeper_test, TellsOfEachThresholdOnceAlsoAfterARestart) {
  config.per_day = dollars(10);
  start();
  const auto spend = [&](int64_t amount) {
    ask_for(run_a, amount, amount);
    settle(run_a, at_router().granted.back().lease, amount, 0);
  };
  spend(7);
  EXPECT_TRUE(alerts->empty());
  spend(1);
  ASSERT_EQ(alerts->size(), 1u);
  EXPECT_EQ(alerts->at(0).share, 0.8);
  EXPECT_EQ(alerts->at(0).spent, dollars(8));
  crash();
  spend(1);
  EXPECT_EQ(alerts->size(), 1u);
  spend(1);
  ASSERT_EQ(alerts->size(), 2u);
  EXPECT_EQ(alerts->at(1).share, 1.0);
}

TEST_F(budget_keeper_test, ACallBeyondItsWorstCaseIsBookedAlsoWhenTheLeaseIsUsedUp) {
  config.per_day = dollars(100);
  start();
  ask_for(run_a, 4, 4);
  const auto lease = at_router().granted.at(0).lease;
  settle(run_a, lease, 6, 0);
  settle(run_a, lease, 2, 0);
  EXPECT_EQ(day(), (control::budget_account{dollars(8), money{}}));
}

TEST_F(budget_keeper_test, AStoreThatTakesNothingGrantsNothing) {
  config.per_day = dollars(10);
  start();
  tell(keeper, wish(run_a, dollars(1), dollars(1)));
  auto& waiting = state_of<keepers_journal_state>(journal).waiting;
  ASSERT_EQ(waiting.size(), 1u);
  tell(keeper, committed{waiting.front().batch.watermark, 0, fault{errc::store_full, "full", {}, {}}});
  ASSERT_EQ(at_router().refused.size(), 1u);
  EXPECT_EQ(at_router().refused[0].reason.code, errc::store_full);
  EXPECT_EQ(day().leased, money{});
  tell(keeper, wish(run_b, dollars(1), dollars(1)));
  EXPECT_EQ(at_router().refused.size(), 2u);
}

TEST_F(budget_keeper_test, AnInteractiveLaneHasNoBudgetOfARun) {
  config.per_run = dollars(1);
  config.per_day = dollars(10);
  start();
  auto message = wish(run_a, dollars(3), dollars(3));
  message.wish.interactive = true;
  tell(keeper, message);
  commit();
  ASSERT_EQ(at_router().granted.size(), 1u);
  EXPECT_EQ(day().leased, dollars(3));
  EXPECT_EQ(account({budget_scope::run, to_string(run_a), {}}), control::budget_account{});
}

TEST_F(budget_keeper_test, WithoutOtherBudgetsAnInteractiveLaneIsUnlimited) {
  config.per_run = dollars(1);
  start();
  auto message = wish(run_a, dollars(3), dollars(3));
  message.wish.interactive = true;
  tell(keeper, message);
  ASSERT_EQ(at_router().granted.size(), 1u);
  EXPECT_TRUE(at_router().granted[0].unlimited);
}

TEST_F(budget_keeper_test, WhatAnInteractiveLaneHeldInACrashIsSpent) {
  config.per_day = dollars(10);
  start();
  auto message = wish(run_a, dollars(4), dollars(4));
  message.wish.interactive = true;
  tell(keeper, message);
  commit();
  settle(run_a, at_router().granted.at(0).lease, 1, 1);
  crash();
  commit();
  EXPECT_EQ(day(), (control::budget_account{dollars(3), money{}})) << "no store tells what became of two";
}

TEST_F(budget_keeper_test, AnApiKeyHasABudgetOfItsOwnADay) {
  start();
  auto message = wish(run_a, dollars(2), dollars(2));
  message.wish.api_key = "key-7";
  message.wish.key_budget = dollars(3);
  tell(keeper, message);
  commit();
  settle(run_a, at_router().granted.at(0).lease, 2, 0);
  EXPECT_EQ(account({budget_scope::api_key, "key-7", "2024-05-31"}).spent, dollars(2));
  message.wish.run = run_b;
  tell(keeper, message);
  ASSERT_EQ(at_router().refused.size(), 1u);
  EXPECT_NE(at_router().refused[0].reason.message.find("API key 'key-7'"), std::string::npos);
  *today += 24h;
  tell(keeper, message);
  commit();
  EXPECT_EQ(at_router().granted.size(), 2u);
}

TEST_F(budget_keeper_test, ModelsOfOneRunHoldLeasesOfTheirOwn) {
  config.per_day = dollars(10);
  start();
  ask_for(run_a, 8, 8);
  auto other = wish(run_a, dollars(5), dollars(5));
  other.wish.target = 1;
  tell(keeper, other);
  commit();
  ASSERT_EQ(at_router().recalled.size(), 1u) << "the run's first model holds what its second needs";
  EXPECT_EQ(at_router().recalled[0].target, 0u);
  settle(run_a, at_router().granted.at(0).lease, 1, 7);
  ASSERT_EQ(at_router().granted.size(), 2u);
  EXPECT_EQ(at_router().granted[1].target, 1u);
}

TEST_F(budget_keeper_test, ALaneOfAJudgeIsPaidByItsRunsBudget) {
  start();
  ask_for(run_a, 1, 6, dollars(10));
  auto judge = wish(run_b, dollars(1), dollars(6), dollars(10));
  judge.wish.account = run_a;
  tell(keeper, judge);
  commit();
  ASSERT_EQ(at_router().granted.size(), 2u);
  EXPECT_EQ(at_router().granted[1].run, run_b) << "the lane is its own";
  const budget_key runs{budget_scope::run, to_string(run_a), {}};
  EXPECT_EQ(account(runs).leased, at_router().granted[0].amount + at_router().granted[1].amount);
  EXPECT_LE(account(runs).leased, dollars(10));
  EXPECT_EQ(account({budget_scope::run, to_string(run_b), {}}).leased, money{});
  (*costs)[run_a] = dollars(3);
  crash();
  commit();
  EXPECT_EQ(account(runs).spent, dollars(3)) << "answers and verdicts are found with the run";
  EXPECT_EQ(account(runs).leased, money{});
}

TEST_F(budget_keeper_test, AfterACrashCallsThatWereOutCountAsTheirWorstCase) {
  config.per_day = dollars(10);
  config.lost_tries = [](run_id) -> result<uint64_t> { return uint64_t{2}; };
  start();
  auto message = wish(run_a, dollars(8), dollars(8));
  message.wish.one_try = dollars(2);
  tell(keeper, message);
  commit();
  (*costs)[run_a] = dollars(1);
  crash();
  commit();
  EXPECT_EQ(day(), (control::budget_account{dollars(1 + 2 * 2), money{}}));
}

TEST_F(budget_keeper_test, ShowsTheBudgetsOfThePresentDay) {
  config.per_day = dollars(10);
  start();
  ask_for(run_a, 8, 8, dollars(9));
  settle(run_a, at_router().granted.at(0).lease, 3, 0);
  const auto shown = ask<budget_states>(keeper, read_budgets{});
  ASSERT_TRUE(shown.has_value());
  const budget_state farm{"day",      {},         dollars(10),
                          dollars(3), dollars(5), wall_time{seconds{1'717'200'000}}, // 2024-06-01
                          dollars(8)};
  EXPECT_EQ(shown->budgets, std::vector{farm}) << "budgets of runs are in their records";
  *today += 24h;
  EXPECT_TRUE(ask<budget_states>(keeper, read_budgets{})->budgets.empty());
}

TEST_F(budget_keeper_test, DamagedRowsDoNotStopIt) {
  config.per_day = dollars(10);
  (*rows)["account|day||2024-05-31"] = R"({"spent":4000000000})";
  (*rows)["account|nonsense"] = "{}";
  (*rows)["account|run|x|"] = "[";
  (*rows)["lease|zzz"] = "{}";
  (*rows)["lease|00000000000000000007"] = R"({"run":"nobody","left":1,"accounts":[]})";
  start();
  EXPECT_EQ(day().spent, dollars(4));
  ask_for(run_a, 6, 6);
  EXPECT_EQ(at_router().granted.size(), 1u);
}

TEST_F(budget_keeper_test, DoesNotStartWithoutKnowingWhatIsSpent) {
  config.per_day = dollars(10);
  config.journal = journal;
  config.wall = [today = today] { return *today; };
  config.recall = []() -> result<std::map<std::string, std::string>> {
    return fault{errc::store_unreadable, "damaged", {}, {}};
  };
  keeper = spawn(budget_keeper, config);
  run();
  EXPECT_FALSE(ask<gauges>(keeper, read_gauges{}));
}

TEST_F(budget_keeper_test, AccountsOfLongAgoGo) {
  config.per_day = dollars(10);
  (*rows)["account|day||2024-01-01"] = R"({"spent":1})";
  (*rows)["account|day||2024-05-01"] = R"({"spent":1})";
  (*rows)["account|model_month|m|2023-01"] = R"({"spent":1})";
  start();
  *today += 24h;
  ask_for(run_a, 1, 1);
  EXPECT_EQ(rows->count("account|day||2024-01-01"), 0u);
  EXPECT_EQ(rows->count("account|model_month|m|2023-01"), 0u);
  EXPECT_EQ(rows->count("account|day||2024-05-01"), 1u);
}

/// Leases of batches, which nobody but the next batch desk knows of.
class budget_keeper_batches : public budget_keeper_test {
protected:
  void ask_for_batch(run_id run, int64_t least, int64_t wanted) {
    auto message = wish(run, dollars(least), dollars(wanted));
    message.wish.of_batch = true;
    message.wish.patient = true;
    tell(keeper, std::move(message));
    commit();
  }

  uint64_t last_lease() { return at_router().granted.back().lease; }

  void take_over(std::vector<uint64_t> leases) {
    tell(keeper, take_over_leases{std::move(leases), router});
    commit();
  }

  void settle_batch(uint64_t lease, int64_t spent, int64_t returned) {
    tell(keeper, leases_settled{{{run_a, 0, lease, dollars(spent), dollars(returned), true}}});
    commit();
  }
};

TEST_F(budget_keeper_batches, ABatchMayTakeAllThatIsLeft) {
  config.per_day = dollars(100);
  start();
  ask_for_batch(run_a, 1, 80);
  EXPECT_EQ(at_router().granted.back().amount, dollars(80));
  ask_for_batch(run_b, 1, 80);
  EXPECT_EQ(at_router().granted.back().amount, dollars(20));
}

TEST_F(budget_keeper_batches, WhoIsPatientWaitsUntilTheMoneyComesBack) {
  config.per_day = dollars(100);
  start();
  ask_for_batch(run_a, 1, 100);
  const auto lease = last_lease();
  ask_for_batch(run_b, 10, 50);
  advance(7200s, 60s);
  EXPECT_TRUE(at_router().refused.empty());
  EXPECT_EQ(at_router().granted.size(), 1u);
  settle_batch(lease, 20, 80);
  ASSERT_EQ(at_router().granted.size(), 2u);
  EXPECT_EQ(at_router().granted.back().amount, dollars(50));
}

TEST_F(budget_keeper_batches, TheLeaseOfABatchWaitsForTheNextDesk) {
  config.per_day = dollars(100);
  start();
  ask_for_batch(run_a, 1, 30);
  const auto lease = last_lease();
  crash();
  advance(600s, 1s);
  commit();
  EXPECT_EQ(day().leased, dollars(30)) << "the store says that the run has cost nothing yet";
  take_over({lease});
  EXPECT_EQ(day().leased, dollars(30));
  settle_batch(lease, 12, 18);
  EXPECT_EQ(day(), (control::budget_account{dollars(12), money{}}));
  settle_batch(lease, 12, 18);
  EXPECT_EQ(day(), (control::budget_account{dollars(12), money{}})) << "it is settled once";
}

TEST_F(budget_keeper_batches, TheLeaseOfABatchThatWasNeverMadeComesBack) {
  config.per_day = dollars(100);
  start();
  ask_for_batch(run_a, 1, 30);
  ask_for_batch(run_b, 1, 20);
  const auto made = last_lease();
  crash();
  take_over({made});
  EXPECT_EQ(day(), (control::budget_account{money{}, dollars(20)}));
}

TEST_F(budget_keeper_batches, ADeskMayTakeOverBeforeTheFallOfTheOtherIsHeardOf) {
  config.per_day = dollars(100);
  start();
  ask_for_batch(run_a, 1, 30);
  const auto made = last_lease();
  ask_for_batch(run_b, 1, 20);
  const auto old = router;
  router = spawn(holder_of_leases);
  take_over({made});
  EXPECT_EQ(day(), (control::budget_account{money{}, dollars(30)}));
  kill(old);
  commit();
  EXPECT_EQ(day(), (control::budget_account{money{}, dollars(30)}));
}

TEST_F(budget_keeper_batches, WhatBatchesHaveCostHidesNothingThatOtherCallsHave) {
  config.per_day = dollars(100);
  start();
  ask_for_batch(run_a, 1, 40);
  settle_batch(last_lease(), 40, 0);
  // The answers of the batch are not stored yet, one from the router's calls is.
  ask_for(run_a, 1, 10);
  (*costs)[run_a] = dollars(4);
  crash();
  advance(5s);
  commit();
  EXPECT_EQ(day().spent, dollars(44));
}

} // namespace
} // namespace assay
