#include "actors/fleet/batch_desk_detail.hpp"

#include <utility>

namespace assay::batch_desk_detail {

namespace {

/// The model that batches are for: the main one of a route.
void name_main_model(lane& where) {
  if (where.route.models.empty())
    return;
  const auto& main = where.route.models.front();
  where.model = main.model;
  where.provider = main.provider;
  where.wire_model = main.wire_model;
  where.prices = main.prices;
}

void end_waiting(lane_state& lane, answers& out) {
  const fault reason{errc::cancelled, "withdrawn", {}, {}};
  const auto run = lane.where.run;
  for (auto& [request, question] : std::exchange(lane.gathering, {}))
    out.refuse(run, std::move(request), reason, false);
  lane.gathering_bytes = 0;
  lane.gathering_since.reset();
  for (auto& request : std::exchange(lane.online_waiting, {}))
    out.refuse(run, std::move(request), reason, false);
}

/// The calls of a batch that stays end as if never sent: whoever asks them again finds them there.
void leave_in_batch(batch_desk_state& state, lane_state& lane, chunk& which, answers& out) {
  std::vector<call> asked;
  for (const auto& row : which.rows)
    if (row.asked)
      asked.push_back(*row.asked);
  release_calls(state, lane, which);
  for (auto& request : asked)
    out.refuse(which.run, std::move(request), {errc::cancelled, "left in its batch", {}, {}}, false);
}

} // namespace

// -- lanes -------------------------------------------------------------------------------------------------

void add_lane(self_pointer self, const config_ptr& config, const open_lane& wish) {
  auto& state = self->state;
  auto& lane = state.lanes[wish.where.run];
  if (lane.sink != wish.sink) {
    lane.sink = wish.sink;
    self->monitor(wish.sink);
  }
  lane.where = wish.where;
  name_main_model(lane.where);
  lane.told.reset();
  lane.unlimited = false;
  lane.has_batches = state.accounts_of.contains(lane.where.provider);
  self->send(config->router, open_lane{lane.where, own_sink(self)});
  // What had ended while nobody asked.
  for (const auto& id : lane.chunks)
    if (auto& which = state.chunks.at(id); which.now == phase::fetching && which.request == 0)
      which.due = self->clock().now();
  answers out{self, config};
  out.send();
  start_ticking(self, config);
}

void suspend(self_pointer self, const config_ptr& config, run_id run) {
  auto& state = self->state;
  const auto found = state.lanes.find(run);
  if (found == state.lanes.end())
    return;
  auto& lane = found->second;
  self->send(config->router, withdraw_calls{run, milliseconds{0}});
  self->send(config->router, close_lane{run});
  lane.sink = call_sink_actor{};
  lane.gathering.clear();
  lane.gathering_bytes = 0;
  lane.gathering_since.reset();
  lane.out.clear();
  lane.bytes = 0;
  lane.online_waiting.clear();
  lane.online.clear();
  lane.router_credit = 0;
  for (const auto& id : lane.chunks)
    release_calls(state, lane, state.chunks.at(id));
  if (lane.chunks.empty())
    state.lanes.erase(found);
}

void close(self_pointer self, const config_ptr& config, const close_lane& wish) {
  auto& state = self->state;
  if (!state.lanes.contains(wish.run))
    return;
  suspend(self, config, wish.run);
  const auto found = state.lanes.find(wish.run);
  if (wish.keep_batches || found == state.lanes.end())
    return;
  const auto ids = found->second.chunks;
  for (const auto& id : ids) {
    auto& which = state.chunks.at(id);
    if (not_made_yet(which) || which.now == phase::holding || which.now == phase::fetching
        || which.now == phase::reading)
      drop(self, config, id);
    else
      cancel(self, config, which, milliseconds{0});
  }
}

// -- withdrawing -------------------------------------------------------------------------------------------

void end_calls_of(lane_state& lane, chunk& which, bool billed, answers& out) {
  for (auto& [request, question] : take_calls(lane, which))
    out.refuse(
        which.run, std::move(request),
        {errc::cancelled, billed ? "withdrawn from a batch that was being worked on" : "withdrawn", {}, {}},
        billed);
}

void withdraw(self_pointer self, const config_ptr& config, const withdraw_calls& wish) {
  auto& state = self->state;
  const auto found = state.lanes.find(wish.run);
  if (found == state.lanes.end())
    return;
  auto& lane = found->second;
  answers out{self, config};
  end_waiting(lane, out);
  const auto ids = lane.chunks;
  for (const auto& id : ids) {
    auto& which = state.chunks.at(id);
    if (not_made_yet(which)) {
      end_calls_of(lane, which, false, out);
      drop(self, config, id);
    } else if (wish.keep_batches) {
      leave_in_batch(state, lane, which, out);
    } else if (wish.grace) {
      cancel(self, config, which, *wish.grace);
      if (wish.grace->count() <= 0)
        end_calls_of(lane, which, true, out);
    }
  }
  out.send();
  self->send(config->router, wish);
  start_ticking(self, config);
}

} // namespace assay::batch_desk_detail
