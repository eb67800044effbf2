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

constexpr std::chrono::seconds flush_timeout{5};

void start_ticking(self_pointer self, const config_ptr& config) {
  if (!std::exchange(self->state.ticking, true))
    self->delayed_send(self, config->tick_interval, tick{});
}

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
  const auto outcome = state.ledger.lease(claims, wish.least, wish.wanted);
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

/// Money has come back: whoever waits is looked at again, in order. A large wish does not stop a small one
/// from another account.
void serve_waiting(self_pointer self, const config_ptr& config) {
  auto waiting = std::exchange(self->state.waiting, {});
  const auto now = self->clock().now();
  for (auto& one : waiting) {
    const auto decided = decide(self, config, one.message, false);
    if (decided == verdict::done)
      continue;
    if (now - one.since < config->patience) {
      self->state.waiting.push_back(std::move(one));
      continue;
    }
    refuse(self, one.message,
           {errc::budget_exhausted, "the rest of a budget is held by calls that do not come back",
            to_string(one.message.wish.run), "wait for the other runs, or raise the budget"},
           decided == verdict::waits_for_model);
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
  const auto taken = config->workers
                     && config->workers->submit([find = config->journaled_cost, count = config->lost_tries,
                                                 run, target = budget_keeper_actor{self}] {
                          run_cost_found news{run, {}, 0, {}};
                          const auto cost = find(run);
                          const auto lost = count ? count(run) : result<uint64_t>{uint64_t{0}};
                          if (cost && lost) {
                            news.cost = *cost;
                            news.lost_tries = *lost;
                          } else {
                            news.error = cost ? lost.error() : cost.error();
                          }
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

/// @returns what the run has cost beyond what is booked: answers, and the worst case of its lost tries. How
/// many tries are lost is known roughly, but each call that was out held money for all that it may be
/// charged.
money missing_of(const budget_keeper_config& config, const run_cost_found& news, money booked, money held,
                 money one_try) {
  const auto answers = std::max(news.cost - booked, money{});
  // Kept from overflowing, whatever the record says.
  const auto most = std::numeric_limits<int64_t>::max() / 4 / std::max<int64_t>(one_try.nanodollars, 1);
  const auto tries = static_cast<int64_t>(std::min(news.lost_tries, static_cast<uint64_t>(most)));
  const auto all = std::max(news.cost + money{one_try.nanodollars * tries} - booked, money{});
  const auto rest = held - std::min(held, answers);
  const money of_calls{rest.nanodollars / std::max<int64_t>(config.charged_tries, 1)};
  return answers + std::min(all - answers, of_calls);
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
  append_batch rows;
  std::vector<std::pair<uint64_t, money>> orphans;
  money held;
  money one_try;
  for (const auto& [id, lease] : state.leases)
    if (lease.account == news.run && !lease.holder && !lease.interactive) {
      orphans.emplace_back(id, lease.left);
      held += lease.left;
      one_try = std::max(one_try, lease.one_try);
    }
  auto missing = missing_of(*config, news, booked, held, one_try);
  for (const auto& [id, left] : orphans) {
    const auto spent = std::min(missing, left);
    missing -= spent;
    const auto& lease = state.leases.at(id);
    settle(self, config, rows, {lease.run, lease.target, id, spent, left - spent});
    if (const auto rest = state.leases.find(id); rest != state.leases.end()) {
      erase_lease(rows, id);
      state.leases.erase(rest);
    }
  }
  write(self, config, std::move(rows));
  serve_waiting(self, config);
}

/// Nothing in the store tells what these have cost: they count as spent.
void spend_unrecorded(self_pointer self, const config_ptr& config) {
  auto& state = self->state;
  append_batch rows;
  std::vector<lease_settlement> lost;
  for (const auto& [id, lease] : state.leases)
    if (!lease.holder && lease.interactive)
      lost.push_back({lease.run, lease.target, id, lease.left, money{}});
  for (const auto& part : lost)
    settle(self, config, rows, part);
  write(self, config, std::move(rows));
}

void on_down(self_pointer self, const config_ptr& config, const caf::down_msg& down) {
  auto& state = self->state;
  state.watched.erase(down.source);
  for (auto& [id, lease] : state.leases)
    if (lease.holder && lease.holder.address() == down.source) {
      lease.holder = lease_holder_actor{};
      if (!lease.interactive)
        state.orphaned.insert(lease.account);
    }
  std::erase_if(state.waiting, [&](const auto& one) { return one.message.holder.address() == down.source; });
  std::erase_if(state.grants, [&](const auto& one) { return one.holder.address() == down.source; });
  spend_unrecorded(self, config);
  reconcile(self, config);
  serve_waiting(self, config);
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
      [self, config](const read_budgets&) { return present(self->state, config); },
      [self, config](const read_gauges&) { return read_all(self->state, config); },
      [self, config](const run_cost_found& news) { on_cost_found(self, config, news); },
      [self, config](const tick&) { on_tick(self, config); },
  };
}

} // namespace assay
