#include "actors/fleet/model_router_detail.hpp"
#include "protocol/errors.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <functional>
#include <utility>

namespace assay::router_detail {

namespace {

using monitoring::route_target_view;
using monitoring::route_view;

constexpr const char* settings_table = "settings";
constexpr std::chrono::seconds store_timeout{5};

/// @returns what the providers have said to the lanes that use the model; a model without a lane counts by
/// whether its provider is there.
void add_availability(self_pointer self, route_target_view& out) {
  const auto provider = self->state.providers.find(out.provider);
  const bool there = provider != self->state.providers.end() && provider->second.target;
  out.available = there;
  if (!there)
    out.why = "its provider is not running";
  for (const auto& [run, lane] : self->state.lanes)
    for (const auto& target : lane.targets)
      if (target.model.provider == out.provider && target.model.model == out.model) {
        out.available = there && target.available && !target.spent_until;
        if (there)
          out.why = target.spent_until ? target.spent_why : target.why;
        // All lanes are told the same.
        return;
      }
}

route_target_view seen_of(self_pointer self, const provider_id& provider, const model_id& model) {
  route_target_view out;
  out.provider = provider;
  out.model = model;
  if (const auto found = self->state.records.find({provider, model}); found != self->state.records.end()) {
    out.latency = found->second.latency;
    out.success_rate = found->second.success_rate;
    out.cost_per_call = found->second.cost_per_call;
    out.in_use = found->second.in_use;
  }
  add_availability(self, out);
  return out;
}

route_view view_of(self_pointer self, const control::named_route& configured) {
  route_view out;
  out.route = configured.name;
  out.configured = configured.route.strategy;
  const auto now = self->state.changes.applied(configured.name, configured.route);
  out.strategy = now.strategy;
  if (const auto* change = self->state.changes.find(configured.name)) {
    out.changed = true;
    out.changed_by = change->who;
    out.changed_at = change->at;
  }
  for (const auto& [run, lane] : self->state.lanes)
    out.lanes += lane.where.model == configured.name ? 1U : 0U;
  for (size_t i = 0; i < configured.route.models.size(); ++i) {
    const auto& model = configured.route.models[i];
    auto target = seen_of(self, model.provider, model.model);
    target.configured_weight = model.weight;
    target.weight = now.models[i].weight;
    target.quality = model.quality;
    out.targets.push_back(std::move(target));
  }
  return out;
}

document_change stored_form(const control::route_changes& changes) {
  return {settings_table, routing_key, changes.to_text(), false, std::nullopt};
}

/// Stores a document and calls @p then once it is durable, or with the reason why not.
void store(self_pointer self, const model_router_config& config, document_change document,
           const std::function<void(const std::optional<fault>&)>& then) {
  if (!config.journal)
    return then(std::nullopt);
  append_and_wait message;
  message.batch.documents.push_back(std::move(document));
  self->request(config.journal, store_timeout, std::move(message))
      .then([then](const committed& done) { then(done.error); },
            [then](const caf::error& error) { then(to_fault(error)); });
}

route_view put_in_force(self_pointer self, const model_router_config& config, const change_routing& wish) {
  for (auto& [run, lane] : self->state.lanes)
    if (lane.where.model == wish.route) {
      apply_changes(self, lane);
      tell_credit(self, lane);
    }
  const auto route = std::ranges::find(config.routes, wish.route, &control::named_route::name);
  auto view = view_of(self, *route);
  spdlog::info("router changed a route route={} strategy={} by={}", wish.route.value,
               to_string(view.strategy), wish.who.value);
  return view;
}

} // namespace

monitoring::routing_view routing_now(self_pointer self, const model_router_config& config) {
  monitoring::routing_view out;
  for (const auto& route : config.routes)
    out.routes.push_back(view_of(self, route));
  for (const auto& [id, record] : self->state.records)
    out.targets.push_back(seen_of(self, id.first, id.second));
  return out;
}

void apply_changes(self_pointer self, lane_state& lane) {
  const auto now = self->state.changes.applied(lane.where.model, lane.where.route);
  lane.strategy = now.strategy;
  // A lane of one model has no route.
  for (size_t i = 0; i < std::min(lane.targets.size(), now.models.size()); ++i)
    lane.targets[i].model.weight = now.models[i].weight;
}

caf::result<monitoring::route_view> change_route(self_pointer self, const model_router_config& config,
                                                 const change_routing& wish) {
  // One after the other: each is made of what the one before has left.
  if (self->state.changing)
    return to_caf_error({errc::busy, "another change is being stored", {}, "try again"});
  auto changed = self->state.changes.with(
      config.routes, wish.route, {wish.strategy, wish.weights, wish.reset}, wish.who.value, config.wall());
  if (!changed)
    return to_caf_error(changed.error());
  auto promise = self->make_response_promise<monitoring::route_view>();
  const auto then = [self, config, promise, wish,
                     changes = *changed](const std::optional<fault>& error) mutable {
    self->state.changing = false;
    if (error) {
      promise.deliver(to_caf_error(*error));
      return;
    }
    self->state.changes = changes;
    promise.deliver(put_in_force(self, config, wish));
  };
  self->state.changing = true;
  store(self, config, stored_form(*changed), then);
  return promise;
}

void recall_changes(self_pointer self, const model_router_config& config) {
  if (!config.recall_changes)
    return;
  const auto text = config.recall_changes();
  if (!text)
    return;
  if (auto changes = control::route_changes::from_text(*text))
    self->state.changes = std::move(*changes);
  else
    spdlog::warn("router could not understand the stored changes of routes: they are as configured");
}

} // namespace assay::router_detail
