#include "actors/fleet/provider_detail.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

namespace assay::provider_detail {

namespace {

void observe(self_pointer self, consequences& out, const provider_config& config, const model_state& model,
             const call_outcome& outcome) {
  call_observation seen;
  seen.model = model.profile.id;
  seen.provider = config.profile.id;
  if (outcome.error)
    seen.error = outcome.error->code;
  const auto& t = outcome.timing;
  seen.duration = std::chrono::ceil<milliseconds>(t.connect + t.first_byte + t.transfer);
  seen.timing = t;
  seen.usage = outcome.usage;
  seen.cost = outcome.cost;
  seen.tries = static_cast<uint16_t>(outcome.failures.size() + (outcome.error ? 0 : 1));
  seen.failed_tries = failed_tries_of(self->state.retries, outcome.failures);
  out.observations.calls.push_back(std::move(seen));
}

// -- endings -----------------------------------------------------------------------------------------------

call_outcome outcome_base(self_pointer self, open_call& open, wall_time now) {
  call_outcome out;
  out.id = open.request.id;
  out.failures = std::move(open.request.failures);
  out.timing = open.timing;
  if (open.attempts > 0)
    out.key = self->state.keys[open.key].key.name;
  out.finished_at = now;
  return out;
}

void finish_answered(self_pointer self, const config_ptr& config, call_id id, exchange_result&& result,
                     consequences& out) {
  const auto found = self->state.calls.find(id);
  auto& open = found->second;
  auto outcome = outcome_base(self, open, config->wall());
  learn_tokens(self, open, result);
  outcome.usage_estimated = !result.usage_present || open.overcounted;
  outcome.usage = result.usage_present ? result.usage : estimated_usage(open, result);
  outcome.answer = std::move(result.answer);
  outcome.extras = std::move(result.extras);
  outcome.finish = result.finish;
  outcome.embeddings = std::move(result.embeddings);
  const bool is_count = open.request.kind == call_kind::count_tokens;
  outcome.cost = is_count      ? money{}
                 : result.cost ? result.cost
                               : price_of(outcome.usage, open.pinned->prices);
  note_cost(self, *config, open.key, outcome.cost);
  outcome.http_status = result.http_status;
  outcome.served_model = std::move(result.served_model);
  outcome.request_id = std::move(result.request_id);
  outcome.simulated = result.simulated;
  ++open.model->answered;
  // A count takes no tokens and little time, so it would only blur what the monitor knows of the model.
  if (!is_count)
    observe(self, out, *config, *open.model, outcome);
  out.outcomes.add(open.run, std::move(outcome));
  self->state.calls.erase(found);
}

/// Its caller has gone in the middle of a stream: it costs what has come, and is no failure of the model.
void finish_dropped(self_pointer self, const config_ptr& config, call_id id, exchange_result&& result,
                    consequences& out) {
  const auto found = self->state.calls.find(id);
  auto& open = found->second;
  key_answered(self, config, open.key, true);
  auto outcome = outcome_base(self, open, config->wall());
  outcome.http_status = 200;
  outcome.usage = result.usage;
  outcome.usage_estimated = true;
  outcome.cost = price_of(outcome.usage, open.pinned->prices);
  note_cost(self, *config, open.key, outcome.cost);
  outcome.error = std::move(result.error);
  if (!outcome.cost)
    outcome.failures.push_back({errc::cancelled,
                                0,
                                milliseconds{0},
                                true,
                                outcome.error->message,
                                self->state.keys[open.key].key.name,
                                {}});
  outcome.possibly_billed = std::ranges::any_of(outcome.failures, &attempt_record::possibly_billed);
  observe(self, out, *config, *open.model, outcome);
  out.outcomes.add(open.run, std::move(outcome));
  self->state.calls.erase(found);
}

/// A count of tokens that the provider has not given.
void finish_estimated(self_pointer self, const config_ptr& config, call_id id, uint16_t http_status,
                      consequences& out) {
  const auto found = self->state.calls.find(id);
  auto& open = found->second;
  auto outcome = outcome_base(self, open, config->wall());
  outcome.http_status = http_status;
  outcome.usage.prompt_tokens = open.model->tokens.apply(prompt_estimate(open));
  outcome.usage_estimated = true;
  outcome.cost = money{};
  ++open.model->answered;
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

/// Where a call whose try has failed goes next.
enum class next_step : uint8_t { fails, waits_for_backoff, waits_for_budget, waits_in_line };

/// While retries are more than a provider should bear, who can wait comes back only after this time.
constexpr milliseconds patience_for_budget{10'000};

next_step step_after(self_pointer self, const provider_config& config, const open_call& open,
                     const control::retry_decision& decision) {
  if (open.streamed)
    return next_step::fails;
  // Whoever wants a count has an estimate sooner than the provider can be asked again.
  if (open.request.kind == call_kind::count_tokens && decision.how != retry_class::other_key)
    return next_step::fails;
  // It need not wait here for what another target can do now.
  if (need_not_wait(open.request) && !takes_calls(self, config, *open.model))
    return next_step::fails;
  // A key that is rejected, or closed for longer than is waited for, need not stop the others.
  if (decision.how == retry_class::other_key)
    return has_good_key(self, *open.line) ? next_step::waits_in_line : next_step::fails;
  if (!decision.retry || decision.how == retry_class::other_provider)
    return next_step::fails;
  if (decision.how == retry_class::wait)
    return next_step::waits_in_line;
  const auto most = open.max_retries ? open.max_retries : open.model->profile.max_retries;
  if (decision.burns_attempt && open.attempts > most.value_or(open.attempts))
    return next_step::fails;
  if (decision.burns_attempt && !self->state.budget.try_retry(self->clock().now()))
    return need_not_wait(open.request) ? next_step::fails : next_step::waits_for_budget;
  // Whoever asked would be gone before the next try.
  const auto next_try = (self->clock().now() + decision.wait).time_since_epoch();
  if (open.request.send_by > nanoseconds{0} && next_try >= open.request.send_by)
    return next_step::fails;
  return next_step::waits_for_backoff;
}

milliseconds pause_before(provider_state& state, next_step step, const control::retry_decision& decision) {
  switch (step) {
  case next_step::waits_for_backoff:
    return decision.wait;
  case next_step::waits_for_budget: {
    const auto share = 0.5 + 0.5 * state.chance.roll();
    return std::max(decision.wait, milliseconds{static_cast<milliseconds::rep>(
                                       share * static_cast<double>(patience_for_budget.count()))});
  }
  default:
    return milliseconds{0};
  }
}

void defer(self_pointer self, call_id id, open_call& open, milliseconds wait) {
  const auto now = self->clock().now();
  open.phase = call_phase::deferred;
  open.entered = now;
  open.deadline = self->state.wheel->schedule(id, now + wait);
}

void on_failure(self_pointer self, const config_ptr& config, call_id id, exchange_result&& result,
                consequences& out) {
  auto& open = self->state.calls.at(id);
  const auto decision = self->state.retries.decide(describe(open, result), self->state.chance.roll());
  const auto code = result.error->code;
  const auto key = open.key;
  open.billed = open.billed || result.possibly_billed;
  open.retry_after = result.retry_after;
  if (code == errc::rate_limited)
    close_gate(self, *open.model, key, result,
               std::max(decision.wait, result.retry_after.value_or(milliseconds{0})));
  if (retry_class_of(code) == retry_class::other_key)
    take_key_out(self, config, key, *result.error);
  else
    key_answered(self, config, key, false);
  const auto step = step_after(self, *config, open, decision);
  const auto wait = pause_before(self->state, step, decision);
  open.request.failures.push_back({code,
                                   result.http_status,
                                   wait,
                                   result.possibly_billed,
                                   result.error->message,
                                   self->state.keys[key].key.name,
                                   {}});
  if (step != next_step::fails && open.withdrawn)
    return finish_failed(self, config, id, {errc::cancelled, "withdrawn before its next try", {}, {}},
                         result.http_status, result.possibly_billed, out);
  if (step == next_step::fails)
    return finish_failed(self, config, id, std::move(*result.error), result.http_status,
                         result.possibly_billed, out);
  spdlog::debug("provider retries a call provider={} class={} wait_ms={} reason=\"{}\"",
                config->profile.id.value, to_string(code), wait.count(), decision.reason);
  if (step != next_step::waits_in_line) {
    ++open.model->retried;
    return defer(self, id, open, wait);
  }
  // Turned away at the door: that was no try.
  --open.attempts;
  if (decision.how == retry_class::wait) {
    ++open.deferrals;
    open.deferred += decision.wait;
  }
  back_to_line(self, *config, id, open);
}

// -- one result --------------------------------------------------------------------------------------------

void tell_controls(self_pointer self, open_call& open, const exchange_result& result) {
  const auto now = self->clock().now();
  auto& model = *open.model;
  auto& window = model.gates[open.key].window;
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
    window.succeeded(open.request.failures.empty(), now);
  else if (result.error->code == errc::rate_limited)
    window.rejected(now, result.retry_after);
  else
    window.ended();
  if (result.error && result.error->code != errc::rate_limited && result.error->code != errc::cancelled)
    model.last_failure = result.error->message;
}

} // namespace

exchange_result lost_result(call_id id, const fault& reason, bool possibly_billed) {
  exchange_result result;
  result.id = id;
  result.error = reason;
  result.possibly_billed = possibly_billed;
  return result;
}

void finish_failed(self_pointer self, const config_ptr& config, call_id id, fault reason,
                   uint16_t http_status, bool possibly_billed, consequences& out) {
  const auto found = self->state.calls.find(id);
  auto& open = found->second;
  self->state.wheel->cancel(std::exchange(open.deadline, {}));
  if (open.request.kind == call_kind::count_tokens && reason.code != errc::cancelled)
    return finish_estimated(self, config, id, http_status, out);
  auto outcome = outcome_base(self, open, config->wall());
  outcome.error = std::move(reason);
  outcome.http_status = http_status;
  if (outcome.error->code == errc::rate_limited)
    outcome.retry_after = open.retry_after;
  outcome.possibly_billed =
      possibly_billed || std::ranges::any_of(outcome.failures, &attempt_record::possibly_billed);
  if (outcome.error->code != errc::cancelled) {
    ++open.model->failed;
    observe(self, out, *config, *open.model, outcome);
  }
  out.outcomes.add(open.run, std::move(outcome));
  self->state.calls.erase(found);
}

void send_all(self_pointer self, const config_ptr& config, consequences& out) {
  out.outcomes.send(self);
  if (!out.observations.calls.empty() && config->monitor)
    self->send(config->monitor, std::move(out.observations));
  for (auto& [key, given_up] : out.given_up)
    if (self->state.keys[key].wire)
      self->send(self->state.keys[key].wire, std::move(given_up));
  for (auto& [where, settled] : out.settled)
    if (const auto& limiter = where.first->gates[where.second].limiter)
      self->send(limiter, std::move(settled));
  // Behind the settlements: what the headers say already counts the calls that were settled.
  for (auto& [where, seen] : out.limits) {
    const auto& gate = where.first->gates[where.second];
    seen.requests_sent_since = gate.exchanging;
    if (gate.limiter)
      self->send(gate.limiter, seen);
  }
}

void on_result(self_pointer self, const config_ptr& config, exchange_result&& result, consequences& out) {
  const auto found = self->state.calls.find(result.id);
  // A result may come after its call was given up or taken back.
  if (found == self->state.calls.end() || found->second.phase != call_phase::exchanging)
    return;
  auto& open = found->second;
  auto& model = *open.model;
  self->state.wheel->cancel(std::exchange(open.deadline, {}));
  --model.gates[open.key].exchanging;
  --*open.on_the_wire;
  --open.line->in_use;
  const bool is_count = open.request.kind == call_kind::count_tokens;
  if (is_count)
    result.possibly_billed = false;
  else
    bound_usage(*config, open, result);
  note_use(self, *config, open, result);
  const auto used = result.usage_present && !is_count
                        ? result.usage.prompt_tokens + result.usage.completion_tokens
                        : open.reserved;
  const std::pair where{&model, open.key};
  out.settled[where].slots.push_back(
      {result.id, open.reserved, used, open.answer_tokens,
       result.usage_present && !is_count ? result.usage.completion_tokens : open.answer_tokens,
       !result.error});
  if (result.limits) {
    out.limits[where] = *result.limits;
    note_limits(model.gates[open.key], *result.limits);
  }
  open.timing.connect += result.connect;
  open.timing.first_byte = result.first_byte;
  open.timing.transfer = result.transfer;
  open.timing.local_lag = result.local_lag;
  tell_controls(self, open, result);
  const auto id = result.id;
  if (result.error && result.error->code == errc::cancelled && open.streamed && result.usage_present)
    return finish_dropped(self, config, id, std::move(result), out);
  if (result.error)
    return on_failure(self, config, id, std::move(result), out);
  key_answered(self, config, open.key, true);
  finish_answered(self, config, id, std::move(result), out);
}

void on_results(self_pointer self, const config_ptr& config, exchange_result_batch& batch) {
  self->state.health.last_traffic = self->clock().now();
  consequences out;
  for (auto& result : batch.results)
    on_result(self, config, std::move(result), out);
  send_all(self, config, out);
  for (auto& [id, model] : self->state.models) {
    update_credit(self, *config, *model);
    pump(self, config, *model);
  }
  remember(self, config);
}

} // namespace assay::provider_detail
