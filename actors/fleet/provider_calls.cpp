#include "actors/fleet/provider_detail.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

namespace assay::provider_detail {

namespace {

constexpr uint32_t characters_per_token = 4;

microseconds since(control::steady_time then, control::steady_time now) {
  return std::chrono::duration_cast<microseconds>(now - then);
}

/// Everything that one batch of results leads to, sent when the batch is through.
struct consequences {
  outcome_box outcomes;
  observe_calls observations;
  std::map<model_state*, slots_settled> settled;
  std::map<model_state*, limits_observed> limits;
  exchanges_given_up given_up;
};

void observe(consequences& out, const provider_config& config, const model_state& model,
             const call_outcome& outcome) {
  call_observation seen;
  seen.model = model.profile.id;
  seen.provider = config.profile.id;
  if (outcome.error)
    seen.error = outcome.error->code;
  const auto& t = outcome.timing;
  seen.duration = std::chrono::ceil<milliseconds>(t.connect + t.first_byte + t.transfer);
  seen.usage = outcome.usage;
  seen.cost = outcome.cost;
  seen.tries = static_cast<uint16_t>(outcome.failures.size() + (outcome.error ? 0 : 1));
  out.observations.calls.push_back(std::move(seen));
}

void send_all(self_pointer self, const config_ptr& config, consequences& out) {
  out.outcomes.send(self);
  if (!out.observations.calls.empty() && config->monitor)
    self->send(config->monitor, std::move(out.observations));
  if (!out.given_up.calls.empty() && self->state.wire)
    self->send(self->state.wire, std::move(out.given_up));
  for (auto& [model, settled] : out.settled)
    if (model->limiter)
      self->send(model->limiter, std::move(settled));
  // Behind the settlements: what the headers say already counts the calls that were settled.
  for (auto& [model, seen] : out.limits) {
    seen.requests_sent_since = model->exchanging;
    if (model->limiter)
      self->send(model->limiter, seen);
  }
}

// -- endings -----------------------------------------------------------------------------------------------

call_outcome outcome_base(open_call& open, wall_time now) {
  call_outcome out;
  out.id = open.request.id;
  out.failures = std::move(open.request.failures);
  out.timing = open.timing;
  out.finished_at = now;
  return out;
}

/// Ends a call without an answer and forgets it.
void finish_failed(self_pointer self, const config_ptr& config, call_id id, fault reason,
                   uint16_t http_status, bool possibly_billed, consequences& out) {
  const auto found = self->state.calls.find(id);
  auto& open = found->second;
  auto outcome = outcome_base(open, config->wall());
  outcome.error = std::move(reason);
  outcome.http_status = http_status;
  outcome.possibly_billed =
      possibly_billed || std::ranges::any_of(outcome.failures, &attempt_record::possibly_billed);
  if (outcome.error->code != errc::cancelled) {
    ++open.model->failed;
    observe(out, *config, *open.model, outcome);
  }
  out.outcomes.add(open.run, std::move(outcome));
  self->state.calls.erase(found);
}

/// A provider that does not count leaves us the estimate of the prompt and the length of the answer.
token_usage estimated_usage(const open_call& open, const exchange_result& result) {
  size_t characters = 0;
  for (const auto& message : open.request.messages)
    characters += message.content.size();
  token_usage usage;
  usage.prompt_tokens = static_cast<uint32_t>(characters / characters_per_token + 1);
  usage.completion_tokens = static_cast<uint32_t>(result.answer.size() / characters_per_token + 1);
  return usage;
}

void finish_answered(self_pointer self, const config_ptr& config, call_id id, exchange_result&& result,
                     consequences& out) {
  const auto found = self->state.calls.find(id);
  auto& open = found->second;
  auto outcome = outcome_base(open, config->wall());
  outcome.usage_estimated = !result.usage_present;
  outcome.usage = result.usage_present ? result.usage : estimated_usage(open, result);
  outcome.answer = std::move(result.answer);
  outcome.finish = result.finish;
  outcome.cost = price_of(outcome.usage, open.model->profile.prices);
  outcome.http_status = result.http_status;
  outcome.served_model = std::move(result.served_model);
  outcome.request_id = std::move(result.request_id);
  outcome.simulated = result.simulated;
  ++open.model->answered;
  observe(out, *config, *open.model, outcome);
  out.outcomes.add(open.run, std::move(outcome));
  self->state.calls.erase(found);
}

// -- failures ----------------------------------------------------------------------------------------------

control::failed_try describe(const open_call& open, const exchange_result& result) {
  control::failed_try failed;
  failed.error = result.error->code;
  failed.attempts = open.attempts;
  failed.deferrals = open.deferrals;
  failed.deferred = open.deferred;
  failed.retry_after = result.retry_after;
  const auto billed = std::ranges::count_if(open.request.failures, &attempt_record::possibly_billed);
  failed.possibly_billed_tries = static_cast<uint16_t>(billed + (result.possibly_billed ? 1 : 0));
  return failed;
}

void close_key(self_pointer self, const open_call& open, const exchange_result& result, milliseconds wait) {
  const auto closed_for = result.retry_after.value_or(wait);
  const auto until = self->clock().now() + closed_for;
  auto& known = open.model->closed_until;
  known = std::max(known.value_or(until), until);
  if (!open.model->limiter)
    return;
  const bool announced = result.limits
                         && (result.limits->remaining_requests.value_or(1) == 0
                             || result.limits->remaining_tokens.value_or(1) == 0);
  self->send(open.model->limiter, key_closed{closed_for, announced});
}

/// @returns whether another try of this class can be made here, with one key and one provider.
bool can_retry_here(self_pointer self, const open_call& open, const control::retry_decision& decision) {
  if (!decision.retry || decision.how == retry_class::other_key
      || decision.how == retry_class::other_provider)
    return false;
  if (decision.burns_attempt && open.attempts > open.model->profile.max_retries.value_or(open.attempts))
    return false;
  return !decision.burns_attempt || self->state.budget.try_retry(self->clock().now());
}

void on_failure(self_pointer self, const config_ptr& config, call_id id, exchange_result&& result,
                consequences& out) {
  auto& open = self->state.calls.at(id);
  const auto decision = config->retries.decide(describe(open, result), self->state.chance.roll());
  const auto code = result.error->code;
  if (code == errc::rate_limited)
    close_key(self, open, result, decision.wait);
  const bool again = can_retry_here(self, open, decision);
  open.request.failures.push_back({code, result.http_status, again ? decision.wait : milliseconds{0},
                                   result.possibly_billed, result.error->message});
  if (again && open.withdrawn)
    return finish_failed(self, config, id, {errc::cancelled, "withdrawn before its next try", {}, {}},
                         result.http_status, result.possibly_billed, out);
  if (!again)
    return finish_failed(self, config, id, std::move(*result.error), result.http_status,
                         result.possibly_billed, out);
  spdlog::debug("provider retries a call provider={} class={} wait_ms={} reason=\"{}\"",
                config->profile.id.value, to_string(code), decision.wait.count(), decision.reason);
  if (decision.burns_attempt) {
    ++open.model->retried;
  } else {
    // A deferral was no try.
    --open.attempts;
    ++open.deferrals;
    open.deferred += decision.wait;
  }
  const auto now = self->clock().now();
  open.phase = call_phase::deferred;
  open.entered = now;
  open.deadline = self->state.wheel->schedule(id, now + decision.wait);
}

// -- one result --------------------------------------------------------------------------------------------

void tell_controls(self_pointer self, open_call& open, const exchange_result& result) {
  const auto now = self->clock().now();
  auto& model = *open.model;
  const auto before = model.breaker.state();
  const auto verdict =
      result.error ? control::breaker_outcome_of(result.error->code) : control::breaker_outcome::success;
  model.breaker.record(open.permit, verdict, now, self->state.chance.roll());
  if (model.breaker.state() != before) {
    self->state.memory_changed = true;
    spdlog::warn("provider breaker changed model={} state={}", model.profile.id.value,
                 to_string(model.breaker.state()));
  }
  if (!result.error)
    model.window.succeeded(open.request.failures.empty(), now);
  else if (result.error->code == errc::rate_limited)
    model.window.rejected(now, result.retry_after);
  else
    model.window.ended();
}

void on_result(self_pointer self, const config_ptr& config, exchange_result&& result, consequences& out) {
  const auto found = self->state.calls.find(result.id);
  // A result may come after its call was given up or taken back.
  if (found == self->state.calls.end() || found->second.phase != call_phase::exchanging)
    return;
  auto& open = found->second;
  auto& model = *open.model;
  self->state.wheel->cancel(std::exchange(open.deadline, {}));
  --model.exchanging;
  const auto estimate = open.request.estimated_tokens;
  const auto used =
      result.usage_present ? result.usage.prompt_tokens + result.usage.completion_tokens : estimate;
  out.settled[&model].slots.push_back({result.id, estimate, used});
  if (result.limits)
    out.limits[&model] = *result.limits;
  open.timing.connect += result.connect;
  open.timing.first_byte = result.first_byte;
  open.timing.transfer = result.transfer;
  open.timing.local_lag = result.local_lag;
  tell_controls(self, open, result);
  const auto id = result.id;
  if (result.error)
    on_failure(self, config, id, std::move(result), out);
  else
    finish_answered(self, config, id, std::move(result), out);
}

exchange_result lost_result(call_id id, const fault& reason) {
  exchange_result result;
  result.id = id;
  result.error = reason;
  result.possibly_billed = true;
  return result;
}

// -- deadlines ---------------------------------------------------------------------------------------------

void back_to_line(self_pointer self, call_id id, open_call& open, std::vector<model_state*>& touched) {
  const auto lane = self->state.lanes.find(open.run);
  if (lane == self->state.lanes.end())
    return;
  const auto& where = lane->second.where;
  const auto now = self->clock().now();
  open.phase = call_phase::waiting;
  open.entered = now;
  // Its first turn was charged; a retry costs the tenant nothing more.
  open.model->line.push_front(
      call_id{id}, {where.tenant, where.tenant_weight, where.run, where.run_weight, where.priority, 0.0});
  touched.push_back(open.model);
}

void on_deadline(self_pointer self, const config_ptr& config, call_id id, consequences& out,
                 std::vector<model_state*>& touched) {
  const auto found = self->state.calls.find(id);
  if (found == self->state.calls.end())
    return;
  auto& open = found->second;
  open.deadline = {};
  if (open.phase == call_phase::deferred)
    return back_to_line(self, id, open, touched);
  if (open.phase != call_phase::exchanging)
    return;
  out.given_up.calls.push_back(id);
  touched.push_back(open.model);
  const fault reason =
      open.withdrawn
          ? fault{errc::cancelled, "given up after the grace", {}, {}}
          : fault{errc::provider_timeout, "no answer long after the sockets' own deadline", {}, {}};
  on_result(self, config, lost_result(id, reason), out);
}

} // namespace

void take_back(self_pointer self, const config_ptr& config, call_id id, const fault& reason,
               outcome_box& box) {
  consequences out;
  on_result(self, config, lost_result(id, reason), out);
  out.outcomes.move_to(box);
  send_all(self, config, out);
}

void start_ticking(self_pointer self, const provider_config& config) {
  if (!std::exchange(self->state.ticking, true))
    self->delayed_send(self, config.tick_interval, tick{});
}

void pump(self_pointer self, const config_ptr& config, model_state& model) {
  if (!model.limiter || !self->state.wire)
    return start_ticking(self, *config);
  acquire_slots wish;
  const auto now = self->clock().now();
  while (model.acquiring + model.exchanging < model.window.limit() && model.line.front()) {
    const auto permit = model.breaker.try_acquire(now);
    if (!permit) {
      start_ticking(self, *config);
      break;
    }
    const auto id = *model.line.pop();
    auto& open = self->state.calls.at(id);
    open.permit = *permit;
    open.phase = call_phase::acquiring;
    open.timing.queued += since(open.entered, now);
    open.entered = now;
    ++model.acquiring;
    wish.requests.push_back({id, open.request.estimated_tokens});
  }
  if (!wish.requests.empty())
    self->send(model.limiter, std::move(wish));
}

void on_granted(self_pointer self, const config_ptr& config, const slots_granted& granted) {
  auto& state = self->state;
  const auto found = state.models.find(granted.model);
  if (found == state.models.end())
    return;
  auto& model = *found->second;
  const auto now = self->clock().now();
  exchange_batch batch;
  slots_settled unused;
  for (const auto id : granted.calls) {
    const auto entry = state.calls.find(id);
    if (entry == state.calls.end() || entry->second.phase != call_phase::acquiring) {
      unused.slots.push_back({id, 0, 0});
      continue;
    }
    auto& open = entry->second;
    open.phase = call_phase::exchanging;
    open.timing.limiter += since(open.entered, now);
    open.entered = now;
    if (open.attempts++ == 0)
      state.budget.request_sent(now);
    open.deadline = state.wheel->schedule(id, now + open.request.timeout + config->overdue);
    model.window.started();
    --model.acquiring;
    ++model.exchanging;
    batch.exchanges.push_back({id, model.profile.wire_model, open.request.messages, open.request.parameters,
                               open.request.timeout, open.request.stream});
  }
  if (!unused.slots.empty() && model.limiter)
    self->send(model.limiter, std::move(unused));
  if (batch.exchanges.empty())
    return;
  start_ticking(self, *config);
  if (state.wire)
    return self->send(state.wire, std::move(batch));
  // The connection fell between the wish and the grant: nothing has reached the wire.
  consequences out;
  for (const auto& one : batch.exchanges) {
    auto result = lost_result(one.id, {errc::actor_lost, "the connection is restarting", {}, {}});
    result.possibly_billed = false;
    on_result(self, config, std::move(result), out);
  }
  send_all(self, config, out);
}

void on_results(self_pointer self, const config_ptr& config, exchange_result_batch& batch) {
  consequences out;
  for (auto& result : batch.results)
    on_result(self, config, std::move(result), out);
  send_all(self, config, out);
  for (auto& [id, model] : self->state.models) {
    update_credit(self, *model);
    pump(self, config, *model);
  }
  remember(self, config);
}

void withdraw(self_pointer self, const config_ptr& config, const withdraw_calls& wish) {
  auto& state = self->state;
  const auto now = self->clock().now();
  consequences out;
  slots_withdrawn slots;
  std::vector<call_id> ending;
  model_state* touched = nullptr;
  for (auto& [id, open] : state.calls) {
    if (open.run != wish.run)
      continue;
    touched = open.model;
    if (open.phase != call_phase::exchanging) {
      ending.push_back(id);
      continue;
    }
    open.withdrawn = true;
    if (!wish.grace)
      continue;
    state.wheel->cancel(open.deadline);
    open.deadline = state.wheel->schedule(id, now + *wish.grace);
  }
  if (touched)
    touched->line.remove_run(wish.run);
  for (const auto id : ending) {
    auto& open = state.calls.at(id);
    state.wheel->cancel(open.deadline);
    if (open.phase == call_phase::acquiring) {
      slots.calls.push_back(id);
      --open.model->acquiring;
      open.model->breaker.record(open.permit, control::breaker_outcome::neutral, now, state.chance.roll());
    }
    finish_failed(self, config, id, {errc::cancelled, "withdrawn before it was sent", {}, {}}, 0, false, out);
  }
  send_all(self, config, out);
  if (!slots.calls.empty() && touched->limiter)
    self->send(touched->limiter, std::move(slots));
  if (touched)
    pump(self, config, *touched);
  start_ticking(self, *config);
}

void on_tick(self_pointer self, const config_ptr& config) {
  auto& state = self->state;
  state.ticking = false;
  restart_due_children(self, config);
  consequences out;
  std::vector<model_state*> touched;
  state.wheel->expire(self->clock().now(), [&](call_id id) { on_deadline(self, config, id, out, touched); });
  send_all(self, config, out);
  // A breaker opens for probes by the passing of time alone, and a child may be back.
  for (auto& [id, model] : state.models)
    if (!model->line.empty())
      pump(self, config, *model);
  if (!state.calls.empty() || waits_for_children(state))
    start_ticking(self, *config);
  remember(self, config);
}

} // namespace assay::provider_detail
