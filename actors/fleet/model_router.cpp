#include "actors/fleet/model_router.hpp"

#include "actors/fleet/model_router_detail.hpp"

#include <algorithm>
#include <utility>

namespace assay {

using namespace router_detail;

namespace {

void announce(self_pointer self, const lane_state& lane, const lane_target& target) {
  const auto found = self->state.providers.find(target.model.provider);
  if (found != self->state.providers.end() && found->second.target)
    self->send(found->second.target, open_lane{lane_at(lane, target), own_sink(self)});
}

/// Bits tell the targets apart.
constexpr size_t most_targets = 64;

std::vector<lane_target> targets_of(self_pointer self, const lane& where) {
  std::vector<lane_target> out;
  for (const auto& model : where.route.models)
    if (out.size() < most_targets)
      out.push_back({model, nullptr, 0, true, {}});
  if (out.empty())
    out.push_back(
        {{where.model, where.provider, where.wire_model, where.prices, 1, {}}, nullptr, 0, true, {}});
  for (auto& target : out)
    target.seen = &self->state.records[{target.model.provider, target.model.model}];
  return out;
}

/// A standby's window is no room as long as it stands by, nor is that of a model whose budget is spent.
uint32_t credit_for(const lane_state& lane) {
  uint32_t sum = 0;
  for (const auto& target : lane.targets) {
    if (!target.available || target.spent_until)
      continue;
    sum += target.credit;
    if (lane.strategy == route_strategy::in_order && target.credit > 0)
      break;
  }
  return sum > 0 ? sum : lane.targets.front().credit;
}

void add_lane(self_pointer self, const model_router_config& config, const open_lane& wish) {
  auto& lane = self->state.lanes[wish.where.run];
  lane.sink = wish.sink;
  if (self->state.watched_sinks.insert(wish.sink.address()).second)
    self->monitor(wish.sink);
  if (lane.targets.empty())
    lane.targets = targets_of(self, wish.where);
  lane.where = wish.where;
  apply_changes(self, lane);
  open_purse(self, config, lane);
  // Providers announce themselves right after the start; one that does not is not configured.
  for (const auto& target : lane.targets) {
    if (!self->state.providers.contains(target.model.provider))
      start_ticking(self, config);
    announce(self, lane, target);
  }
  if (lane.credit > 0)
    self->send(lane.sink, lane_credit{wish.where.run, lane.credit, wish.where.model, wish.where.provider,
                                      true, lane.why, lane.on_the_wire, 0, lane.wire_at_most});
}

/// Calls wait only when no target takes them.
const std::string& reason_to_wait(const lane_state& lane) {
  static const std::string none;
  static const std::string no_money = "waits for its budget: calls that are out hold what is left of it";
  if (lane.waits_for_budget)
    return no_money;
  const std::string* first = nullptr;
  for (const auto& target : lane.targets) {
    if (target.spent_until)
      continue;
    if (target.why.empty())
      return none;
    first = first ? first : &target.why;
  }
  return first ? *first : none;
}

uint32_t on_the_wire(const lane_state& lane) {
  uint32_t sum = 0;
  for (const auto& target : lane.targets)
    sum += target.on_the_wire;
  return sum;
}

uint32_t wire_at_most(const lane_state& lane) {
  uint32_t sum = 0;
  for (const auto& target : lane.targets)
    sum += target.wire_at_most;
  return sum;
}

void on_credit(self_pointer self, const lane_credit& credit) {
  const auto found = self->state.lanes.find(credit.run);
  if (found == self->state.lanes.end())
    return;
  auto& lane = found->second;
  bool risen = false;
  for (auto& target : lane.targets)
    if (target.model.model == credit.model && target.model.provider == credit.provider) {
      risen = risen || (credit.available && !target.available && !target.spent_until);
      target.credit = credit.calls;
      target.available = credit.available;
      target.why = credit.why;
      target.on_the_wire = credit.on_the_wire;
      target.wire_at_most = credit.on_the_wire_at_most;
    }
  tell_credit(self, lane);
  if (risen)
    recall_parked(self, lane);
}

void on_provider_up(self_pointer self, const model_router_config& config, const provider_up& news) {
  auto& provider = self->state.providers[news.provider];
  if (provider.target == news.target)
    return;
  provider.target = news.target;
  provider.address = news.target.address();
  provider.on_the_wire.reset();
  self->monitor(news.target);
  for (auto& [run, lane] : self->state.lanes)
    for (auto& target : lane.targets)
      if (target.model.provider == news.provider) {
        target.available = true;
        announce(self, lane, target);
      }
  resend_calls(self, config, news.provider);
}

/// A provider that ended without a word may have sent everything that it had.
bool may_be_billed(const provider_state& fallen, call_id call) {
  return !fallen.on_the_wire || std::ranges::binary_search(*fallen.on_the_wire, call);
}

void on_last_word(self_pointer self, calls_on_the_wire& news) {
  const auto found = self->state.providers.find(news.provider);
  if (found == self->state.providers.end())
    return;
  std::ranges::sort(news.calls);
  found->second.on_the_wire = std::move(news.calls);
}

void on_provider_down(self_pointer self, const model_router_config& config, const provider_id& id,
                      provider_state& provider) {
  provider.target = call_target_actor{};
  provider.down_since = self->clock().now();
  outgoing out;
  for (auto& [call, open] : self->state.calls) {
    const auto lane = self->state.lanes.find(open.run);
    if (lane == self->state.lanes.end() || open.held || !is_at(open, lane->second, id)
        || !may_be_billed(provider, call))
      continue;
    open.request.failures.push_back({errc::actor_lost,
                                     0,
                                     milliseconds{0},
                                     true,
                                     "the provider actor fell while it had the call",
                                     {},
                                     {}});
    pay_again(self, config, lane->second, open, out);
  }
  send_out(self, config, out);
  for (auto& [run, lane] : self->state.lanes) {
    for (auto& target : lane.targets)
      if (target.model.provider == id) {
        target.on_the_wire = 0;
        target.available = target.available && lane.targets.size() == 1;
      }
    if (lane.credit > 0)
      tell_credit(self, lane);
  }
  // Nobody wants these to be paid for a second time.
  end_calls(
      self, config, {errc::cancelled, "withdrawn, then its provider fell", {}, {}},
      [&](const open_call& open, const lane_state& lane) { return open.withdrawn && is_at(open, lane, id); });
  start_ticking(self, config);
}

/// Each provider once, however many of the lane's models it serves.
template <class Do>
void for_each_provider(self_pointer self, const lane_state& lane, Do&& act) {
  std::vector<provider_id> seen;
  for (const auto& target : lane.targets) {
    const auto& id = target.model.provider;
    if (std::ranges::find(seen, id) != seen.end())
      continue;
    seen.push_back(id);
    const auto provider = self->state.providers.find(id);
    if (provider != self->state.providers.end() && provider->second.target)
      act(provider->second.target);
  }
}

void drop_lane(self_pointer self, const model_router_config& config, run_id run) {
  const auto found = self->state.lanes.find(run);
  if (found == self->state.lanes.end())
    return;
  auto& lane = found->second;
  close_purse(self, lane);
  if (lane.open > 0)
    std::erase_if(self->state.calls, [&](const auto& entry) {
      if (entry.second.run != run)
        return false;
      --lane.targets[entry.second.target].seen->in_use;
      return true;
    });
  for_each_provider(self, lane, [&](const call_target_actor& target) {
    self->send(target, withdraw_calls{run, milliseconds{0}});
    self->send(target, close_lane{run});
  });
  self->state.lanes.erase(found);
  tell_keeper(self, config);
}

void on_down(self_pointer self, const model_router_config& config, const caf::down_msg& down) {
  for (auto& [id, provider] : self->state.providers)
    if (provider.target && provider.address == down.source)
      return on_provider_down(self, config, id, provider);
  self->state.watched_sinks.erase(down.source);
  std::vector<run_id> orphans;
  for (const auto& [run, lane] : self->state.lanes)
    if (lane.sink.address() == down.source)
      orphans.push_back(run);
  for (const auto run : orphans)
    drop_lane(self, config, run);
}

bool is_served(self_pointer self, const provider_id& id) {
  const auto provider = self->state.providers.find(id);
  return provider != self->state.providers.end() && provider->second.target;
}

void withdraw(self_pointer self, const model_router_config& config, const withdraw_calls& wish) {
  const auto found = self->state.lanes.find(wish.run);
  if (found == self->state.lanes.end())
    return;
  const auto is_meant = [&](call_id id, const open_call& open) {
    return open.run == wish.run
           && (wish.calls.empty() || std::ranges::find(wish.calls, id) != wish.calls.end());
  };
  if (wish.calls.empty()) {
    for (auto& [id, open] : self->state.calls)
      open.withdrawn = open.withdrawn || open.run == wish.run;
  } else {
    for (const auto id : wish.calls)
      if (const auto open = self->state.calls.find(id);
          open != self->state.calls.end() && open->second.run == wish.run)
        open->second.withdrawn = true;
  }
  for_each_provider(self, found->second, [&](const call_target_actor& target) { self->send(target, wish); });
  give_up_held(self, found->second);
  // Nobody has these calls at the moment: they end here.
  end_calls(self, config, {errc::cancelled, "withdrawn", {}, {}},
            [&](const open_call& open, const lane_state& lane) {
              return is_meant(open.request.id, open)
                     && (open.held || !is_served(self, lane.targets[open.target].model.provider));
            });
  tell_keeper(self, config);
}

/// Gives up the calls of providers that stay down.
void expire(self_pointer self, const model_router_config& config) {
  self->state.ticking = false;
  const auto now = self->clock().now();
  bool waiting = look_at_held(self, config);
  tell_keeper(self, config, true);
  for (auto& [run, lane] : self->state.lanes)
    if (lane.credit == 0 && std::ranges::none_of(lane.targets, [&](const lane_target& target) {
          return self->state.providers.contains(target.model.provider);
        })) // The first call gets the reason.
      self->send(lane.sink, lane_credit{run, lane.credit = 1, lane.where.model, lane.where.provider});
  for (auto& [id, provider] : self->state.providers) {
    if (provider.target)
      continue;
    if (now - provider.down_since < config.provider_patience)
      waiting = true;
    else
      abandon(self, config, id);
  }
  if (waiting)
    start_ticking(self, config);
}

void pass_delta(self_pointer self, const call_delta& delta) {
  const auto open = self->state.calls.find(delta.id);
  if (open == self->state.calls.end())
    return;
  open->second.streaming = true;
  self->send(self->state.lanes[open->second.run].sink, delta);
}

void pass_taken(self_pointer self, const deltas_taken& taken) {
  const auto open = self->state.calls.find(taken.id);
  if (open == self->state.calls.end())
    return;
  const auto& lane = self->state.lanes[open->second.run];
  const auto provider = self->state.providers.find(lane.targets[open->second.target].model.provider);
  if (provider != self->state.providers.end() && provider->second.target)
    self->send(provider->second.target, taken);
}

gauges own_gauges(const model_router_state& state) {
  return {{{metric::router_open_calls, {}, static_cast<double>(state.calls.size())},
           {metric::router_lanes, {}, static_cast<double>(state.lanes.size())},
           {metric::router_moved_calls_total, {}, static_cast<double>(state.moved)}},
          {}};
}

} // namespace

namespace router_detail {

call_sink_actor own_sink(self_pointer self) { return caf::actor_cast<call_sink_actor>(self); }

void tell_credit(self_pointer self, lane_state& lane) {
  const auto credit = credit_for(lane);
  const auto& why = reason_to_wait(lane);
  const auto wire = on_the_wire(lane);
  const auto at_most = wire_at_most(lane);
  if (credit == lane.credit && why == lane.why && wire == lane.on_the_wire && at_most == lane.wire_at_most)
    return;
  lane.on_the_wire = wire;
  lane.wire_at_most = at_most;
  lane.credit = credit;
  lane.why = why;
  self->send(lane.sink, lane_credit{lane.where.run, credit, lane.where.model, lane.where.provider, true,
                                    lane.why, wire, 0, at_most});
}

void start_ticking(self_pointer self, const model_router_config& config) {
  if (!std::exchange(self->state.ticking, true))
    self->delayed_send(self, config.tick_interval, tick{});
}

lane lane_at(const lane_state& lane, const lane_target& target) {
  auto out = lane.where;
  out.route = {};
  out.model = target.model.model;
  out.provider = target.model.provider;
  out.wire_model = target.model.wire_model;
  out.prices = target.model.prices;
  return out;
}

} // namespace router_detail

model_router_actor::behavior_type model_router(self_pointer self, model_router_config config) {
  self->state.chance = dice{config.seed};
  if (config.budgets)
    self->state.purse.emplace(config.charged_tries);
  self->set_down_handler([self, config](const caf::down_msg& down) { on_down(self, config, down); });
  self->set_exit_handler([self, config](const caf::exit_msg& message) {
    if (!message.reason)
      return;
    return_all(self, config);
    self->quit(message.reason);
  });
  recall_changes(self, config);
  self->send(config.providers, watch_providers{caf::actor_cast<provider_watcher_actor>(self)});
  return {
      [self, config](const open_lane& wish) { add_lane(self, config, wish); },
      [self, config](call_batch& batch) { forward(self, config, batch); },
      [self, config](const withdraw_calls& wish) { withdraw(self, config, wish); },
      [](const recall_calls&) {}, // Nobody stands before the router who could take the calls.
      [self](const deltas_taken& taken) { pass_taken(self, taken); },
      [self, config](const close_lane& wish) { drop_lane(self, config, wish.run); },
      [self, config](call_outcome_batch& batch) { pass_back(self, config, batch); },
      [self](const lane_credit& credit) { on_credit(self, credit); },
      [self](const call_delta& delta) { pass_delta(self, delta); },
      [self](calls_on_the_wire& news) { on_last_word(self, news); },
      [self, config](const provider_up& news) { on_provider_up(self, config, news); },
      [self, config](const lease_granted& news) { on_lease(self, config, news); },
      [self, config](const lease_refused& news) { on_lease(self, config, news); },
      [self, config](const lease_recalled& news) { on_lease(self, config, news); },
      [self](const read_gauges&) { return own_gauges(self->state); },
      [self, config](const read_routing&) { return routing_now(self, config); },
      [self, config](const change_routing& wish) { return change_route(self, config, wish); },
      [self, config](const tick&) { expire(self, config); },
  };
}

} // namespace assay
