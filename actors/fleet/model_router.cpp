#include "actors/fleet/model_router.hpp"

#include <utility>

namespace assay {

namespace {

using self_pointer = model_router_actor::stateful_pointer<model_router_state>;
using lane_state = model_router_state::open_lane_state;
using open_call = model_router_state::open_call;
using provider_state = model_router_state::provider_state;

call_outcome failed_outcome(call&& request, fault reason, wall_time now) {
  call_outcome out;
  out.id = request.id;
  out.failures = std::move(request.failures);
  for (const auto& failure : out.failures)
    out.possibly_billed = out.possibly_billed || failure.possibly_billed;
  out.error = std::move(reason);
  out.finished_at = now;
  return out;
}

void refuse(self_pointer self, const model_router_config& config, call_batch&& batch, const fault& reason) {
  call_outcome_batch answer{batch.where.run, {}};
  for (auto& request : batch.calls)
    answer.outcomes.push_back(failed_outcome(std::move(request), reason, config.wall()));
  self->send(batch.sink, std::move(answer));
}

call_sink_actor own_sink(self_pointer self) { return caf::actor_cast<call_sink_actor>(self); }

void announce(self_pointer self, const lane_state& lane) {
  const auto found = self->state.providers.find(lane.provider);
  if (found != self->state.providers.end() && found->second.target)
    self->send(found->second.target, open_lane{lane.where, own_sink(self)});
}

void start_ticking(self_pointer self, const model_router_config& config) {
  if (!std::exchange(self->state.ticking, true))
    self->delayed_send(self, config.tick_interval, tick{});
}

void add_lane(self_pointer self, const model_router_config& config, const open_lane& wish) {
  auto& lane = self->state.lanes[wish.where.run];
  if (lane.sink != wish.sink) {
    lane.sink = wish.sink;
    self->monitor(wish.sink);
  }
  lane.where = wish.where;
  lane.provider = wish.where.provider;
  // Providers announce themselves right after the start; one that does not is not configured.
  if (!self->state.providers.contains(lane.provider))
    start_ticking(self, config);
  announce(self, lane);
  if (lane.credit > 0)
    self->send(lane.sink, lane_credit{wish.where.run, lane.credit});
}

void forward(self_pointer self, const model_router_config& config, call_batch& batch) {
  const auto found = self->state.lanes.find(batch.where.run);
  if (found == self->state.lanes.end())
    return refuse(
        self, config, std::move(batch),
        {errc::internal, "calls came for a lane that was never opened", to_string(batch.where.run), {}});
  auto& lane = found->second;
  const auto provider = self->state.providers.find(lane.provider);
  if (provider == self->state.providers.end())
    return refuse(self, config, std::move(batch),
                  {errc::not_found, "no provider is configured for model '" + batch.where.model.value + "'",
                   "providers." + lane.provider.value, "configure the provider or choose another model"});
  for (const auto& request : batch.calls)
    self->state.calls.emplace(request.id, open_call{batch.where.run, request});
  lane.open += static_cast<uint32_t>(batch.calls.size());
  if (!provider->second.target)
    return start_ticking(self, config);
  batch.sink = own_sink(self);
  self->send(provider->second.target, std::move(batch));
}

void pass_back(self_pointer self, call_outcome_batch& batch) {
  const auto found = self->state.lanes.find(batch.run);
  // An answer may come twice when a provider fell after sending it; the first one counts.
  std::erase_if(batch.outcomes,
                [&](const call_outcome& outcome) { return self->state.calls.erase(outcome.id) == 0; });
  if (found == self->state.lanes.end() || batch.outcomes.empty())
    return;
  found->second.open -= static_cast<uint32_t>(batch.outcomes.size());
  self->send(found->second.sink, std::move(batch));
}

void on_credit(self_pointer self, const lane_credit& credit) {
  const auto found = self->state.lanes.find(credit.run);
  if (found == self->state.lanes.end())
    return;
  found->second.credit = credit.calls;
  self->send(found->second.sink, credit);
}

/// Everything that the fallen provider had may have reached the wire.
void resend_calls(self_pointer self, const provider_id& provider, const call_target_actor& target) {
  std::unordered_map<run_id, call_batch> batches;
  for (auto& [id, open] : self->state.calls) {
    const auto lane = self->state.lanes.find(open.run);
    if (lane == self->state.lanes.end() || lane->second.provider != provider)
      continue;
    auto& batch = batches[open.run];
    batch.where = lane->second.where;
    batch.calls.push_back(open.request);
  }
  for (auto& [run, batch] : batches) {
    batch.sink = own_sink(self);
    self->send(target, std::move(batch));
  }
}

void on_provider_up(self_pointer self, const provider_up& news) {
  auto& provider = self->state.providers[news.provider];
  if (provider.target == news.target)
    return;
  provider.target = news.target;
  provider.address = news.target.address();
  self->monitor(news.target);
  for (const auto& [run, lane] : self->state.lanes)
    if (lane.provider == news.provider)
      announce(self, lane);
  resend_calls(self, news.provider, news.target);
}

/// Ends the open calls that @p wanted picks, each with @p reason.
template <class Wanted>
void end_calls(self_pointer self, const model_router_config& config, const fault& reason, Wanted wanted) {
  std::unordered_map<run_id, call_outcome_batch> answers;
  for (auto it = self->state.calls.begin(); it != self->state.calls.end();) {
    auto& open = it->second;
    const auto lane = self->state.lanes.find(open.run);
    if (lane == self->state.lanes.end() || !wanted(open, lane->second)) {
      ++it;
      continue;
    }
    auto& answer = answers[open.run];
    answer.run = open.run;
    --lane->second.open;
    answer.outcomes.push_back(failed_outcome(std::move(open.request), reason, config.wall()));
    it = self->state.calls.erase(it);
  }
  for (auto& [run, answer] : answers)
    self->send(self->state.lanes[run].sink, std::move(answer));
}

void on_provider_down(self_pointer self, const model_router_config& config, const provider_id& id,
                      provider_state& provider) {
  provider.target = call_target_actor{};
  provider.down_since = self->clock().now();
  for (auto& [call, open] : self->state.calls) {
    const auto lane = self->state.lanes.find(open.run);
    if (lane != self->state.lanes.end() && lane->second.provider == id)
      open.request.failures.push_back(
          {errc::actor_lost, 0, milliseconds{0}, true, "the provider actor fell while it had the call"});
  }
  // Nobody wants these to be paid for a second time.
  end_calls(
      self, config, {errc::cancelled, "withdrawn, then its provider fell", {}, {}},
      [&](const open_call& open, const lane_state& lane) { return open.withdrawn && lane.provider == id; });
  start_ticking(self, config);
}

void drop_lane(self_pointer self, run_id run) {
  const auto found = self->state.lanes.find(run);
  if (found == self->state.lanes.end())
    return;
  if (found->second.open > 0)
    std::erase_if(self->state.calls, [&](const auto& entry) { return entry.second.run == run; });
  const auto provider = self->state.providers.find(found->second.provider);
  if (provider != self->state.providers.end() && provider->second.target) {
    self->send(provider->second.target, withdraw_calls{run, milliseconds{0}});
    self->send(provider->second.target, close_lane{run});
  }
  self->state.lanes.erase(found);
}

void on_down(self_pointer self, const model_router_config& config, const caf::down_msg& down) {
  for (auto& [id, provider] : self->state.providers)
    if (provider.target && provider.address == down.source)
      return on_provider_down(self, config, id, provider);
  std::vector<run_id> orphans;
  for (const auto& [run, lane] : self->state.lanes)
    if (lane.sink.address() == down.source)
      orphans.push_back(run);
  for (const auto run : orphans)
    drop_lane(self, run);
}

void withdraw(self_pointer self, const model_router_config& config, const withdraw_calls& wish) {
  const auto found = self->state.lanes.find(wish.run);
  if (found == self->state.lanes.end())
    return;
  const auto provider = self->state.providers.find(found->second.provider);
  if (provider != self->state.providers.end() && provider->second.target) {
    for (auto& [id, open] : self->state.calls)
      if (open.run == wish.run)
        open.withdrawn = true;
    return self->send(provider->second.target, wish);
  }
  // Nobody has the calls at the moment: they end here.
  end_calls(self, config, {errc::cancelled, "withdrawn", {}, {}},
            [&](const open_call& open, const lane_state&) { return open.run == wish.run; });
}

/// Gives up the calls of providers that stay down.
void expire(self_pointer self, const model_router_config& config) {
  self->state.ticking = false;
  const auto now = self->clock().now();
  bool waiting = false;
  for (auto& [run, lane] : self->state.lanes)
    if (lane.credit == 0 && !self->state.providers.contains(lane.provider)) // The first call gets the reason.
      self->send(lane.sink, lane_credit{run, lane.credit = 1});
  for (auto& [id, provider] : self->state.providers) {
    if (provider.target)
      continue;
    if (now - provider.down_since < config.provider_patience) {
      waiting = true;
      continue;
    }
    end_calls(
        self, config,
        {errc::actor_lost, "the provider actor did not come back", "providers." + id.value, "see the log"},
        [&id = id](const open_call&, const lane_state& lane) { return lane.provider == id; });
  }
  if (waiting)
    start_ticking(self, config);
}

} // namespace

model_router_actor::behavior_type model_router(self_pointer self, model_router_config config) {
  self->set_down_handler([self, config](const caf::down_msg& down) { on_down(self, config, down); });
  self->send(config.providers, watch_providers{caf::actor_cast<provider_watcher_actor>(self)});
  return {
      [self, config](const open_lane& wish) { add_lane(self, config, wish); },
      [self, config](call_batch& batch) { forward(self, config, batch); },
      [self, config](const withdraw_calls& wish) { withdraw(self, config, wish); },
      [self](const close_lane& wish) { drop_lane(self, wish.run); },
      [self](call_outcome_batch& batch) { pass_back(self, batch); },
      [self](const lane_credit& credit) { on_credit(self, credit); },
      [self](const call_delta& delta) {
        const auto open = self->state.calls.find(delta.id);
        if (open != self->state.calls.end())
          self->send(self->state.lanes[open->second.run].sink, delta);
      },
      [self](const provider_up& news) { on_provider_up(self, news); },
      [self](const read_gauges&) {
        return gauges{{{metric::router_open_calls, {}, static_cast<double>(self->state.calls.size())},
                       {metric::router_lanes, {}, static_cast<double>(self->state.lanes.size())}},
                      {}};
      },
      [self, config](const tick&) { expire(self, config); },
  };
}

} // namespace assay
