#include "core/control/budget.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdio>

namespace assay::control {

namespace {

constexpr std::array scopes{budget_scope::run,       budget_scope::day,         budget_scope::tenant,
                            budget_scope::model_day, budget_scope::model_month, budget_scope::api_key};

constexpr uint64_t bytes_per_token = 3;
constexpr uint64_t tokens_per_message = 8;
constexpr uint64_t tokens_per_image = 2000;

std::chrono::year_month_day date_of(wall_time time) {
  return std::chrono::year_month_day{std::chrono::floor<std::chrono::days>(time)};
}

money left_of(const budget_claim& claim, const budget_account& account) {
  return *claim.limit - account.spent - account.leased;
}

std::string what_is_spent(const budget_key& key) {
  switch (key.scope) {
  case budget_scope::run:
    return "the budget of run " + key.name;
  case budget_scope::day:
    return "the farm's budget of " + key.period;
  case budget_scope::tenant:
    return "the budget of user '" + key.name + "' for " + key.period;
  case budget_scope::model_day:
  case budget_scope::model_month:
    return "the budget of model '" + key.name + "' for " + key.period;
  case budget_scope::api_key:
    return "the budget of API key '" + key.name + "' for " + key.period;
  }
  return "a budget";
}

std::string setting_of(const budget_key& key) {
  switch (key.scope) {
  case budget_scope::run:
    return std::string(setting_of_run_budget);
  case budget_scope::day:
    return "budgets.per_day";
  case budget_scope::tenant:
    return "budgets.per_tenant";
  case budget_scope::model_day:
    return "models." + key.name + ".cost_management.daily_budget";
  case budget_scope::model_month:
    return "models." + key.name + ".cost_management.monthly_budget";
  case budget_scope::api_key:
    return "the daily budget of API key '" + key.name + "'";
  }
  return "budgets";
}

std::string way_out(const budget_key& key, const std::string& setting) {
  switch (key.scope) {
  case budget_scope::run:
    return setting == setting_of_run_budget ? "retry the run with a higher max_cost: it goes on where it was"
                                            : "raise it, then retry the run: it goes on where it was";
  case budget_scope::model_month:
    return "raise it, or try again after the end of the month (UTC)";
  default:
    return "raise it, or try again after midnight (UTC)";
  }
}

} // namespace

std::string_view to_string(budget_scope scope) noexcept {
  switch (scope) {
  case budget_scope::run:
    return "run";
  case budget_scope::day:
    return "day";
  case budget_scope::tenant:
    return "tenant";
  case budget_scope::model_day:
    return "model_day";
  case budget_scope::model_month:
    return "model_month";
  case budget_scope::api_key:
    return "api_key";
  }
  return "unknown";
}

std::string utc_day(wall_time time) {
  const auto date = date_of(time);
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%04d-%02u-%02u", static_cast<int>(date.year()),
                static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()));
  return text.data();
}

std::string utc_month(wall_time time) { return utc_day(time).substr(0, 7); }

std::optional<wall_time> next_period(budget_scope scope, wall_time now) {
  const auto today = date_of(now);
  if (scope == budget_scope::run)
    return std::nullopt;
  if (scope == budget_scope::model_month) {
    const auto next = today.year() / today.month() + std::chrono::months{1};
    return wall_time{std::chrono::sys_days{next / std::chrono::day{1}}};
  }
  return wall_time{std::chrono::sys_days{today} + std::chrono::days{1}};
}

budget_key key_of_batches(run_id run) { return {budget_scope::run, to_string(run) + "/batches", {}}; }

std::string to_string(const budget_key& key) {
  return std::string(to_string(key.scope)) + "|" + key.name + "|" + key.period;
}

std::optional<budget_key> budget_key_from_string(std::string_view text) {
  const auto first = text.find('|');
  // A name may hold the sign itself; scope and period do not.
  const auto last = text.rfind('|');
  if (first == std::string_view::npos || first == last)
    return std::nullopt;
  const auto scope =
      std::ranges::find(scopes, text.substr(0, first), [](budget_scope one) { return to_string(one); });
  if (scope == scopes.end())
    return std::nullopt;
  return budget_key{*scope, std::string(text.substr(first + 1, last - first - 1)),
                    std::string(text.substr(last + 1))};
}

