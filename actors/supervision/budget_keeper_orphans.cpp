#include "actors/supervision/budget_keeper_detail.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <limits>
#include <utility>

namespace assay::budget_keeper_detail {

namespace {

constexpr std::chrono::seconds flush_timeout{5};

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

/// Of batches that were never made.
void return_whole(self_pointer self, const config_ptr& config, const std::vector<uint64_t>& leases) {
  append_batch rows;
  for (const auto id : leases) {
    const auto& lease = self->state.leases.at(id);
    settle(self, config, rows, {lease.run, lease.target, id, money{}, lease.left, true});
  }
  write(self, config, std::move(rows));
}

} // namespace

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
  // What its batches have cost may not be among the stored answers yet: only the rest is compared with them,
  // which may count too much and never too little.
  const auto booked = state.ledger.find({control::budget_scope::run, to_string(news.run), {}}).spent
                      - state.ledger.find(control::key_of_batches(news.run)).spent;
  append_batch rows;
  std::vector<std::pair<uint64_t, money>> orphans;
  money held;
  money one_try;
  for (const auto& [id, lease] : state.leases)
    if (lease.account == news.run && !lease.holder && !lease.interactive && !lease.of_batch) {
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

void on_take_over(self_pointer self, const config_ptr& config, const take_over_leases& wish) {
  auto& state = self->state;
  state.desk = wish.holder.address();
  if (state.watched.insert(state.desk).second)
    self->monitor(wish.holder);
  std::vector<uint64_t> never_made;
  for (auto& [id, lease] : state.leases) {
    if (!lease.of_batch || lease.holder == wish.holder)
      continue;
    if (std::ranges::find(wish.leases, id) == wish.leases.end())
      never_made.push_back(id);
    else
      lease.holder = wish.holder;
  }
  return_whole(self, config, never_made);
  serve_waiting(self, config);
  start_ticking(self, config);
}

void on_down(self_pointer self, const config_ptr& config, const caf::down_msg& down) {
  auto& state = self->state;
  state.watched.erase(down.source);
  std::vector<uint64_t> never_made;
  for (auto& [id, lease] : state.leases)
    if (lease.holder && lease.holder.address() == down.source) {
      lease.holder = lease_holder_actor{};
      if (!lease.interactive && !lease.of_batch)
        state.orphaned.insert(lease.account);
      // Granted to a desk whose successor has named its batches already.
      if (lease.of_batch && state.desk && state.desk != down.source)
        never_made.push_back(id);
    }
  std::erase_if(state.waiting, [&](const auto& one) { return one.message.holder.address() == down.source; });
  std::erase_if(state.grants, [&](const auto& one) { return one.holder.address() == down.source; });
  return_whole(self, config, never_made);
  spend_unrecorded(self, config);
  reconcile(self, config);
  serve_waiting(self, config);
}

} // namespace assay::budget_keeper_detail
