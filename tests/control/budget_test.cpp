#include "core/control/budget.hpp"
#include "tests/support/amounts.hpp"

#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <vector>

namespace assay::control {
namespace {

using test::dollars;

const budget_key the_run{budget_scope::run, "eval_1", {}};
const budget_key the_day{budget_scope::day, {}, "2024-05-31"};

money granted(const std::variant<money, budget_refusal>& answer) {
  const auto* amount = std::get_if<money>(&answer);
  return amount ? *amount : money{-1};
}

TEST(budget_ledger, LeasesNeverExceedALimit) {
  budget_ledger ledger;
  const std::array claims{budget_claim{the_run, dollars(10)}, budget_claim{the_day, dollars(7)}};
  money held;
  for (int i = 0; i < 1000; ++i) {
    const auto answer = ledger.lease(claims, dollars(1), dollars(3));
    if (std::holds_alternative<budget_refusal>(answer))
      break;
    held += std::get<money>(answer);
  }
  EXPECT_LE(held.nanodollars, dollars(7).nanodollars);
  EXPECT_GT(held.nanodollars, dollars(6).nanodollars) << "less remains than the next one needs";
  EXPECT_EQ(ledger.find(the_day).leased, held);
  EXPECT_EQ(ledger.find(the_run).leased, held);
}

TEST(budget_ledger, TakesFromAllAccountsOrFromNone) {
  budget_ledger ledger;
  const std::array claims{budget_claim{the_run, dollars(10)}, budget_claim{the_day, dollars(1)}};
  const auto answer = ledger.lease(claims, dollars(2), dollars(2));
  const auto* refusal = std::get_if<budget_refusal>(&answer);
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->claim.key, the_day);
  EXPECT_EQ(ledger.find(the_run).leased, money{});
}

TEST(budget_ledger, LeavesSomethingForOthers) {
  budget_ledger ledger;
  const std::array claims{budget_claim{the_day, dollars(100)}};
  EXPECT_EQ(granted(ledger.lease(claims, dollars(1), dollars(90))), dollars(25));
  EXPECT_EQ(granted(ledger.lease(claims, dollars(40), dollars(40))), dollars(40))
      << "what a call needs it gets";
}

TEST(budget_ledger, WhatComesBackCanBeLeasedAgain) {
  budget_ledger ledger;
  const std::array claims{budget_claim{the_day, dollars(4)}};
  const std::array keys{the_day};
  ASSERT_EQ(granted(ledger.lease(claims, dollars(4), dollars(4))), dollars(4));
  const auto full = ledger.lease(claims, dollars(1), dollars(1));
  ASSERT_TRUE(std::holds_alternative<budget_refusal>(full));
  EXPECT_FALSE(std::get<budget_refusal>(full).for_good) << "calls in flight may give it back";
  ledger.settle(keys, dollars(4), dollars(1));
  EXPECT_EQ(ledger.find(the_day), (budget_account{dollars(1), money{}}));
  EXPECT_EQ(granted(ledger.lease(claims, dollars(3), dollars(3))), dollars(3));
  ledger.settle(keys, dollars(3), dollars(3));
  const auto spent = ledger.lease(claims, dollars(1), dollars(1));
  ASSERT_TRUE(std::holds_alternative<budget_refusal>(spent));
  EXPECT_TRUE(std::get<budget_refusal>(spent).for_good);
}

TEST(budget_ledger, CountsWhatACallCostBeyondItsWorstCase) {
  budget_ledger ledger;
  const std::array claims{budget_claim{the_day, dollars(4)}};
  const std::array keys{the_day};
  ASSERT_EQ(granted(ledger.lease(claims, dollars(1), dollars(1))), dollars(1));
  ledger.settle(keys, dollars(1), dollars(3));
  EXPECT_EQ(ledger.find(the_day), (budget_account{dollars(3), money{}}));
}

TEST(budget_ledger, AnAccountWithoutLimitOnlyCounts) {
  budget_ledger ledger;
  const std::array claims{budget_claim{the_run, std::nullopt}};
  EXPECT_EQ(granted(ledger.lease(claims, dollars(1'000), dollars(1'000))), dollars(1'000));
  EXPECT_EQ(ledger.find(the_run).leased, dollars(1'000));
}

TEST(budget_refusals, SayWhichBudgetHowMuchAndWhatToDo) {
  const auto text = [](budget_scope scope, std::string name, std::string period) {
    budget_refusal refusal{{{scope, std::move(name), std::move(period)}, dollars(100)},
                           {dollars(99), money{}},
                           dollars(2),
                           true};
    return to_fault(refusal);
  };
  const auto day = text(budget_scope::day, {}, "2024-05-31");
  EXPECT_EQ(day.code, errc::budget_exhausted);
  EXPECT_EQ(day.message, "the farm's budget of 2024-05-31 has too little left for one call: $99.00 of "
                         "$100.00 spent, and the next "
                         "call may cost $2.00");
  EXPECT_EQ(day.where, "budgets.per_day");
  EXPECT_NE(day.hint.find("midnight"), std::string::npos);
  EXPECT_EQ(text(budget_scope::run, "eval_1", {}).where, "max_cost");
  EXPECT_EQ(text(budget_scope::tenant, "ann", "2024-05-31").where, "budgets.per_tenant");
  EXPECT_EQ(text(budget_scope::model_day, "m", "2024-05-31").where, "models.m.cost_management.daily_budget");
  EXPECT_EQ(text(budget_scope::model_month, "m", "2024-05").where, "models.m.cost_management.monthly_budget");
}

TEST(budget_keys, ComeBackFromTheirNames) {
  for (const auto& key : {the_run, the_day, budget_key{budget_scope::tenant, "a|b", "2024-05-31"},
                          budget_key{budget_scope::model_month, "m", "2024-05"},
                          budget_key{budget_scope::api_key, "key-7", "2024-05-31"}})
    EXPECT_EQ(budget_key_from_string(to_string(key)), key);
  for (const auto* text : {"", "day", "day|", "hour||2024", "|"})
    EXPECT_FALSE(budget_key_from_string(text)) << text;
}

TEST(budget_periods, EndWithTheDayOrTheMonth) {
  const wall_time late{seconds{1'735'689'599}}; // 2024-12-31T23:59:59Z
  EXPECT_EQ(next_period(budget_scope::day, late), wall_time{seconds{1'735'689'600}});
  EXPECT_EQ(next_period(budget_scope::api_key, late), wall_time{seconds{1'735'689'600}});
  EXPECT_EQ(next_period(budget_scope::model_month, late), wall_time{seconds{1'735'689'600}});
  EXPECT_EQ(next_period(budget_scope::model_month, wall_time{seconds{1'717'156'800}}),
            wall_time{seconds{1'717'200'000}}); // 2024-06-01
  EXPECT_FALSE(next_period(budget_scope::run, late));
}

TEST(budget_refusals, SayWhenOneCallIsTooMuch) {
  const budget_refusal refusal{{the_run, dollars(2), {}}, {}, dollars(3), true};
  const auto reason = to_fault(refusal);
  EXPECT_EQ(reason.message,
            "the budget of run eval_1 is too small for one call: $0.00 of $2.00 spent, and the next call "
            "may cost $3.00");
  EXPECT_NE(reason.hint.find("max_tokens"), std::string::npos);
}

TEST(budget_refusals, NameTheSettingThatWasSmaller) {
  const budget_refusal refusal{{the_run, dollars(2), "budgets.per_run"}, {dollars(2), {}}, dollars(1), true};
  const auto reason = to_fault(refusal);
  EXPECT_EQ(reason.where, "budgets.per_run");
  EXPECT_NE(reason.hint.find("retry"), std::string::npos);
}

TEST(budget_periods, AreThoseOfUtc) {
  const wall_time last{milliseconds{1'709'251'199'999}}; // 2024-02-29T23:59:59.999Z
  EXPECT_EQ(utc_day(last), "2024-02-29");
  EXPECT_EQ(utc_month(last), "2024-02");
  EXPECT_EQ(utc_day(last + milliseconds{1}), "2024-03-01");
}

TEST(worst_case, IsTheWholePromptAndTheLongestAnswer) {
  token_prices prices;
  prices.input_per_mtok = 3;
  prices.output_per_mtok = 15;
  call_size size;
  size.prompt_bytes = 3'000;
  size.messages = 0;
  size.max_tokens = 1'000;
  // 1,000 tokens in at 3,000 nanodollars and 1,000 out at 15,000.
  EXPECT_EQ(worst_case(size, prices), money{18'000'000});
  size.choices = 2;
  EXPECT_EQ(worst_case(size, prices), money{33'000'000});
  size.images = 1;
  EXPECT_EQ(worst_case(size, prices), money{39'000'000});
}

TEST(call_sizes, CountAllThatIsSent) {
  message_extras extras;
  extras.images.resize(2);
  extras.tool_calls = {{"1", "f", "{}", {}}};
  std::vector<chat_message> messages{{chat_role::user, shared_text{"12345"}},
                                     {chat_role::tool, shared_text{"6"}}};
  messages[0].extras = std::make_shared<const message_extras>(extras);
  sampling parameters;
  auto size = size_of(messages, parameters, nullptr, 4096);
  EXPECT_EQ(size.prompt_bytes, 10U);
  EXPECT_EQ(size.messages, 2U);
  EXPECT_EQ(size.images, 2U);
  EXPECT_EQ(size.max_tokens, 4096U);
  EXPECT_EQ(size.choices, 1U);
  parameters.max_tokens = 7;
  answer_options options;
  options.choices = 3;
  options.schema_json = "{}";
  options.tools = {{"f", "does", "{}", {}}};
  size = size_of(messages, parameters, &options, 4096);
  EXPECT_EQ(size.prompt_bytes, 19U);
  EXPECT_EQ(size.max_tokens, 7U);
  EXPECT_EQ(size.choices, 3U);
}

TEST(worst_case, IsUnknownWithoutPricesAndNothingForAFreeModel) {
  call_size size;
  size.prompt_bytes = 10;
  size.max_tokens = 10;
  EXPECT_FALSE(worst_case(size, std::nullopt));
  EXPECT_EQ(worst_case(size, token_prices{}), money{});
}

TEST(worst_case, RoundsUp) {
  token_prices prices;
  prices.input_per_mtok = 0.0001;
  call_size size;
  size.prompt_bytes = 1;
  EXPECT_EQ(worst_case(size, prices), money{1});
}

} // namespace
} // namespace assay::control