fault to_fault(const budget_refusal& refusal) {
  const auto& [claim, account, needed, for_good] = refusal;
  const bool too_small = claim.limit && *claim.limit < needed;
  const bool all_spent = claim.limit && account.spent >= *claim.limit;
  std::string message = what_is_spent(claim.key)
                        + (too_small   ? " is too small for one call: "
                           : all_spent ? " is spent: "
                           : for_good  ? " has too little left for one call: "
                                       : " is held by calls that do not come back: ")
                        + to_string(account.spent) + " of " + to_string(claim.limit.value_or(money{}))
                        + (all_spent ? "" : " spent");
  if (account.leased > money{})
    message += ", " + to_string(account.leased) + " held for calls in flight";
  message += ", and the next call may cost " + to_string(needed);
  auto setting = claim.setting.empty() ? setting_of(claim.key) : claim.setting;
  auto hint = way_out(claim.key, setting);
  if (too_small)
    hint += "; with a lower max_tokens calls may cost less";
  return {errc::budget_exhausted, std::move(message), std::move(setting), std::move(hint)};
}

std::variant<money, budget_refusal> budget_ledger::lease(std::span<const budget_claim> claims, money least,
                                                         money wanted, int64_t part) {
  money amount = std::max(least, wanted);
  for (const auto& claim : claims) {
    if (!claim.limit)
      continue;
    const auto account = find(claim.key);
    const auto left = left_of(claim, account);
    if (left < least)
      return budget_refusal{claim, account, least, *claim.limit - account.spent < least};
    amount = std::min(amount, std::max(least, money{left.nanodollars / part}));
  }
  for (const auto& claim : claims)
    accounts_[claim.key].leased += amount;
  return amount;
}

void budget_ledger::settle(std::span<const budget_key> keys, money released, money spent) {
  for (const auto& key : keys) {
    auto& account = accounts_[key];
    account.leased -= std::min(released, account.leased);
    account.spent += spent;
  }
}

budget_account budget_ledger::find(const budget_key& key) const {
  const auto found = accounts_.find(key);
  return found == accounts_.end() ? budget_account{} : found->second;
}

call_size size_of(std::span<const chat_message> messages, const sampling& parameters,
                  const answer_options* options, uint32_t longest_answer) noexcept {
  call_size out;
  out.messages = static_cast<uint32_t>(messages.size());
  out.max_tokens = parameters.max_tokens.value_or(longest_answer);
  for (const auto& message : messages) {
    out.prompt_bytes += message.content.size();
    if (!message.extras)
      continue;
    out.images += static_cast<uint32_t>(message.extras->images.size());
    out.prompt_bytes += message.extras->name.size() + message.extras->tool_call_id.size();
    for (const auto& call : message.extras->tool_calls)
      out.prompt_bytes += call.id.size() + call.name.size() + call.arguments.size();
  }
  if (!options)
    return out;
  out.choices = options->choices;
  out.prompt_bytes += options->schema_json.size();
  for (const auto& tool : options->tools)
    out.prompt_bytes += tool.name.size() + tool.description.size() + tool.parameters_json.size();
  return out;
}

uint64_t most_prompt_tokens(const call_size& size) noexcept {
  return (size.prompt_bytes + bytes_per_token - 1) / bytes_per_token + size.messages * tokens_per_message
         + size.images * tokens_per_image;
}

std::optional<money> worst_case(const call_size& size, const std::optional<token_prices>& prices) noexcept {
  if (!prices)
    return std::nullopt;
  // Dollars per million tokens are thousands of nanodollars per token.
  constexpr double nanodollars = 1000;
  // A cached token may cost more than a fresh one nowhere, but a wrong price must not make money out of
  // calls.
  const double input = std::max(prices->input_per_mtok, prices->cached_input_per_mtok.value_or(0));
  const double answer = static_cast<double>(size.max_tokens) * std::max<uint32_t>(size.choices, 1);
  const double total =
      static_cast<double>(most_prompt_tokens(size)) * input + answer * prices->output_per_mtok;
  return money{static_cast<int64_t>(std::ceil(std::max(total, 0.0) * nanodollars))};
}

fault over_request_budget(money worst, money limit, const std::string& setting) {
  return {errc::request_over_budget,
          "this call may cost " + to_string(worst) + ", and one may cost at most " + to_string(limit),
          setting, "lower max_tokens, shorten the prompt, or raise the limit"};
}

fault unpriced_under_budget(const std::string& model) {
  return {errc::budget_exhausted, "the prices of model '" + model + "' are unknown, so no budget can be kept",
          "models." + model + ".prices", "give the model its prices, 0 for one that is free"};
}

} // namespace assay::control
