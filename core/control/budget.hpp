#pragma once

#include "core/values/conversation.hpp"
#include "core/values/errors.hpp"
#include "core/values/ids.hpp"
#include "core/values/model.hpp"
#include "core/values/money.hpp"
#include "core/values/time.hpp"

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace assay::control {

/// What a budget is about. One of a single call has no account: see over_request_budget().
enum class budget_scope : uint8_t {
  run = 1,
  day = 2,         ///< Of the whole farm.
  tenant = 3,      ///< Of one user, a day.
  model_day = 4,   ///< Of one model.
  model_month = 5, ///< Of one model.
  api_key = 6,     ///< Of one key of this farm's API, a day.
};

std::string_view to_string(budget_scope scope) noexcept;

/// @returns the day of @p time in UTC: `2024-05-31`.
std::string utc_day(wall_time time);
/// @returns the month of @p time in UTC: `2024-05`.
std::string utc_month(wall_time time);

/// What names the budget of a run in faults.
inline constexpr std::string_view setting_of_run_budget = "max_cost";

/// @returns when a new account of that scope begins: the end of the day or month, in UTC. Nothing for a run.
std::optional<wall_time> next_period(budget_scope scope, wall_time now);

/// Names one account. Those of days and months are new in each.
struct budget_key {
  budget_scope scope = budget_scope::day;
  std::string name;   ///< Of the run, tenant, model or key; empty for the farm.
  std::string period; ///< Day or month; empty for a run.

  auto operator<=>(const budget_key&) const = default;
};

/// @returns the account that counts what the batches of a run cost, apart from its other calls.
budget_key key_of_batches(run_id run);

/// @returns a name for the store: `model_day|gpt-4o|2024-05-31`.
std::string to_string(const budget_key& key);
std::optional<budget_key> budget_key_from_string(std::string_view text);

/// What has gone out of an account, and what may still go out because somebody holds it.
struct budget_account {
  money spent;
  money leased;

  bool operator==(const budget_account&) const = default;
};

/// An account that a lease takes from. Without a limit it only keeps count.
struct budget_claim {
  budget_key key;
  std::optional<money> limit;
  std::string setting = {}; ///< Where the limit is set, when its scope does not tell.

  bool operator==(const budget_claim&) const = default;
};

/// The account that has too little left.
struct budget_refusal {
  budget_claim claim;
  budget_account account;
  money needed;
  /// Nothing comes back: even when everything that others hold is returned, it is too little.
  bool for_good = true;
};

/// Tells how the reader gets on. @param model For budgets of a model.
fault to_fault(const budget_refusal& refusal);

/// The accounts. Money leaves one only by leases; spent and leased together never exceed a limit by them.
class budget_ledger {
public:
  /// Takes between @p least and @p wanted from all accounts of @p claims, or from none. Takes at most that
  /// @p part of what is left when that is more than @p least: with a quarter, others get something too.
  std::variant<money, budget_refusal> lease(std::span<const budget_claim> claims, money least, money wanted,
                                            int64_t part = 4);

  /// @p released of a lease is spent or comes back. @param spent May be more than @p released, when a call
  /// cost more than its worst case was thought to be: that is counted, too.
  void settle(std::span<const budget_key> keys, money released, money spent);

  budget_account find(const budget_key& key) const;
  const std::map<budget_key, budget_account>& all() const noexcept { return accounts_; }
  /// Sets what an earlier process left.
  void restore(const budget_key& key, const budget_account& account) { accounts_[key] = account; }
  void forget(const budget_key& key) { accounts_.erase(key); }

private:
  std::map<budget_key, budget_account> accounts_;
};

/// What a call may cost at most, at the prices that its run has pinned.
struct call_size {
  uint64_t prompt_bytes = 0;
  uint32_t messages = 0;
  uint32_t images = 0;
  uint32_t max_tokens = 0; ///< Of the answer. Never 0: take the model's, or an assumption.
  uint32_t choices = 1;
};

/// @param longest_answer Taken when @p parameters name no max_tokens: what the model can do at most, or an
/// assumption. @param options Null when nothing beyond sampling is asked; its tools and schema are sent, too.
call_size size_of(std::span<const chat_message> messages, const sampling& parameters,
                  const answer_options* options, uint32_t longest_answer) noexcept;

/// @returns an upper estimate of the tokens of a prompt: a token for each three bytes (English has more than
/// four to one, Chinese three), eight for each turn and 2,000 for each image.
uint64_t most_prompt_tokens(const call_size& size) noexcept;

/// @returns the price of the whole prompt and the longest answer, rounded up; nothing when prices are
/// unknown.
std::optional<money> worst_case(const call_size& size, const std::optional<token_prices>& prices) noexcept;

/// The fault of a call that alone may cost more than is allowed for one.
/// @param setting Which one says so: `budgets.per_request`.
fault over_request_budget(money worst, money limit, const std::string& setting);

/// The fault of a call that nobody can price and that a budget is about.
fault unpriced_under_budget(const std::string& model);

} // namespace assay::control
