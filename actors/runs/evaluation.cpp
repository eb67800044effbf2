#include "actors/runs/evaluation.hpp"

#include "actors/runs/evaluation_detail.hpp"
#include "protocol/errors.hpp"

#include <nlohmann/json.hpp>
#include <spdlog/spdlog.h>

#include <utility>

namespace assay {

using namespace evaluation_detail;

namespace {

// -- the record and its events -----------------------------------------------------------------------------

event lifecycle_event(const evaluation_state& state, const context& ctx, event_type type) {
  return {state.record.spec.id, 0, type, ctx.config.wall(),
          shared_text{run_status_json(state.record).dump()}};
}

/// Writes the record, with an event when something happened that people wait for.
/// @returns the watermark to wait for.
uint64_t store_record(self_pointer self, const context_ptr& ctx, std::optional<event_type> type,
                      std::optional<std::string> result_document = std::nullopt) {
  auto& state = self->state;
  append_batch rows;
  rows.watermark = ++state.next_watermark;
  rows.runs.push_back(state.record);
  if (type)
    rows.events.push_back(lifecycle_event(state, *ctx, *type));
  if (result_document)
    rows.results.emplace_back(state.record.spec.id, std::move(*result_document));
  self->send(ctx->config.journal, append{std::move(rows), caf::actor_cast<commit_sink_actor>(self)});
  state.changed = true;
  return state.next_watermark;
}

void report(self_pointer self, const context_ptr& ctx) {
  auto& state = self->state;
  state.record.progress.in_flight = state.open.size();
  self->send(ctx->parent, run_reported{state.record});
  self->send(ctx->config.event_hub, publish_progress{state.record});
}

caf::result<run_record> reply_when_stored(self_pointer self, uint64_t watermark) {
  auto promise = self->make_response_promise<run_record>();
  self->state.replies.push_back({watermark, promise});
  return promise;
}

void start_ticking(self_pointer self, const context& ctx) {
  if (!std::exchange(self->state.ticking, true))
    self->delayed_send(self, ctx.config.progress_interval, tick{});
}

// -- beginning ---------------------------------------------------------------------------------------------

void recover(self_pointer self, const context_ptr& ctx) {
  auto& state = self->state;
  state.worker = ctx->config.make_worker();
  run_job(self, ctx, [worker = state.worker, record = state.record, target = evaluation_actor{self}] {
    caf::anon_send(target, worker->recover(record));
  });
}

void begin_asking(self_pointer self, const context_ptr& ctx) {
  auto& state = self->state;
  state.now = phase::asking;
  state.asking_since = state.last_tick = self->clock().now();
  state.done_at_last_tick = state.record.progress.done;
  apply_commits(state, 0);
  if (state.record.state != run_state::paused) {
    state.record.state = run_state::running;
    const bool first = !state.record.started_at;
    if (first)
      state.record.started_at = ctx->config.wall();
    store_record(self, ctx, first ? std::optional{event_type::evaluation_started} : std::nullopt);
  }
  self->send(ctx->config.router, open_lane{lane_of(state, *ctx), caf::actor_cast<call_sink_actor>(self)});
  report(self, ctx);
  start_ticking(self, *ctx);
  pump(self, ctx);
}

void on_recovered(self_pointer self, const context_ptr& ctx, run_recovered& found) {
  auto& state = self->state;
  if (state.draining)
    return self->quit();
  if (found.error) {
    state.plan = std::make_shared<run_plan>();
    state.now = phase::asking;
    return end_run(self, ctx, run_state::failed, std::move(found.error), milliseconds{0});
  }
  state.record.progress = found.record.progress;
  state.done_by_task = std::move(found.done_by_task);
  state.plan = state.worker->plan();
  if (!state.ends_as)
    return begin_asking(self, ctx);
  // Cancelled in the meantime.
  state.now = phase::asking;
  settle(self, ctx);
}

// -- ending ------------------------------------------------------------------------------------------------

event_type final_event(run_state state) {
  return state == run_state::completed ? event_type::evaluation_completed : event_type::evaluation_failed;
}

void summarise(self_pointer self, const context_ptr& ctx) {
  auto& state = self->state;
  state.now = phase::summarising;
  if (!state.ends_as) {
    const bool nothing_worked =
        state.record.progress.total > 0 && state.record.progress.failed == state.record.progress.total;
    state.ends_as = nothing_worked ? run_state::failed : run_state::completed;
    if (nothing_worked)
      state.ends_with = state.last_failure.value_or(
          fault{errc::internal, "every sample failed", {}, "see the samples' errors, then retry the run"});
  }
  // The document must say how the run ended, although the record says so only once both are written.
  auto record = state.record;
  record.state = *state.ends_as;
  record.finished_at = record.finished_at.value_or(ctx->config.wall());
  record.error = state.ends_with;
  run_job(self, ctx, [worker = state.worker, record = std::move(record), target = evaluation_actor{self}] {
    caf::anon_send(target, worker->summarise(record));
  });
}

void close(self_pointer self, const context_ptr& ctx, result_computed& computed) {
  auto& state = self->state;
  state.now = phase::closing;
  const bool announced = state.record.state == run_state::cancelled;
  state.record.state = *state.ends_as;
  state.record.error = state.ends_with;
  if (!state.record.finished_at)
    state.record.finished_at = ctx->config.wall();
  if (computed.error && !state.record.error) {
    state.record.state = run_state::failed;
    state.record.error = std::move(computed.error);
  }
  std::optional<std::string> document;
  if (!computed.document.empty())
    document = std::move(computed.document);
  const auto type = announced ? std::nullopt : std::optional{final_event(state.record.state)};
  state.closing_watermark = store_record(self, ctx, type, std::move(document));
}

void finish(self_pointer self, const context_ptr& ctx) {
  self->send(ctx->config.router, close_lane{self->state.record.spec.id});
  report(self, ctx);
  self->quit();
}

// -- commits -----------------------------------------------------------------------------------------------

/// The store takes nothing any more: what is in flight cannot be kept, so nothing new is asked. The run stays
/// as the store has it and goes on when the farm is started again.
void on_store_failure(self_pointer self, const fault& reason) {
  spdlog::error("evaluation stops run={} reason=\"{}\"", to_string(self->state.record.spec.id),
                to_string(reason));
  for (auto& reply : self->state.replies)
    reply.promise.deliver(to_caf_error(reason));
  self->state.replies.clear();
  self->quit(to_caf_error(reason));
}

void on_committed(self_pointer self, const context_ptr& ctx, const committed& news) {
  auto& state = self->state;
  if (news.error)
    return on_store_failure(self, *news.error);
  apply_commits(state, news.watermark);
  state.record.last_seq = std::max(state.record.last_seq, news.last_seq);
  bool verb_done = false;
  while (!state.replies.empty() && state.replies.front().watermark <= news.watermark) {
    state.replies.front().promise.deliver(state.record);
    state.replies.pop_front();
    verb_done = true;
  }
  // Only now: what a subscriber has seen is never taken back.
  if (verb_done)
    report(self, ctx);
  if (state.now == phase::closing) {
    if (news.watermark >= state.closing_watermark)
      finish(self, ctx);
    return;
  }
  pump(self, ctx);
}

// -- verbs -------------------------------------------------------------------------------------------------

caf::result<run_record> not_now(const evaluation_state& state, run_verb verb) {
  return to_caf_error({errc::invalid_transition,
                       "a run that is " + std::string{to_string(state.record.state)} + " cannot "
                           + std::string{to_string(verb)},
                       to_string(state.record.spec.id),
                       {}});
}

caf::result<run_record> pause(self_pointer self, const context_ptr& ctx) {
  auto& state = self->state;
  state.record.state = run_state::paused;
  withdraw(self, ctx, std::nullopt);
  const auto watermark = store_record(self, ctx, event_type::evaluation_paused);
  return reply_when_stored(self, watermark);
}

caf::result<run_record> resume(self_pointer self, const context_ptr& ctx) {
  auto& state = self->state;
  state.record.state = run_state::running;
  const auto watermark = store_record(self, ctx, event_type::evaluation_resumed);
  pump(self, ctx);
  return reply_when_stored(self, watermark);
}

caf::result<run_record> cancel(self_pointer self, const context_ptr& ctx) {
  auto& state = self->state;
  state.record.state = run_state::cancelled;
  state.record.finished_at = ctx->config.wall();
  const auto watermark = store_record(self, ctx, event_type::evaluation_cancelled);
  auto answer = reply_when_stored(self, watermark);
  if (state.now == phase::asking)
    end_run(self, ctx, run_state::cancelled, std::nullopt, ctx->config.cancel_grace);
  else
    state.ends_as = run_state::cancelled;
  return answer;
}

caf::result<run_record> command(self_pointer self, const context_ptr& ctx, const command_run& wish) {
  auto& state = self->state;
  const auto now = state.record.state;
  const bool ending = state.ends_as || state.now == phase::summarising || state.now == phase::closing;
  switch (wish.verb) {
  case run_verb::pause:
    if (now == run_state::paused)
      return state.record;
    return now == run_state::running && !ending ? pause(self, ctx) : not_now(state, wish.verb);
  case run_verb::resume:
    if (now == run_state::running)
      return state.record;
    return now == run_state::paused && !ending ? resume(self, ctx) : not_now(state, wish.verb);
  case run_verb::cancel:
    if (now == run_state::cancelled)
      return state.record;
    return is_final(now) || state.now == phase::closing ? not_now(state, wish.verb) : cancel(self, ctx);
  case run_verb::retry:
    return not_now(state, wish.verb);
  }
  return not_now(state, wish.verb);
}

// -- time --------------------------------------------------------------------------------------------------

void update_speed(self_pointer self, const context& ctx) {
  auto& state = self->state;
  auto& progress = state.record.progress;
  const auto now = self->clock().now();
  const std::chrono::duration<double> passed = now - state.last_tick;
  const auto fresh = progress.done - state.done_at_last_tick;
  state.last_tick = now;
  state.done_at_last_tick = progress.done;
  if (passed.count() <= 0)
    return;
  const double speed = static_cast<double>(fresh) / passed.count();
  constexpr double newest = 0.3;
  progress.samples_per_second =
      progress.samples_per_second > 0 ? progress.samples_per_second * (1 - newest) + speed * newest : speed;
  if (state.record.state != run_state::running || progress.samples_per_second <= 0) {
    progress.estimated_completion.reset();
    return;
  }
  const double left = static_cast<double>(progress.total - progress.done) / progress.samples_per_second;
  progress.estimated_completion = ctx.config.wall() + milliseconds{static_cast<int64_t>(left * 1000)};
}

void on_tick(self_pointer self, const context_ptr& ctx) {
  auto& state = self->state;
  const auto now = self->clock().now();
  state.ticking = false;
  if (state.unplaced_job)
    run_job(self, ctx, std::exchange(state.unplaced_job, nullptr));
  if (state.drain_until && now >= *state.drain_until)
    return self->quit();
  update_speed(self, *ctx);
  const auto limit = state.record.spec.time_limit;
  if (limit && state.now == phase::asking && !state.ends_as && now - state.asking_since >= *limit)
    end_run(self, ctx, run_state::failed,
            fault{errc::time_limit_reached, "the run's time limit of " + to_human(*limit) + " passed",
                  "time_limit", "retry the run to go on from here"},
            milliseconds{0});
  if (std::exchange(state.changed, false) || state.record.progress.in_flight != state.open.size())
    report(self, ctx);
  start_ticking(self, *ctx);
}

void begin_draining(self_pointer self, const context_ptr& ctx, const drain& wish) {
  auto& state = self->state;
  state.draining = true;
  state.drain_until = self->clock().now() + wish.grace;
  withdraw(self, ctx, wish.grace);
  start_ticking(self, *ctx);
  settle(self, ctx);
}

} // namespace

namespace evaluation_detail {

void run_job(self_pointer self, const context_ptr& ctx, std::function<void()> job) {
  if (ctx->config.workers->submit(job))
    return;
  self->state.unplaced_job = std::move(job);
  start_ticking(self, *ctx);
}

void end_run(self_pointer self, const context_ptr& ctx, run_state how, std::optional<fault> reason,
             milliseconds grace) {
  auto& state = self->state;
  if (!state.ends_as) {
    state.ends_as = how;
    state.ends_with = std::move(reason);
    withdraw(self, ctx, grace);
  }
  settle(self, ctx);
}

void settle(self_pointer self, const context_ptr& ctx) {
  auto& state = self->state;
  if (state.now != phase::asking || !state.open.empty() || !state.pending.empty())
    return;
  if (state.draining)
    return self->quit();
  if (state.loading)
    return;
  const bool asked_all =
      state.end_of_samples && state.ready.empty() && state.record.state == run_state::running;
  if (state.ends_as || asked_all)
    summarise(self, ctx);
}

} // namespace evaluation_detail

evaluation_actor::behavior_type evaluation(self_pointer self, evaluation_config config,
                                           run_supervisor_actor parent) {
  self->state.record = config.record;
  self->state.done_by_task.assign(config.record.spec.tasks.size(), 0);
  const auto ctx = std::make_shared<const context>(context{std::move(config), std::move(parent)});
  // Both are restarted together with this run's supervisor; going on without them would wait for nothing.
  self->monitor(ctx->config.router);
  self->monitor(ctx->config.journal);
  self->set_down_handler([self](const caf::down_msg&) {
    self->quit(to_caf_error({errc::actor_lost, "the router or the journal ended", {}, {}}));
  });
  recover(self, ctx);
  return {
      [self, ctx](call_outcome_batch& batch) { on_outcomes(self, ctx, batch); },
      [self, ctx](const lane_credit& credit) {
        self->state.credit = credit.calls;
        pump(self, ctx);
      },
      [](const call_delta&) {
        // An evaluation scores whole answers; it never asks for a stream.
      },
      [self, ctx](const committed& news) { on_committed(self, ctx, news); },
      [self, ctx](const command_run& wish) { return command(self, ctx, wish); },
      [self](const find_run&) { return self->state.record; },
      [self, ctx](const drain& wish) { begin_draining(self, ctx, wish); },
      [self, ctx](run_recovered& found) { on_recovered(self, ctx, found); },
      [self, ctx](samples_loaded& page) { on_loaded(self, ctx, page); },
      [self, ctx](result_computed& computed) { close(self, ctx, computed); },
      [self, ctx](const tick&) { on_tick(self, ctx); },
  };
}

} // namespace assay
