#include "actors/runs/evaluation_detail.hpp"
#include "actors/runs/run_counts.hpp"

#include <algorithm>
#include <utility>

namespace assay::evaluation_detail {

lane lane_of(const evaluation_state& state, const context& ctx) {
  const auto& spec = state.record.spec;
  lane out;
  out.run = spec.id;
  out.model = spec.model;
  out.provider = spec.provider;
  out.wire_model = spec.wire_model;
  out.route = spec.route;
  out.prices = spec.prices;
  out.tenant = spec.owner;
  out.tenant_weight = ctx.config.tenant_weight;
  out.run_weight = spec.weight;
  out.priority = spec.priority;
  out.rules = spec.calls;
  out.cache = spec.cache;
  out.way = spec.way;
  out.max_cost = spec.max_cost;
  out.api_key = spec.api_key;
  out.key_budget = spec.key_budget;
  return out;
}

void hand_over(self_pointer self, const context_ptr& ctx, append_batch&& rows) {
  rows.watermark = ++self->state.next_watermark;
  self->send(ctx->config.journal, append{std::move(rows), caf::actor_cast<commit_sink_actor>(self)});
}

void lose_ready_calls(evaluation_state& state) {
  for (auto& sample : state.ready) {
    // Paid for, and in no sample's record.
    if (const auto history = std::exchange(sample.history, nullptr)) {
      auto& progress = state.record.progress;
      progress.usage += history->usage;
      if (history->cost)
        progress.cost = progress.cost.value_or(money{}) + *history->cost;
      if (history->judge_cost)
        progress.judge_cost = progress.judge_cost.value_or(money{}) + *history->judge_cost;
    }
    const auto tries = std::exchange(sample.failures, {});
    if (std::ranges::none_of(tries, &attempt_record::possibly_billed))
      continue;
    ++state.record.lost_calls;
    ++state.record.progress.possibly_billed;
  }
}

namespace {

constexpr double first_answer_guess = 256;
constexpr double smoothing = 0.05;

/// @returns whose answer it was: of a run with several models, the one that the row names.
quality_observation judged_answer(const run_spec& spec, const std::string& served_by) {
  for (const auto& one : spec.route.models)
    if (!served_by.empty() && one.provider.value + "/" + one.model.value == served_by)
      return {one.model, one.provider, 0, std::nullopt};
  return {spec.model, spec.provider, 0, std::nullopt};
}

void tell_quality(const evaluation_state& state, self_pointer self, const evaluation_config& config,
                  const harvest& crop) {
  if (!config.monitor)
    return;
  observe_quality seen;
  for (size_t i = 0; i < crop.rows.samples.size(); ++i) {
    const auto& row = crop.rows.samples[i];
    if (row.status != sample_status::scored || row.scores.empty())
      continue;
    auto one = judged_answer(state.record.spec, crop.servers[i]);
    const auto primary = (*state.plan)[row.address.task].primary;
    const auto score = std::ranges::find(row.scores, primary, &score_value::scorer);
    if (score == row.scores.end())
      continue;
    one.quality = score->value;
    one.cost = row.cost;
    if (one.cost && row.judge_cost)
      *one.cost = *one.cost - *row.judge_cost;
    seen.answers.push_back(std::move(one));
  }
  if (!seen.answers.empty())
    self->send(config.monitor, std::move(seen));
}

} // namespace

void keep(self_pointer self, const context_ptr& ctx, harvest&& crop) {
  if (crop.rows.samples.empty() && crop.rows.responses.empty())
    return;
  auto& state = self->state;
  tell_quality(state, self, ctx->config, crop);
  log_failures(state, *ctx, crop.rows, crop.reasons);
  hand_over(self, ctx, std::move(crop.rows));
  crop.effect.watermark = state.next_watermark;
  state.uncommitted_samples += static_cast<uint32_t>(crop.effect.tasks.size());
  state.pending.push_back(std::move(crop.effect));
}

void reap(evaluation_state& state, harvest& crop, sample_record&& row, std::string&& reason,
          std::string&& served_by) {
  crop.reasons.push_back(std::move(reason));
  crop.servers.push_back(std::move(served_by));
  count(state, row, crop.effect);
  crop.rows.samples.push_back(std::move(row));
}

// -- asking ------------------------------------------------------------------------------------------------

call_id next_call_id(self_pointer self) {
  return call_id{(static_cast<uint64_t>(self->id()) << 32) + ++self->state.next_call};
}

bool may_ask(const evaluation_state& state) {
  return state.now == phase::asking && state.wanted.state == run_state::running && !state.ends_as
         && !state.draining && !state.enough;
}

namespace {

uint32_t likely_answer_tokens(const evaluation_state& state, const sampling& parameters) {
  double answer = state.answer_tokens > 0 ? state.answer_tokens : first_answer_guess;
  if (parameters.max_tokens)
    answer = std::min(answer, static_cast<double>(*parameters.max_tokens));
  return static_cast<uint32_t>(answer);
}

call make_call(self_pointer self, const context_ptr& ctx, const loaded_sample& sample) {
  auto& state = self->state;
  call request;
  request.id = next_call_id(self);
  request.messages = sample.messages;
  request.parameters = state.record.spec.tasks[sample.address.task].generation;
  request.answer_tokens = likely_answer_tokens(state, request.parameters);
  request.timeout = ctx->config.call_timeout;
  request.prompt_type = state.record.spec.prompt_types[sample.address.variant];
  request.failures = sample.failures;
  request.repetition = sample.address.epoch;
  return request;
}

void read_on(self_pointer self, const context_ptr& ctx) {
  auto& state = self->state;
  if (state.loading || state.end_of_samples || state.ready.size() >= ctx->config.read_ahead)
    return;
  state.loading = true;
  run_job(self, ctx, [worker = state.worker, limit = ctx->config.page_size, target = evaluation_actor{self}] {
    caf::anon_send(target, worker->next_page(limit));
  });
}

bool needs_call(const loaded_sample& sample) { return !sample.error && !sample.has_stored_answer; }

/// A sample that needs no call: its template failed, or its answer is stored already.
void settle_without_call(self_pointer self, const context_ptr& ctx, loaded_sample&& sample,
                         scoring_jobs& jobs, harvest& crop) {
  auto& state = self->state;
  auto row = make_sample(state, sample);
  if (sample.history)
    crop.rows.responses.insert(crop.rows.responses.end(), sample.history->copies.begin(),
                               sample.history->copies.end());
  if (sample.error) {
    fail(row, sample.error->code);
    return reap(state, crop, std::move(row), to_string(*sample.error));
  }
  if (scores_outside(state, sample)) {
    const auto answer = sample.stored_answer;
    return begin_scoring(self, ctx, std::move(sample), std::move(row), answer, {}, jobs, crop);
  }
  score_inline(state, row, sample.stored_answer, sample.target);
  reap(state, crop, std::move(row));
}

/// @returns whether the next sample in the line has to wait: for credit, for the store or for scorers.
bool must_wait(const evaluation_state& state, const context& ctx, const harvest& crop) {
  const auto uncommitted = state.uncommitted_samples + crop.effect.tasks.size() + state.turns.size();
  if (uncommitted >= ctx.config.max_uncommitted || !has_room_to_score(state, ctx))
    return true;
  return state.open.size() >= state.credit && needs_call(state.ready.front());
}

void ask_ready(self_pointer self, const context_ptr& ctx) {
  auto& state = self->state;
  call_batch batch{lane_of(state, *ctx), {}, caf::actor_cast<call_sink_actor>(self)};
  harvest crop;
  scoring_jobs jobs;
  while (!state.ready.empty() && !must_wait(state, *ctx, crop)) {
    auto sample = std::move(state.ready.front());
    state.ready.pop_front();
    if (!needs_call(sample)) {
      settle_without_call(self, ctx, std::move(sample), jobs, crop);
      continue;
    }
    auto request = make_call(self, ctx, sample);
    const auto id = request.id;
    batch.calls.push_back(std::move(request));
    state.open.emplace(id, evaluation_state::open_call{std::move(sample), self->clock().now()});
  }
  keep(self, ctx, std::move(crop));
  send_jobs(self, ctx, std::move(jobs));
  if (batch.calls.empty())
    return;
  note_open_calls(self, ctx);
  self->send(ctx->config.router, std::move(batch));
}

// -- answers -----------------------------------------------------------------------------------------------

/// A call that was given up on its way at the end of its run may cost something all the same: it stays on
/// record as a failure, which a retry asks again.
bool stays_on_record(const evaluation_state& state, const call_outcome& outcome) {
  return state.ends_as && outcome.possibly_billed && goes_back(outcome.error->code);
}

void on_success(evaluation_state& state, const call_outcome& outcome) {
  state.failures_in_a_row = 0;
  const double tokens = outcome.usage.completion_tokens;
  state.answer_tokens =
      state.answer_tokens > 0 ? state.answer_tokens + smoothing * (tokens - state.answer_tokens) : tokens;
}

/// An answer that the store cannot take is no reason to lose the others.
void refuse_too_large(const context& ctx, loaded_sample& sample, call_outcome& outcome) {
  const auto asked = prompt_bytes(sample) + sample.target.size();
  const auto bytes = asked + outcome.answer.size();
  if (bytes <= ctx.config.max_kept_bytes || (outcome.error && goes_back(outcome.error->code)))
    return;
  if (!outcome.error) {
    outcome.error = fault{errc::too_large,
                          "prompt, answer and target have " + std::to_string(bytes) + " bytes, more than the "
                              + std::to_string(ctx.config.max_kept_bytes) + " that are kept of one sample",
                          "answer", "limit the answer with max_tokens"};
    outcome.failures.push_back(
        {errc::too_large, outcome.http_status, milliseconds{0}, false, outcome.error->message});
  }
  outcome.answer = {};
  if (asked > ctx.config.max_kept_bytes) {
    sample.messages.clear();
    sample.target = {};
  }
}

response_record response_of(const evaluation_state& state, const loaded_sample& sample,
                            call_outcome& outcome) {
  auto row = make_response(state.record.spec.id, sample.address, outcome);
  if (state.record.spec.log_samples)
    row.prompt = joined_prompt(sample.messages);
  row.target = sample.target;
  return row;
}

struct answered {
  loaded_sample sample;
  sample_record row;
  shared_text answer;
  std::string reason;    ///< What the provider said to a failure.
  std::string served_by; ///< As in call_outcome.
};

/// What one batch of outcomes came to.
struct sorted_outcomes {
  std::vector<answered> kept; ///< Answers and final failures.
  append_batch responses;
  std::vector<loaded_sample> turns; ///< Whose answers are among the responses, and that go on.
  uint32_t given_up = 0;            ///< Rows among the responses that may cost money and have no answer.
  std::optional<fault> fatal;
};

/// Calls that were withdrawn go back to the line. In a run that ends they stay unasked, so what may have been
/// paid for is put on record here.
sorted_outcomes sort_outcomes(self_pointer self, const context& ctx, call_outcome_batch& batch) {
  auto& state = self->state;
  const auto now = self->clock().now();
  sorted_outcomes out;
  out.kept.reserve(batch.outcomes.size());
  for (auto& outcome : batch.outcomes) {
    const auto found = state.open.find(outcome.id);
    if (found == state.open.end())
      continue;
    auto sample = std::move(found->second.sample);
    const nanoseconds since_asked = now - found->second.asked_at;
    state.open.erase(found);
    refuse_too_large(ctx, sample, outcome);
    if (outcome.error && (goes_back(outcome.error->code) || ends_the_run(outcome.error->code))
        && !stays_on_record(state, outcome)) {
      if (ends_the_run(outcome.error->code))
        out.fatal = outcome.error;
      if (outcome.possibly_billed && state.ends_as) {
        out.responses.responses.push_back(response_of(state, sample, outcome));
        ++out.given_up;
      } else {
        sample.failures = std::move(outcome.failures);
      }
      state.ready.push_front(std::move(sample));
      continue;
    }
    auto row = make_sample(state, sample, outcome, since_asked);
    if (!outcome.error && has_next_turn(sample)) {
      on_success(state, outcome);
      const auto took = row.duration - sample.history->duration;
      out.responses.responses.push_back(response_of(state, sample, outcome));
      advance_turn(sample, outcome.answer, outcome, took);
      out.turns.push_back(std::move(sample));
      continue;
    }
    if (outcome.error) {
      fail(row, outcome.error->code);
      ++state.failures_in_a_row;
      if (!goes_back(outcome.error->code))
        state.last_failure = outcome.error;
    } else {
      on_success(state, outcome);
    }
    auto served_by = outcome.served_by;
    out.responses.responses.push_back(response_of(state, sample, outcome));
    // Why a sample failed is looked for where its record is, whichever turn it was.
    out.responses.responses.back().address = row.address;
    out.kept.push_back({std::move(sample), std::move(row), std::move(outcome.answer),
                        outcome.error ? std::move(outcome.error->message) : std::string{},
                        std::move(served_by)});
  }
  return out;
}

} // namespace

void on_outcomes(self_pointer self, const context_ptr& ctx, call_outcome_batch& batch) {
  auto& state = self->state;
  auto sorted = sort_outcomes(self, *ctx, batch);
  // The answers are on their way to the disk before anybody looks at them.
  if (!sorted.responses.responses.empty())
    hand_over(self, ctx, std::move(sorted.responses));
  for (auto& sample : sorted.turns)
    state.turns.push_back({state.next_watermark, std::move(sample)});
  if (sorted.given_up > 0) {
    auto& effect = state.pending.emplace_back();
    effect.watermark = state.next_watermark;
    effect.delta.possibly_billed = sorted.given_up;
    effect.lost_calls = sorted.given_up;
  }
  harvest crop;
  scoring_jobs jobs;
  for (auto& one : sorted.kept) {
    const bool has_answer = one.row.status != sample_status::failed;
    if (has_answer && scores_outside(state, one.sample)) {
      begin_scoring(self, ctx, std::move(one.sample), std::move(one.row), one.answer,
                    std::move(one.served_by), jobs, crop);
      continue;
    }
    if (has_answer)
      score_inline(state, one.row, one.answer, one.sample.target);
    reap(state, crop, std::move(one.row), std::move(one.reason), std::move(one.served_by));
  }
  keep(self, ctx, std::move(crop));
  send_jobs(self, ctx, std::move(jobs));
  if (sorted.fatal)
    return end_run(self, ctx, run_state::failed, std::move(sorted.fatal), ctx->config.cancel_grace);
  if (state.failures_in_a_row >= ctx->config.hopeless_after && state.record.progress.scored == 0
      && !state.ends_as) {
    auto reason = state.last_failure.value_or(fault{errc::internal, "every call failed", {}, {}});
    reason.hint = "no call has succeeded yet; mend the cause, then retry the run";
    return end_run(self, ctx, run_state::failed, std::move(reason), ctx->config.cancel_grace);
  }
  pump(self, ctx);
}

void on_loaded(self_pointer self, const context_ptr& ctx, samples_loaded& page) {
  auto& state = self->state;
  state.loading = false;
  if (page.error)
    return end_run(self, ctx, run_state::failed, std::move(page.error), ctx->config.cancel_grace);
  state.end_of_samples = page.end;
  std::move(page.samples.begin(), page.samples.end(), std::back_inserter(state.ready));
  pump(self, ctx);
}

void pump(self_pointer self, const context_ptr& ctx) {
  if (may_ask(self->state)) {
    ask_ready(self, ctx);
    // Answers have come, or a window has grown: more may be lost than when the calls were asked.
    if (!self->state.open.empty())
      note_open_calls(self, ctx);
    read_on(self, ctx);
  }
  pump_judges(self, ctx);
  settle(self, ctx);
}

void apply_commits(evaluation_state& state, uint64_t watermark) {
  while (!state.pending.empty() && state.pending.front().watermark <= watermark) {
    const auto& effect = state.pending.front();
    add(state.record.progress, effect.delta);
    state.record.lost_calls += effect.lost_calls;
    for (const auto task : effect.tasks)
      ++state.done_by_task[task];
    for (const auto& [row, score] : effect.scores)
      state.watch->add(row, score);
    state.uncommitted_samples -= static_cast<uint32_t>(effect.tasks.size());
    state.pending.pop_front();
    state.changed = true;
  }
  release_turns(state, watermark);
  update_current_task(state.record.progress, state.record.spec, state.done_by_task);
}

void withdraw(self_pointer self, const context_ptr& ctx, std::optional<milliseconds> grace, bool goes_on) {
  if (!self->state.open.empty())
    self->send(ctx->config.router, withdraw_calls{self->state.record.spec.id, grace, {}, goes_on});
}

} // namespace assay::evaluation_detail
