#include "actors/supervision/budget_keeper.hpp"

#include "actors/supervision/budget_keeper_detail.hpp"
#include "protocol/errors.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

namespace assay {

using namespace budget_keeper_detail;

namespace {

using control::budget_claim;
using control::budget_key;
using control::budget_refusal;
using control::budget_scope;

constexpr std::chrono::seconds flush_timeout{5};

void start_ticking(self_pointer self, const config_ptr& config) {
  if (!std::exchange(self->state.ticking, true))
    self->delayed_send(self, config->tick_interval, tick{});
}

// -- claims ------------------------------------------------------------------------------------------------

std::optional<money> smaller(std::optional<money> a, std::optional<money> b) {
  return a && b ? std::min(*a, *b) : a ? a : b;
}

/// All accounts that a lane's money comes from. The run's own is always among them: by it, what its calls
/// cost is compared with the journal after a fall.
std::vector<budget_claim> claims_of(const config_ptr& config, const lease_wish& wish,
                                    const model_budgets& model) {
  const auto now = config->wall();
  const auto day = control::utc_day(now);
  std::vector<budget_claim> out;
  out.push_back({{budget_scope::run, to_string(wish.run), {}}, smaller(wish.max_cost, config->per_run)});
  if (config->per_day)
    out.push_back({{budget_scope::day, {}, day}, config->per_day});
  if (config->per_tenant)
    out.push_back({{budget_scope::tenant, wish.tenant.value, day}, config->per_tenant});
  if (model.per_day)
    out.push_back({{budget_scope::model_day, wish.model.value, day}, model.per_day});
  if (model.per_month)
    out.push_back({{budget_scope::model_month, wish.model.value, control::utc_month(now)}, model.per_month});
  return out;
}

/// The limit of one call, and which setting says so.
void add_request_limit(const config_ptr& config, const lease_wish& wish, const model_budgets& model,
                       lease_granted& out) {
  out.per_request = smaller(config->per_request, model.per_request);
  if (!out.per_request)
    return;
  out.per_request_setting = out.per_request == model.per_request
                                ? "models." + wish.model.value + ".cost_management.max_cost_per_request"
                                : "budgets.per_request";
}

bool is_limited(const std::vector<budget_claim>& claims, const lease_granted& answer) {
  return answer.per_request
         || std::ranges::any_of(claims, [](const budget_claim& one) { return one.limit.has_value(); });
}

// -- alerts ------------------------------------------------------------------------------------------------

void tell(const config_ptr& config, const budget_alert& alert) {
  if (config->on_alert)
    return config->on_alert(alert);
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

void recall_from_others(self_pointer self, const lease_wish& wish, const budget_key& key) {
  std::set<std::pair<caf::actor_addr, run_id>> asked;
  for (const auto& [id, lease] : self->state.leases) {
    if (!lease.holder || lease.run == wish.run || std::ranges::find(lease.keys, key) == lease.keys.end())
      continue;
    if (asked.emplace(lease.holder.address(), lease.run).second)
      self->send(lease.holder, lease_recalled{lease.run});
  }
}

void refuse(self_pointer self, const request_lease& wish, fault reason) {
  self->send(wish.holder, lease_refused{wish.wish.run, std::move(reason)});
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
  open_lease lease{message.wish.run, {}, amount, message.holder};
  append_batch rows;
  for (const auto& claim : claims) {
    lease.keys.push_back(claim.key);
    if (claim.limit)
      state.limits[claim.key] = *claim.limit;
    put_account(state, rows, claim.key);
  }
  put_lease(rows, id, lease);
  state.keys_of_run[lease.run] = lease.keys;
  state.leases.emplace(id, std::move(lease));
  write(self, config, std::move(rows));
  answer.lease = id;
  answer.amount = amount;
  state.grants.push_back({state.next_watermark, std::move(answer), message.holder});
}

enum class verdict : uint8_t { done, waits };

verdict decide(self_pointer self, const config_ptr& config, const request_lease& message, bool first) {
  auto& state = self->state;
  const auto& wish = message.wish;
  const auto model = config->find_model ? config->find_model(wish.model) : model_budgets{};
  lease_granted answer;
  answer.run = wish.run;
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
  const auto outcome = state.ledger.lease(claims, wish.least, wish.wanted);
  if (const auto* amount = std::get_if<money>(&outcome)) {
    grant(self, config, message, claims, *amount, std::move(answer));
    return verdict::done;
  }
  const auto& refusal = std::get<budget_refusal>(outcome);
  if (refusal.for_good || state.waiting.size() >= config->max_waiting) {
    refuse(self, message, to_fault(refusal));
    return verdict::done;
  }
  if (first)
    recall_from_others(self, wish, refusal.claim.key);
  return verdict::waits;
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

/// Money has come back: whoever waits is looked at again, in order. A large wish does not stop a small one
/// from another account.
void serve_waiting(self_pointer self, const config_ptr& config) {
  auto waiting = std::exchange(self->state.waiting, {});
  const auto now = self->clock().now();
  for (auto& one : waiting) {
    if (decide(self, config, one.message, false) == verdict::done)
      continue;
    if (now - one.since < config->patience) {
      self->state.waiting.push_back(std::move(one));
      continue;
    }
    refuse(self, one.message,
           {errc::budget_exhausted, "the rest of a budget is held by calls that do not come back",
            to_string(one.message.wish.run), "wait for the other runs, or raise the budget"});
  }
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

void settle(self_pointer self, const config_ptr& config, append_batch& rows, const lease_settlement& part) {
  auto& state = self->state;
  const auto found = state.leases.find(part.lease);
  if (found == state.leases.end()) {
    // Another call of the same lease cost more than its worst case and used it up; this one is paid all the
    // same.
    if (const auto keys = state.keys_of_run.find(part.run); keys != state.keys_of_run.end())
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

void on_settled(self_pointer self, const config_ptr& config, const leases_settled& news) {
  append_batch rows;
  for (const auto& part : news.parts)
    settle(self, config, rows, part);
  // Nobody waits for this commit: until it is durable, the lease counts as spent.
  write(self, config, std::move(rows));
  serve_waiting(self, config);
}

// -- leases that nobody holds ------------------------------------------------------------------------------

void look_up_cost(self_pointer self, const config_ptr& config, run_id run) {
  const auto taken =
      config->workers
      && config->workers->submit([find = config->journaled_cost, run, target = budget_keeper_actor{self}] {
           run_cost_found news{run, {}, {}};
           if (auto cost = find(run))
             news.cost = *cost;
           else
             news.error = cost.error();
           caf::anon_send(target, std::move(news));
         });
  if (!taken)
    self->state.looking_up.erase(run);
}

/// Answers may still be on their way to the store: they count, too.
void reconcile(self_pointer self, const config_ptr& config) {
  auto& state = self->state;
  if (!config->journaled_cost)
    return;
  std::vector<run_id> fresh;
  for (const auto run : state.orphaned)
    if (state.looking_up.insert(run).second)
      fresh.push_back(run);
  if (fresh.empty())
    return;
  start_ticking(self, config);
  self->request(config->journal, flush_timeout, flush_journal{})
      .then(
          [self, config, fresh](const committed&) {
            for (const auto run : fresh)
              look_up_cost(self, config, run);
          },
          [self, fresh](const caf::error&) {
            // Tried again with the next tick; meanwhile the leases count as spent.
            for (const auto run : fresh)
              self->state.looking_up.erase(run);
          });
}

void on_cost_found(self_pointer self, const config_ptr& config, const run_cost_found& news) {
  auto& state = self->state;
  state.looking_up.erase(news.run);
  if (news.error) {
    spdlog::warn("budget keeper cannot tell what a run has cost run={} reason=\"{}\"", to_string(news.run),
                 to_string(*news.error));
    return start_ticking(self, config);
  }
  state.orphaned.erase(news.run);
  const auto booked = state.ledger.find({budget_scope::run, to_string(news.run), {}}).spent;
  auto missing = std::max(news.cost - booked, money{});
  append_batch rows;
  std::vector<std::pair<uint64_t, money>> orphans;
  for (const auto& [id, lease] : state.leases)
    if (lease.run == news.run && !lease.holder)
      orphans.emplace_back(id, lease.left);
  for (const auto& [id, left] : orphans) {
    const auto spent = std::min(missing, left);
    missing -= spent;
    settle(self, config, rows, {news.run, id, spent, left - spent});
    if (const auto rest = state.leases.find(id); rest != state.leases.end()) {
      erase_lease(rows, id);
      state.leases.erase(rest);
    }
  }
  write(self, config, std::move(rows));
  serve_waiting(self, config);
}

void on_down(self_pointer self, const config_ptr& config, const caf::down_msg& down) {
  auto& state = self->state;
  state.watched.erase(down.source);
  for (auto& [id, lease] : state.leases)
    if (lease.holder && lease.holder.address() == down.source) {
      lease.holder = lease_holder_actor{};
      state.orphaned.insert(lease.run);
    }
  std::erase_if(state.waiting, [&](const auto& one) { return one.message.holder.address() == down.source; });
  std::erase_if(state.grants, [&](const auto& one) { return one.holder.address() == down.source; });
  reconcile(self, config);
}

// -- time --------------------------------------------------------------------------------------------------

bool is_past(const budget_key& key, wall_time now, std::chrono::days remembered) {
  if (key.scope == budget_scope::run) {
    const auto run = run_id_from_string(key.name);
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
  std::set<std::pair<caf::actor_addr, run_id>> asked;
  std::set<budget_key> in_use;
  std::set<run_id> active;
  for (const auto& [id, lease] : state.leases) {
    in_use.insert(lease.keys.begin(), lease.keys.end());
    active.insert(lease.run);
    const bool of_another_day = std::ranges::any_of(lease.keys, [&](const budget_key& key) {
      return !key.period.empty() && key.period != today.substr(0, key.period.size());
    });
    if (of_another_day && lease.holder && asked.emplace(lease.holder.address(), lease.run).second)
      self->send(lease.holder, lease_recalled{lease.run});
  }
  std::erase_if(state.keys_of_run, [&](const auto& one) { return !active.contains(one.first); });
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
  if (!self->state.leases.empty() || !self->state.waiting.empty() || !self->state.orphaned.empty())
    start_ticking(self, config);
}

void on_committed(self_pointer self, const config_ptr& config, const committed& news) {
  auto& state = self->state;
  while (!state.grants.empty() && state.grants.front().watermark <= news.watermark) {
    auto one = std::move(state.grants.front());
    state.grants.pop_front();
    if (news.error) {
      self->send(one.holder, lease_refused{one.message.run, *news.error});
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

gauges read(const budget_keeper_state& state) {
  gauges out;
  out.values.push_back({metric::budget_waiting_lanes, {}, static_cast<double>(state.waiting.size())});
  for (const auto& [key, limit] : state.limits) {
    const bool present = key.period.empty() || state.today.starts_with(key.period);
    // Runs come and go; their budgets are in their own records.
    if (!present || key.scope == budget_scope::run)
      continue;
    const auto account = state.ledger.find(key);
    const std::vector<std::string> labels{std::string(to_string(key.scope)), key.name};
    out.values.push_back({metric::budget_spent_dollars, labels, to_dollars(account.spent)});
    out.values.push_back({metric::budget_held_dollars, labels, to_dollars(account.leased)});
    out.values.push_back({metric::budget_limit_dollars, labels, to_dollars(limit)});
  }
  return out;
}

} // namespace

budget_keeper_actor::behavior_type budget_keeper(self_pointer self, budget_keeper_config given) {
  const auto config = std::make_shared<const budget_keeper_config>(std::move(given));
  auto& state = self->state;
  state.today = control::utc_day(config->wall());
  if (auto recalled = recall_rows(state, config); !recalled)
    self->quit(to_caf_error(recalled.error()));
  self->set_down_handler([self, config](const caf::down_msg& down) { on_down(self, config, down); });
  reconcile(self, config);
  return {
      [self, config](const committed& news) { on_committed(self, config, news); },
      [self, config](const request_lease& message) { on_request(self, config, message); },
      [self, config](const leases_settled& news) { on_settled(self, config, news); },
      [self](const read_gauges&) { return read(self->state); },
      [self, config](const run_cost_found& news) { on_cost_found(self, config, news); },
      [self, config](const tick&) { on_tick(self, config); },
  };
}

} // namespace assay
