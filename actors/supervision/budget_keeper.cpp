#include "actors/supervision/budget_keeper.hpp"

#include "actors/supervision/budget_keeper_detail.hpp"
#include "protocol/errors.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <limits>
#include <utility>

namespace assay {

using namespace budget_keeper_detail;

namespace {

using control::budget_claim;
using control::budget_key;
using control::budget_refusal;
using control::budget_scope;

bool is_limited(const std::vector<budget_claim>& claims, const lease_granted& answer) {
  return answer.per_request
         || std::ranges::any_of(claims, [](const budget_claim& one) { return one.limit.has_value(); });
}

// -- alerts ------------------------------------------------------------------------------------------------

void tell(const config_ptr& config, const budget_alert& alert) {
  if (config->on_alert)
    config->on_alert(alert);
  spdlog::warn("budget account={} spent={} limit={} share={}", to_string(alert.key), to_string(alert.spent),
               to_string(alert.limit), alert.share);
}

/// Tells of each threshold once, also over restarts.
void look_at_threshold(self_pointer self, const config_ptr& config, const budget_key& key) {
  auto& state = self->state;
  const auto limit = state.limits.find(key);
  if (limit == state.limits.end() || limit->second <= money{})
    return;
  const auto spent = state.ledger.find(key).spent;
  const double share = to_dollars(spent) / to_dollars(limit->second);
  auto& told = state.alerted[key];
  std::optional<double> reached;
  while (told < config->alert_at.size() && share >= config->alert_at[told])
    reached = config->alert_at[told++];
  // Only the highest one: a large step is one piece of news.
  if (reached)
    tell(config, {key, spent, limit->second, *reached});
}

// -- granting ----------------------------------------------------------------------------------------------

using recalled_lanes = std::set<std::pair<caf::actor_addr, control::purse_lane>>;

/// A lane hears it once, however many leases it has.
void recall(self_pointer self, const open_lease& lease, recalled_lanes& asked) {
  if (asked.emplace(lease.holder.address(), control::purse_lane{lease.run, lease.target}).second)
    self->send(lease.holder, lease_recalled{lease.run, lease.target});
}

void recall_from_others(self_pointer self, const lease_wish& wish, const budget_key& key) {
  recalled_lanes asked;
  for (const auto& [id, lease] : self->state.leases) {
    const bool own = lease.run == wish.run && lease.target == wish.target;
    if (lease.holder && !own && std::ranges::find(lease.keys, key) != lease.keys.end())
      recall(self, lease, asked);
  }
}

void refuse(self_pointer self, const request_lease& wish, fault reason, bool of_model = false) {
  self->send(wish.holder, lease_refused{wish.wish.run, wish.wish.target, std::move(reason), of_model});
}

bool is_of_model(control::budget_scope scope) {
  return scope == control::budget_scope::model_day || scope == control::budget_scope::model_month;
}

void grant(self_pointer self, const config_ptr& config, const request_lease& message,
           const std::vector<budget_claim>& claims, money amount, lease_granted answer) {
  auto& state = self->state;
  // Enough for calls that cost nothing; there is nothing to book.
  if (amount == money{}) {
    answer.lease = state.next_lease++;
    return self->send(message.holder, std::move(answer));
  }
  const auto id = state.next_lease++;
  open_lease lease;
  lease.run = message.wish.run;
  lease.target = message.wish.target;
  lease.account = account_of(message.wish);
  lease.left = amount;
  lease.holder = message.holder;
  lease.one_try = message.wish.one_try;
  lease.interactive = message.wish.interactive;
  lease.of_batch = message.wish.of_batch;
  append_batch rows;
  for (const auto& claim : claims) {
    lease.keys.push_back(claim.key);
    if (claim.limit)
      state.limits[claim.key] = *claim.limit;
    put_account(state, rows, claim.key);
  }
  put_lease(rows, id, lease);
  state.keys_of_lane[{lease.run, lease.target}] = lease.keys;
  state.leases.emplace(id, std::move(lease));
  write(self, config, std::move(rows));
  answer.lease = id;
  answer.amount = amount;
  state.grants.push_back({state.next_watermark, std::move(answer), message.holder});
}

enum class verdict : uint8_t { done, waits, waits_for_model };

verdict decide(self_pointer self, const config_ptr& config, const request_lease& message, bool first) {
  auto& state = self->state;
  const auto& wish = message.wish;
  const auto model = config->find_model ? config->find_model(wish.model) : model_budgets{};
  lease_granted answer;
  answer.run = wish.run;
  answer.target = wish.target;
  add_request_limit(config, wish, model, answer);
  const auto claims = claims_of(config, wish, model);
  if (!is_limited(claims, answer)) {
    answer.unlimited = true;
    self->send(message.holder, std::move(answer));
    return verdict::done;
  }
  if (state.failed) {
    refuse(self, message, *state.failed);
    return verdict::done;
  }
  // A batch is made once: what it cannot have now waits for the next.
  const auto outcome = wish.of_batch ? state.ledger.lease(claims, wish.least, wish.wanted, 1)
                                     : state.ledger.lease(claims, wish.least, wish.wanted);
  if (const auto* amount = std::get_if<money>(&outcome)) {
    grant(self, config, message, claims, *amount, std::move(answer));
    return verdict::done;
  }
  const auto& refusal = std::get<budget_refusal>(outcome);
  const bool of_model = is_of_model(refusal.claim.key.scope);
  if (refusal.for_good || state.waiting.size() >= config->max_waiting) {
    refuse(self, message, to_fault(refusal), of_model);
    return verdict::done;
  }
  if (first)
    recall_from_others(self, wish, refusal.claim.key);
  return of_model ? verdict::waits_for_model : verdict::waits;
}

void turn_day(self_pointer self, const config_ptr& config);

void on_request(self_pointer self, const config_ptr& config, const request_lease& message) {
  auto& state = self->state;
  turn_day(self, config);
  if (state.watched.insert(message.holder.address()).second)
    self->monitor(message.holder);
  if (decide(self, config, message, true) == verdict::done)
    return;
  state.waiting.push_back({message, self->clock().now()});
  start_ticking(self, config);
}

// -- settling ----------------------------------------------------------------------------------------------

void book(self_pointer self, const config_ptr& config, append_batch& rows,
          const std::vector<budget_key>& keys, money released, money spent) {
  self->state.ledger.settle(keys, released, spent);
  for (const auto& key : keys) {
    look_at_threshold(self, config, key);
    put_account(self->state, rows, key);
  }
}

} // namespace

namespace budget_keeper_detail {

void start_ticking(self_pointer self, const config_ptr& config) {
  if (!std::exchange(self->state.ticking, true))
    self->delayed_send(self, config->tick_interval, tick{});
}

void settle(self_pointer self, const config_ptr& config, append_batch& rows, const lease_settlement& part) {
  auto& state = self->state;
  const auto found = state.leases.find(part.lease);
  if (found == state.leases.end()) {
    // A batch is settled once and as a whole; whoever has taken it over since does not know of it.
    if (part.of_batch)
      return;
    // Another call of the same lease cost more than its worst case and used it up; this one is paid all the
    // same.
    if (const auto keys = state.keys_of_lane.find({part.run, part.target}); keys != state.keys_of_lane.end())
      book(self, config, rows, keys->second, money{}, part.spent);
    return;
  }
  auto& lease = found->second;
  const auto released = std::min(part.spent + part.returned, lease.left);
  lease.left -= released;
  book(self, config, rows, lease.keys, released, part.spent);
  if (lease.left > money{}) {
    put_lease(rows, part.lease, lease);
  } else {
    erase_lease(rows, part.lease);
    state.leases.erase(found);
  }
}

void serve_waiting(self_pointer self, const config_ptr& config) {
  auto waiting = std::exchange(self->state.waiting, {});
  const auto now = self->clock().now();
  for (auto& one : waiting) {
    const auto decided = decide(self, config, one.message, false);
    if (decided == verdict::done)
      continue;
    if (one.message.wish.patient || now - one.since < config->patience) {
      self->state.waiting.push_back(std::move(one));
      continue;
    }
    refuse(self, one.message,
           {errc::budget_exhausted, "the rest of a budget is held by calls that do not come back",
            to_string(one.message.wish.run), "wait for the other runs, or raise the budget"},
           decided == verdict::waits_for_model);
  }
}

} // namespace budget_keeper_detail

namespace {

void on_settled(self_pointer self, const config_ptr& config, const leases_settled& news) {
  append_batch rows;
  for (const auto& part : news.parts)
    settle(self, config, rows, part);
  // Nobody waits for this commit: until it is durable, the lease counts as spent.
  write(self, config, std::move(rows));
  serve_waiting(self, config);
}

// -- time --------------------------------------------------------------------------------------------------

bool is_past(const budget_key& key, wall_time now, std::chrono::days remembered) {
  if (key.scope == budget_scope::run) {
    const auto run = run_id_from_string(key.name.substr(0, key.name.find('/')));
    return !run || now - wall_time{seconds{static_cast<int64_t>(run->value >> 32)}} > remembered;
  }
  const auto oldest = control::utc_day(now - remembered);
  return key.period < oldest.substr(0, key.period.size());
}

/// A new day has new accounts. Leases of the old one come back, so that its calls are booked to the day on
/// which they were reserved and later ones are not.
void turn_day(self_pointer self, const config_ptr& config) {
  auto& state = self->state;
  const auto now = config->wall();
  auto today = control::utc_day(now);
  if (std::exchange(state.today, today) == today)
    return;
  recalled_lanes asked;
  std::set<budget_key> in_use;
  std::set<control::purse_lane> active;
  for (const auto& [id, lease] : state.leases) {
    in_use.insert(lease.keys.begin(), lease.keys.end());
    active.insert({lease.run, lease.target});
    const bool of_another_day = std::ranges::any_of(lease.keys, [&](const budget_key& key) {
      return !key.period.empty() && key.period != today.substr(0, key.period.size());
    });
    if (of_another_day && lease.holder)
      recall(self, lease, asked);
  }
  std::erase_if(state.keys_of_lane, [&](const auto& one) { return !active.contains(one.first); });
  append_batch rows;
  std::vector<budget_key> past;
  for (const auto& [key, account] : state.ledger.all())
    if (!in_use.contains(key) && is_past(key, now, config->remembered))
      past.push_back(key);
  for (const auto& key : past) {
    state.ledger.forget(key);
    state.limits.erase(key);
    state.alerted.erase(key);
    erase_account(rows, key);
  }
  write(self, config, std::move(rows));
  serve_waiting(self, config);
}

void on_tick(self_pointer self, const config_ptr& config) {
  self->state.ticking = false;
  turn_day(self, config);
  reconcile(self, config);
  serve_waiting(self, config);
  tell_monitor(self, config);
  // The monitor hears of a new day though nothing else happens.
  const bool some_told = config->monitor && !self->state.limits.empty();
  if (!self->state.leases.empty() || !self->state.waiting.empty() || !self->state.orphaned.empty()
      || some_told)
    start_ticking(self, config);
}

void on_committed(self_pointer self, const config_ptr& config, const committed& news) {
  auto& state = self->state;
  while (!state.grants.empty() && state.grants.front().watermark <= news.watermark) {
    auto one = std::move(state.grants.front());
    state.grants.pop_front();
    if (news.error) {
      self->send(one.holder, lease_refused{one.message.run, one.message.target, *news.error});
      const auto lease = state.leases.find(one.message.lease);
      if (lease != state.leases.end()) {
        state.ledger.settle(lease->second.keys, lease->second.left, money{});
        state.leases.erase(lease);
      }
      continue;
    }
    self->send(one.holder, std::move(one.message));
  }
  if (news.error && (news.error->code == errc::store_full || news.error->code == errc::store_failed))
    state.failed = news.error;
  if (!state.leases.empty())
    start_ticking(self, config);
}

} // namespace

budget_keeper_actor::behavior_type budget_keeper(self_pointer self, budget_keeper_config given) {
  const auto config = std::make_shared<const budget_keeper_config>(std::move(given));
  auto& state = self->state;
  state.today = control::utc_day(config->wall());
  if (auto recalled = recall_rows(state, config); !recalled)
    self->quit(to_caf_error(recalled.error()));
  self->set_down_handler([self, config](const caf::down_msg& down) { on_down(self, config, down); });
  spend_unrecorded(self, config);
  reconcile(self, config);
  tell_monitor(self, config);
  if (config->monitor && !state.limits.empty())
    start_ticking(self, config);
  return {
      [self, config](const committed& news) { on_committed(self, config, news); },
      [self, config](const request_lease& message) { on_request(self, config, message); },
      [self, config](const leases_settled& news) { on_settled(self, config, news); },
      [self, config](const take_over_leases& wish) { on_take_over(self, config, wish); },
      [self, config](const read_budgets&) { return present(self->state, config); },
      [self, config](const read_gauges&) { return read_all(self->state, config); },
      [self, config](const run_cost_found& news) { on_cost_found(self, config, news); },
      [self, config](const tick&) { on_tick(self, config); },
  };
}

} // namespace assay
