#include "actors/supervision/budget_keeper_detail.hpp"

#include <algorithm>
#include <utility>

namespace assay::budget_keeper_detail {

using control::budget_claim;
using control::budget_scope;

namespace {

std::optional<money> smaller(std::optional<money> a, std::optional<money> b) {
  return a && b ? std::min(*a, *b) : a ? a : b;
}

/// The account of a run. It is kept for every evaluation, also without a limit: by it, what its calls cost is
/// compared with the journal after a fall.
budget_claim claim_of_run(const config_ptr& config, const lease_wish& wish) {
  budget_claim out{
      {budget_scope::run, to_string(account_of(wish)), {}}, smaller(wish.max_cost, config->per_run), {}};
  out.setting = wish.max_cost && out.limit == wish.max_cost ? "max_cost" : "budgets.per_run";
  return out;
}

} // namespace

std::vector<budget_claim> claims_of(const config_ptr& config, const lease_wish& wish,
                                    const model_budgets& model) {
  const auto now = config->wall();
  const auto day = control::utc_day(now);
  std::vector<budget_claim> out;
  if (!wish.interactive)
    out.push_back(claim_of_run(config, wish));
  if (wish.of_batch)
    out.push_back({control::key_of_batches(account_of(wish)), std::nullopt, {}});
  const auto add = [&](budget_scope scope, const std::string& name, const std::string& period,
                       const std::optional<money>& limit) {
    if (limit)
      out.push_back({{scope, name, period}, limit, {}});
  };
  add(budget_scope::day, {}, day, config->per_day);
  add(budget_scope::tenant, wish.tenant.value, day, config->per_tenant);
  add(budget_scope::model_day, wish.model.value, day, model.per_day);
  add(budget_scope::model_month, wish.model.value, control::utc_month(now), model.per_month);
  if (!wish.api_key.empty())
    add(budget_scope::api_key, wish.api_key, day, wish.key_budget);
  return out;
}

void add_request_limit(const config_ptr& config, const lease_wish& wish, const model_budgets& model,
                       lease_granted& out) {
  out.per_request = smaller(config->per_request, model.per_request);
  if (!out.per_request)
    return;
  out.per_request_setting = out.per_request == model.per_request
                                ? "models." + wish.model.value + ".cost_management.max_cost_per_request"
                                : "budgets.per_request";
}

} // namespace assay::budget_keeper_detail
