#include "actors/supervision/budget_keeper_detail.hpp"

#include <utility>

namespace assay::budget_keeper_detail {

using control::budget_scope;

budget_states present(const budget_keeper_state& state, const config_ptr& config) {
  budget_states out;
  out.at = config->wall();
  const auto today = control::utc_day(out.at);
  for (const auto& [key, limit] : state.limits) {
    if (key.scope == budget_scope::run || !today.starts_with(key.period))
      continue;
    const auto account = state.ledger.find(key);
    budget_state one;
    one.scope = to_string(key.scope);
    one.name = key.name;
    one.limit = limit;
    one.spent = account.spent;
    one.leased = account.leased;
    one.alert_above = limit;
    if (!config->alert_at.empty())
      one.alert_above = from_dollars(to_dollars(limit) * config->alert_at.front());
    one.resets_at = control::next_period(key.scope, out.at).value_or(wall_time{});
    out.budgets.push_back(std::move(one));
  }
  return out;
}

void tell_monitor(self_pointer self, const config_ptr& config) {
  if (!config->monitor)
    return;
  auto now = present(self->state, config).budgets;
  if (now == self->state.told)
    return;
  self->state.told = now;
  self->send(config->monitor, observe_budgets{std::move(now)});
}

gauges read_all(const budget_keeper_state& state, const config_ptr& config) {
  gauges out;
  out.values.push_back({metric::budget_waiting_lanes, {}, static_cast<double>(state.waiting.size())});
  for (const auto& one : present(state, config).budgets) {
    const std::vector<std::string> labels{one.scope, one.name};
    out.values.push_back({metric::budget_spent_dollars, labels, to_dollars(one.spent)});
    out.values.push_back({metric::budget_held_dollars, labels, to_dollars(one.leased)});
    out.values.push_back({metric::budget_limit_dollars, labels, to_dollars(one.limit)});
  }
  return out;
}

} // namespace assay::budget_keeper_detail
