#include "core/control/purse.hpp"
#include "tests/support/amounts.hpp"

#include <gtest/gtest.h>

#include <random>

namespace assay::control {
namespace {

using test::dollars;

const run_id run_a{1'700'000'000U, 1U};
const run_id run_b{1'700'000'000U, 2U};

/// A token costs a dollar, in and out.
token_prices a_dollar_each() {
  token_prices out;
  out.input_per_mtok = 1e6;
  out.output_per_mtok = 1e6;
  return out;
}

/// A call that may cost @p n dollars.
call_size worth(uint32_t n) {
  call_size size;
  size.max_tokens = n;
  return size;
}

budget_lease lease_of(uint64_t id, money amount) {
  budget_lease out;
  out.id = id;
  out.amount = amount;
  return out;
}

class purse_test : public ::testing::Test {
protected:
  /// One try, so that the numbers are simple.
  purse money_of{1, dollars(10)};

  void open(run_id run = run_a) { money_of.open(run, "m", a_dollar_each()); }

  /// Opens and grants.
  void hold(int64_t amount, run_id run = run_a) {
    open(run);
    (void)money_of.take_wishes();
    EXPECT_TRUE(money_of.grant(run, lease_of(1, dollars(amount))).go.empty());
  }

  purse::verdict reserve(uint64_t id, uint32_t n, run_id run = run_a) {
    return money_of.reserve(run, call_id{id}, worth(n)).what;
  }
};

TEST_F(purse_test, AsksForItsFirstLeaseAndHoldsCallsUntilItComes) {
  open();
  EXPECT_EQ(reserve(1, 3), purse::verdict::hold);
  const auto wishes = money_of.take_wishes();
  ASSERT_EQ(wishes.size(), 1u) << "once";
  EXPECT_EQ(wishes[0].lane, run_a);
  EXPECT_EQ(wishes[0].wanted, dollars(10));
  const auto out = money_of.grant(run_a, lease_of(1, dollars(10)));
  EXPECT_EQ(out.go, std::vector{call_id{1}});
  EXPECT_EQ(money_of.reserved(), dollars(3));
}

TEST_F(purse_test, ALaneWithoutBudgetsReservesNothing) {
  money_of.open(run_a, "m", std::nullopt);
  EXPECT_EQ(reserve(1, 3), purse::verdict::hold);
  budget_lease lease;
  lease.unlimited = true;
  EXPECT_EQ(money_of.grant(run_a, lease).go, std::vector{call_id{1}});
  EXPECT_EQ(reserve(2, 1'000'000), purse::verdict::go);
  money_of.settle(call_id{2}, dollars(5));
  EXPECT_TRUE(money_of.take_settlements().empty());
  EXPECT_EQ(money_of.open_calls(), 0u);
}

TEST_F(purse_test, HoldsWhatTheLeaseDoesNotCoverAndAsksForMore) {
  hold(10);
  EXPECT_EQ(reserve(1, 7), purse::verdict::go);
  EXPECT_EQ(reserve(2, 7), purse::verdict::hold);
  EXPECT_EQ(reserve(3, 1), purse::verdict::hold) << "nobody overtakes";
  const auto wishes = money_of.take_wishes();
  ASSERT_EQ(wishes.size(), 1u);
  EXPECT_EQ(wishes[0].least, dollars(7));
  EXPECT_EQ(money_of.grant(run_a, lease_of(2, dollars(10))).go, (std::vector{call_id{2}, call_id{3}}));
  const auto back = money_of.take_settlements();
  ASSERT_EQ(back.size(), 1u);
  EXPECT_EQ(back[0].lease, 1u);
  EXPECT_EQ(back[0].returned, dollars(3)) << "what was left of the lease before";
}

TEST_F(purse_test, SettlesWhatACallCostAndUsesTheRestAgain) {
  hold(10);
  EXPECT_EQ(reserve(1, 9), purse::verdict::go);
  money_of.settle(call_id{1}, dollars(1));
  const auto settled = money_of.take_settlements();
  ASSERT_EQ(settled.size(), 1u);
  EXPECT_EQ(settled[0].spent, dollars(1));
  EXPECT_EQ(settled[0].returned, money{}) << "it is used here";
  EXPECT_EQ(money_of.reserved(), money{});
  EXPECT_EQ(reserve(2, 9), purse::verdict::go);
}

TEST_F(purse_test, KeepsNothingThatItCannotUseWhileItAsks) {
  hold(10);
  EXPECT_EQ(reserve(1, 8), purse::verdict::go);
  EXPECT_EQ(reserve(2, 9), purse::verdict::hold);
  auto back = money_of.take_settlements();
  ASSERT_EQ(back.size(), 1u) << "the keeper may lack just this";
  EXPECT_EQ(back[0].returned, dollars(2));
  money_of.settle(call_id{1}, dollars(1));
  back = money_of.take_settlements();
  ASSERT_EQ(back.size(), 1u);
  EXPECT_EQ(back[0].spent, dollars(1));
  EXPECT_EQ(back[0].returned, dollars(7));
}

TEST_F(purse_test, WhatComesBackToAnEarlierLeaseGoesToTheKeeper) {
  hold(10);
  EXPECT_EQ(reserve(1, 9), purse::verdict::go);
  EXPECT_EQ(reserve(2, 9), purse::verdict::hold);
  (void)money_of.grant(run_a, lease_of(2, dollars(10)));
  (void)money_of.take_settlements();
  money_of.settle(call_id{1}, dollars(4));
  const auto settled = money_of.take_settlements();
  ASSERT_EQ(settled.size(), 1u);
  EXPECT_EQ(settled[0].lease, 1u);
  EXPECT_EQ(settled[0].spent, dollars(4));
  EXPECT_EQ(settled[0].returned, dollars(5));
}

TEST_F(purse_test, ACallThatMayHaveBeenBilledCostsItsWorstCase) {
  purse two_tries{2, dollars(10)};
  two_tries.open(run_a, "m", a_dollar_each());
  (void)two_tries.grant(run_a, lease_of(1, dollars(10)));
  EXPECT_EQ(two_tries.reserve(run_a, call_id{1}, worth(3)).what, purse::verdict::go);
  EXPECT_EQ(two_tries.reserved(), dollars(6)) << "for both tries";
  EXPECT_EQ(two_tries.charge_of(call_id{1}, dollars(1), true, 1), dollars(4));
  EXPECT_EQ(two_tries.charge_of(call_id{1}, std::nullopt, true, 0), dollars(3));
  EXPECT_EQ(two_tries.charge_of(call_id{1}, std::nullopt, false, 2), dollars(6));
  EXPECT_EQ(two_tries.charge_of(call_id{1}, std::nullopt, false, 0), money{});
}

TEST_F(purse_test, RefusesACallThatAloneIsTooExpensive) {
  open();
  EXPECT_EQ(reserve(1, 6), purse::verdict::hold);
  EXPECT_EQ(reserve(2, 2), purse::verdict::hold);
  auto lease = lease_of(1, dollars(10));
  lease.per_request = dollars(5);
  lease.per_request_setting = "budgets.per_request";
  const auto out = money_of.grant(run_a, lease);
  ASSERT_EQ(out.refused.size(), 1u);
  EXPECT_EQ(out.refused[0].call, call_id{1});
  EXPECT_EQ(out.refused[0].reason.code, errc::request_over_budget);
  EXPECT_EQ(out.refused[0].reason.where, "budgets.per_request");
  EXPECT_EQ(out.go, std::vector{call_id{2}});
  const auto later = money_of.reserve(run_a, call_id{3}, worth(6));
  EXPECT_EQ(later.what, purse::verdict::refuse);
  EXPECT_EQ(later.reason->code, errc::request_over_budget);
}

TEST_F(purse_test, ABudgetNeedsPrices) {
  money_of.open(run_a, "m", std::nullopt);
  EXPECT_EQ(reserve(1, 6), purse::verdict::hold);
  const auto out = money_of.grant(run_a, lease_of(1, dollars(10)));
  ASSERT_EQ(out.refused.size(), 1u);
  EXPECT_EQ(out.refused[0].reason.where, "models.m.prices");
  EXPECT_EQ(reserve(2, 6), purse::verdict::refuse);
}

TEST_F(purse_test, ARefusalEndsWhatIsHeldAndTheNextCallAsksAgain) {
  hold(10);
  EXPECT_EQ(reserve(1, 11), purse::verdict::hold);
  (void)money_of.take_wishes();
  const auto refused = money_of.refuse(run_a, {errc::budget_exhausted, "spent", {}, {}});
  ASSERT_EQ(refused.size(), 1u);
  EXPECT_EQ(refused[0].call, call_id{1});
  EXPECT_EQ(reserve(2, 11), purse::verdict::hold);
  EXPECT_EQ(money_of.take_wishes().size(), 1u);
}

TEST_F(purse_test, ARecallGivesBackWhatIsFreeNowAndLater) {
  hold(10);
  EXPECT_EQ(reserve(1, 4), purse::verdict::go);
  money_of.recall(run_a);
  auto back = money_of.take_settlements();
  ASSERT_EQ(back.size(), 1u);
  EXPECT_EQ(back[0].returned, dollars(6));
  money_of.settle(call_id{1}, dollars(1));
  back = money_of.take_settlements();
  ASSERT_EQ(back.size(), 1u);
  EXPECT_EQ(back[0].spent, dollars(1));
  EXPECT_EQ(back[0].returned, dollars(3));
  EXPECT_EQ(reserve(2, 1), purse::verdict::hold);
}

TEST_F(purse_test, WithdrawnCallsAreHeldNoMore) {
  hold(1);
  EXPECT_EQ(reserve(1, 4), purse::verdict::hold);
  EXPECT_EQ(money_of.take_held(run_a), std::vector{call_id{1}});
  EXPECT_TRUE(money_of.grant(run_a, lease_of(2, dollars(10))).go.empty());
}

TEST_F(purse_test, AClosedLaneReturnsAllButWhatIsInFlight) {
  hold(10);
  EXPECT_EQ(reserve(1, 4), purse::verdict::go);
  money_of.close(run_a);
  auto back = money_of.take_settlements();
  ASSERT_EQ(back.size(), 1u);
  EXPECT_EQ(back[0].returned, dollars(6));
  money_of.settle(call_id{1}, dollars(4));
  back = money_of.take_settlements();
  ASSERT_EQ(back.size(), 1u);
  EXPECT_EQ(back[0].spent, dollars(4));
  (void)money_of.grant(run_a, lease_of(2, dollars(10)));
  EXPECT_EQ(money_of.take_settlements().at(0).returned, dollars(10)) << "it came too late";
}

TEST_F(purse_test, AChargeBeyondTheReservationIsReported) {
  hold(10);
  EXPECT_EQ(reserve(1, 1), purse::verdict::go);
  money_of.settle(call_id{1}, dollars(3));
  EXPECT_EQ(money_of.take_settlements().at(0).spent, dollars(3));
}

TEST_F(purse_test, EachModelOfARunHasPricesAndALeaseOfItsOwn) {
  auto cheap = a_dollar_each();
  cheap.output_per_mtok = 0.5e6;
  money_of.open({run_a, 0}, "m", a_dollar_each());
  money_of.open({run_a, 1}, "n", cheap);
  EXPECT_EQ(money_of.take_wishes().size(), 2u);
  (void)money_of.grant({run_a, 0}, lease_of(1, dollars(3)));
  (void)money_of.grant({run_a, 1}, lease_of(2, dollars(3)));
  EXPECT_EQ(money_of.reserve({run_a, 0}, call_id{1}, worth(4)).what, purse::verdict::hold);
  EXPECT_EQ(money_of.reserve({run_a, 1}, call_id{2}, worth(4)).what, purse::verdict::go);
  money_of.settle(call_id{2}, dollars(1));
  for (const auto& one : money_of.take_settlements())
    EXPECT_EQ(one.lease, one.lane.target == 0 ? 1u : 2u);
}

TEST_F(purse_test, AForgottenCallIsNeitherHeldNorReserved) {
  hold(10);
  EXPECT_EQ(reserve(1, 8), purse::verdict::go);
  EXPECT_EQ(reserve(2, 8), purse::verdict::hold);
  money_of.forget(run_a, call_id{2});
  money_of.forget(run_a, call_id{1});
  EXPECT_EQ(money_of.reserved(), money{});
  EXPECT_TRUE(money_of.grant(run_a, lease_of(2, dollars(10))).go.empty());
}

TEST_F(purse_test, OnlyWhatComesBackIsUrgent) {
  hold(10);
  EXPECT_EQ(reserve(1, 8), purse::verdict::go);
  money_of.settle(call_id{1}, dollars(2));
  EXPECT_TRUE(money_of.has_news());
  EXPECT_FALSE(money_of.is_urgent());
  money_of.close(run_a);
  EXPECT_TRUE(money_of.is_urgent());
}

/// Two lanes and one ledger, in every order: what the ledger calls spent is what was charged, nothing is lost
/// on the way, and the limit holds at every moment.
TEST(purse_and_ledger, NeverOvershootAndLoseNothing) {
  std::mt19937 random(7);
  const budget_key day{budget_scope::day, {}, "2024-05-31"};
  const std::vector<budget_claim> claims{{day, dollars(100)}};
  const std::vector<budget_key> keys{day};
  for (int round = 0; round < 50; ++round) {
    budget_ledger ledger;
    purse all{1, dollars(10)};
    all.open(run_a, "m", a_dollar_each());
    all.open(run_b, "m", a_dollar_each());
    std::vector<std::pair<call_id, uint32_t>> flying;
    std::map<call_id, uint32_t> sizes;
    money charged;
    uint64_t leases = 0;
    uint64_t ids = 0;
    for (int step = 0; step < 400; ++step) {
      const auto run = random() % 2 == 0 ? run_a : run_b;
      if (random() % 2 == 0) {
        const call_id id{++ids};
        const auto size = static_cast<uint32_t>(random() % 6 + 1);
        sizes[id] = size;
        if (all.reserve(run, id, worth(size)).what == purse::verdict::go)
          flying.emplace_back(id, size);
      } else if (!flying.empty()) {
        const auto which = flying.begin() + static_cast<std::ptrdiff_t>(random() % flying.size());
        const auto cost = dollars(static_cast<int64_t>(random() % (which->second + 1)));
        charged += cost;
        all.settle(which->first, cost);
        flying.erase(which);
      }
      for (const auto& one : all.take_settlements())
        ledger.settle(keys, one.spent + one.returned, one.spent);
      for (const auto& wish : all.take_wishes()) {
        const auto answer = ledger.lease(claims, wish.least, wish.wanted);
        if (const auto* amount = std::get_if<money>(&answer)) {
          for (const auto id : all.grant(wish.lane, lease_of(++leases, *amount)).go)
            flying.emplace_back(id, sizes[id]);
        } else {
          (void)all.refuse(wish.lane, to_fault(std::get<budget_refusal>(answer)));
        }
      }
      money at_risk = charged;
      for (const auto& [id, size] : flying)
        at_risk += dollars(size);
      ASSERT_LE(at_risk, dollars(100));
      const auto account = ledger.find(day);
      ASSERT_LE(account.spent + account.leased, dollars(100));
    }
    for (const auto& [id, size] : flying)
      all.settle(id, money{});
    all.close(run_a);
    all.close(run_b);
    for (const auto& one : all.take_settlements())
      ledger.settle(keys, one.spent + one.returned, one.spent);
    EXPECT_EQ(ledger.find(day), (budget_account{charged, money{}}));
  }
}

} // namespace
} // namespace assay::control
