#include "actors/fleet/provider_detail.hpp"
#include "protocol/outcomes.hpp"

#include <algorithm>
#include <utility>

namespace assay::provider_detail {

namespace {

microseconds since(control::steady_time then, control::steady_time now) {
  return std::chrono::duration_cast<microseconds>(now - then);
}

control::fair_key<> place_of(const lane& where, double cost) {
  return {where.tenant, where.tenant_weight, where.run, where.run_weight, where.priority, cost};
}

fault cannot_take(self_pointer self, const provider_config& config, const model_state& model) {
  auto message = "model '" + model.profile.id.value + "' of provider '" + config.profile.id.value
                 + "' takes no calls at the moment";
  const auto known =
      std::ranges::find_if(self->state.keys, [](const auto& key) { return !key.retired && key.out; });
  if (!has_hope(self, config) && known != self->state.keys.end())
    message += ": " + known->out->message;
  else if (!model.last_failure.empty())
    message += ": it has failed too often, at last with: " + model.last_failure;
  return {errc::breaker_open, std::move(message),
          "providers." + config.profile.id.value + "." + model.profile.id.value,
          "it is tried again by itself; ask again later, or another model"};
}

// -- deadlines ---------------------------------------------------------------------------------------------

void on_deadline(self_pointer self, const config_ptr& config, call_id id, consequences& out) {
  const auto found = self->state.calls.find(id);
  if (found == self->state.calls.end())
    return;
  auto& open = found->second;
  open.deadline = {};
  if (open.phase == call_phase::deferred)
    return back_to_line(self, *config, id, open);
  if (open.phase != call_phase::exchanging)
    return end_in_line(self, config, id, open);
  out.given_up[open.key].calls.push_back(id);
  const fault reason =
      open.withdrawn
          ? fault{errc::cancelled, "given up after the grace", {}, {}}
          : fault{errc::provider_timeout, "no answer long after the sockets' own deadline", {}, {}};
  auto result = lost_result(id, reason);
  if (open.withdrawn && open.streamed) {
    result.usage = usage_of_dropped(open);
    result.usage_present = true;
    result.transfer = std::chrono::duration_cast<microseconds>(self->clock().now() - open.entered);
  }
  on_result(self, config, std::move(result), out);
}

/// Nobody can serve these calls, and waiting does not help.
void fail_line(self_pointer self, const config_ptr& config, line_state& line, const fault& reason) {
  consequences out;
  while (const auto id = line.queue.pop())
    finish_failed(self, config, *id, reason, 0, false, out);
  send_all(self, config, out);
}

/// Takes calls from the line as long as a key has room. @returns whether the breaker lets more calls pass.
bool pump_line(self_pointer self, const config_ptr& config, model_state& model, line_state& line,
               std::map<size_t, acquire_slots>& wishes) {
  const auto now = self->clock().now();
  while (const auto* const first = line.queue.front()) {
    const auto key =
        choose_key(self, config, model, line, latest_start(self->state.calls.at(*first).request));
    if (!key)
      return true;
    const auto permit = model.breaker.try_acquire(now);
    if (!permit)
      return false;
    const auto id = *line.queue.pop();
    auto& open = self->state.calls.at(id);
    open.permit = *permit;
    open.key = *key;
    open.phase = call_phase::acquiring;
    open.timing.queued += since(open.entered, now);
    open.entered = now;
    ++model.gates[*key].acquiring;
    ++line.in_use;
    auto& of_key = self->state.keys[*key];
    of_key.probing = of_key.out.has_value();
    open.reserved = tokens_to_reserve(open);
    open.answer_tokens = answer_share(open);
    wishes[*key].requests.push_back({id, open.reserved, open.answer_tokens});
  }
  return true;
}

/// Whom a grant can no longer serve gives its slot back.
struct granted_calls {
  exchange_batch batch;
  slots_settled unused;
};

exchange make_exchange(const open_call& open) {
  const auto& request = open.request;
  return {request.id,      open.pinned->wire_model, request.messages, request.parameters, request.options,
          request.timeout, request.stream,          request.kind,     request.inputs};
}

granted_calls start_exchanges(self_pointer self, const config_ptr& config, model_state& model,
                              const slots_granted& granted) {
  auto& state = self->state;
  auto& gate = model.gates[granted.key];
  const auto now = self->clock().now();
  granted_calls out;
  for (const auto id : granted.calls) {
    const auto entry = state.calls.find(id);
    if (entry == state.calls.end() || entry->second.phase != call_phase::acquiring
        || entry->second.key != granted.key) {
      out.unused.slots.push_back({id, 0, 0});
      continue;
    }
    auto& open = entry->second;
    open.phase = call_phase::exchanging;
    open.timing.limiter += since(open.entered, now);
    open.entered = now;
    if (open.attempts++ == 0)
      state.budget.request_sent(now);
    state.wheel->cancel(open.deadline);
    open.deadline = state.wheel->schedule(id, now + open.request.timeout + config->overdue);
    gate.window.started();
    --gate.acquiring;
    ++gate.exchanging;
    ++*open.on_the_wire;
    out.batch.exchanges.push_back(make_exchange(open));
  }
  gate.throttled = gate.acquiring > 0;
  gate.delayed_until = {};
  return out;
}

fault line_is_full(const provider_config& config) {
  return {errc::busy, "the provider's waiting line is full", "providers." + config.profile.id.value,
          "run fewer evaluations at once"};
}

/// @returns whether there was room; otherwise @p request is as it was.
bool queue_call(self_pointer self, const config_ptr& config, const lane& where, lane_state& lane,
                call& request) {
  auto& model = *lane.model;
  const auto id = request.id;
  lane.movable = lane.movable || need_not_wait(request);
  auto& line = line_for(self, config, model, request.prompt_type);
  if (!line.queue.push(call_id{id}, place_of(where, 1.0)))
    return false;
  open_call open;
  open.request = std::move(request);
  const auto& rules = lane.where.rules;
  open.request.timeout = std::min(open.request.timeout, rules.timeout.value_or(model.profile.call_timeout));
  open.max_retries = rules.max_retries;
  open.run = where.run;
  open.model = &model;
  open.pinned = lane.pinned;
  open.line = &line;
  open.on_the_wire = lane.on_the_wire;
  open.entered = self->clock().now();
  note_deadline(self, *config, id, self->state.calls.emplace(id, std::move(open)).first->second);
  return true;
}

} // namespace

void give_slots_back(self_pointer self, const std::vector<call_id>& calls) {
  auto& state = self->state;
  const auto now = self->clock().now();
  std::map<std::pair<model_state*, size_t>, slots_withdrawn> slots;
  for (const auto id : calls) {
    auto& open = state.calls.at(id);
    if (open.phase != call_phase::acquiring)
      continue;
    slots[{open.model, open.key}].calls.push_back(id);
    // What it waited for need not hold for the next, which may be smaller.
    auto& gate = open.model->gates[open.key];
    if (--gate.acquiring == 0)
      gate.delayed_until = {};
    --open.line->in_use;
    state.keys[open.key].probing = false;
    open.model->breaker.record(open.permit, control::breaker_outcome::neutral, now, state.chance.roll());
  }
  for (auto& [where, withdrawn] : slots)
    if (const auto& limiter = where.first->gates[where.second].limiter)
      self->send(limiter, std::move(withdrawn));
}

void end_waiting(self_pointer self, const config_ptr& config, const std::vector<call_id>& ending,
                 const fault& reason) {
  if (ending.empty())
    return;
  give_slots_back(self, ending);
  consequences out;
  for (const auto id : ending)
    finish_failed(self, config, id, reason, 0, false, out);
  send_all(self, config, out);
}

void start_ticking(self_pointer self, const provider_config& config) {
  if (!std::exchange(self->state.ticking, true))
    self->delayed_send(self, config.tick_interval, tick{});
}

void back_to_line(self_pointer self, const provider_config& config, call_id id, open_call& open) {
  const auto lane = self->state.lanes.find({open.run, open.model->profile.id});
  if (lane == self->state.lanes.end())
    return;
  open.phase = call_phase::waiting;
  open.entered = self->clock().now();
  lane->second.movable = lane->second.movable || need_not_wait(open.request);
  // Its first turn was charged; a retry costs the tenant nothing more.
  open.line->queue.push_front(call_id{id}, place_of(lane->second.where, 0.0));
  self->state.wheel->cancel(std::exchange(open.deadline, {}));
  open.line->looked_until = {};
  note_deadline(self, config, id, open);
}

void enqueue(self_pointer self, const config_ptr& config, call_batch& batch) {
  const auto found = self->state.lanes.find({batch.where.run, batch.where.model});
  lane_state* lane = found == self->state.lanes.end() ? nullptr : &found->second;
  call_outcome_batch ended{batch.where.run, {}};
  const auto wall = config->wall();
  const bool takes = !lane || takes_calls(self, *config, *lane->model);
  for (auto& request : batch.calls) {
    if (!lane) {
      ended.outcomes.push_back(
          failed_outcome(std::move(request),
                         {errc::not_found, "model '" + batch.where.model.value + "' is not configured",
                          "models", "add it to model_configs.yaml"},
                         wall));
      continue;
    }
    auto& model = *lane->model;
    const bool counts = request.kind == call_kind::count_tokens;
    if (counts && (!takes || !self->state.counts_tokens)) {
      ++model.answered;
      ended.outcomes.push_back(counted_here(model, *lane->pinned, std::move(request), wall));
      continue;
    }
    if (!takes && request.movable) {
      ended.outcomes.push_back(failed_outcome(std::move(request), cannot_take(self, *config, model), wall));
      continue;
    }
    if (auto refused = refuse_wait(self, config, model, request, wall)) {
      ended.outcomes.push_back(std::move(*refused));
      continue;
    }
    if (!queue_call(self, config, batch.where, *lane, request))
      ended.outcomes.push_back(counts ? counted_here(model, *lane->pinned, std::move(request), wall)
                                      : failed_outcome(std::move(request), line_is_full(*config), wall));
  }
  if (!ended.outcomes.empty())
    self->send(batch.sink, std::move(ended));
  if (lane)
    pump(self, config, *lane->model);
}

void send_back(self_pointer self, const config_ptr& config, model_state& model, bool movable_only,
               const run_id* run) {
  auto& state = self->state;
  consequences out;
  for (auto& [where, lane] : state.lanes) {
    if (lane.model != &model || (run && where.first != *run) || (movable_only && !lane.movable))
      continue;
    lane.movable = false;
    for (auto& line : model.lines)
      for (auto& id : line->queue.remove_run(where.first)) {
        const auto& open = state.calls.at(id);
        if (movable_only && !need_not_wait(open.request))
          line->queue.push_front(std::move(id), place_of(lane.where, 0.0));
        else
          finish_failed(self, config, id, cannot_take(self, *config, model), 0, false, out);
      }
  }
  send_all(self, config, out);
}

void recall(self_pointer self, const config_ptr& config, run_id run) {
  for (auto& [id, model] : self->state.models)
    if (!takes_calls(self, *config, *model))
      send_back(self, config, *model, false, &run);
}

void pump(self_pointer self, const config_ptr& config, model_state& model) {
  if (!takes_calls(self, *config, model))
    send_back(self, config, model, true, nullptr);
  end_late(self, config, model);
  std::map<size_t, acquire_slots> wishes;
  for (auto& line : model.lines) {
    if (line->queue.empty())
      continue;
    if (const auto reason = hopeless(self, config, *line)) {
      fail_line(self, config, *line, *reason);
      continue;
    }
    if (!pump_line(self, config, model, *line, wishes))
      break;
  }
  for (auto& [key, wish] : wishes)
    self->send(model.gates[key].limiter, std::move(wish));
  // Keys open, breakers probe and children rise by the passing of time alone.
  if (model.waiting() > 0)
    start_ticking(self, *config);
}

void on_granted(self_pointer self, const config_ptr& config, const slots_granted& granted) {
  auto& state = self->state;
  const auto found = state.models.find(granted.model);
  if (found == state.models.end() || granted.key >= state.keys.size())
    return;
  auto& model = *found->second;
  auto started = start_exchanges(self, config, model, granted);
  if (!started.unused.slots.empty() && model.gates[granted.key].limiter)
    self->send(model.gates[granted.key].limiter, std::move(started.unused));
  if (!started.batch.exchanges.empty())
    start_ticking(self, *config);
  if (const auto& wire = state.keys[granted.key].wire; wire && !started.batch.exchanges.empty()) {
    self->send(wire, std::move(started.batch));
  } else {
    // The connection fell between the wish and the grant: nothing has reached the wire.
    consequences out;
    for (const auto& one : started.batch.exchanges)
      on_result(self, config,
                lost_result(one.id, {errc::actor_lost, "the connection is restarting", {}, {}}, false), out);
    send_all(self, config, out);
  }
  pump(self, config, model);
}

void withdraw(self_pointer self, const config_ptr& config, const withdraw_calls& wish) {
  auto& state = self->state;
  const auto now = self->clock().now();
  std::vector<call_id> ending;
  std::set<model_state*> touched; // A run may use several models here.
  const auto take_back = [&](call_id id, open_call& open) {
    touched.insert(open.model);
    if (open.phase != call_phase::exchanging) {
      ending.push_back(id);
      return;
    }
    open.withdrawn = true;
    if (!wish.grace)
      return;
    state.wheel->cancel(open.deadline);
    open.deadline = state.wheel->schedule(id, now + *wish.grace);
  };
  for (const auto id : wish.calls) {
    const auto found = state.calls.find(id);
    if (found == state.calls.end() || found->second.run != wish.run)
      continue;
    found->second.line->queue.remove(wish.run, id);
    take_back(id, found->second);
  }
  if (wish.calls.empty())
    for (auto& [id, open] : state.calls)
      if (open.run == wish.run)
        take_back(id, open);
  if (touched.empty())
    return;
  if (wish.calls.empty())
    for (auto* model : touched)
      for (auto& line : model->lines)
        line->queue.remove_run(wish.run);
  end_waiting(self, config, ending, {errc::cancelled, "withdrawn before it was sent", {}, {}});
  for (auto* model : touched)
    pump(self, config, *model);
  start_ticking(self, *config);
}

void on_tick(self_pointer self, const config_ptr& config) {
  auto& state = self->state;
  state.ticking = false;
  restart_due_children(self, config);
  end_unused_keys(self);
  forget_impatient(self);
  consequences out;
  state.wheel->expire(self->clock().now(), [&](call_id id) { on_deadline(self, config, id, out); });
  send_all(self, config, out);
  for (auto& [id, model] : state.models) {
    pump(self, config, *model);
    update_credit(self, *config, *model);
  }
  const bool some_rest =
      std::ranges::any_of(state.lanes, [](const auto& one) { return !one.second.available; });
  // Whoever keeps calls away from a model that rests is told when it is ready.
  if (!tell_counts(self, *config) || !state.calls.empty() || some_rest || waits_for_children(state)
      || some_key_retires(state))
    start_ticking(self, *config);
  remember(self, config);
}

} // namespace assay::provider_detail
