#include "actors/runs/evaluation.hpp"

#include "actors/runs/evaluation_detail.hpp"
#include "protocol/errors.hpp"
#include "storage/test_counts.hpp"

#include <nlohmann/json.hpp>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

namespace assay {

using namespace evaluation_detail;

namespace {

using stage = evaluation_state::stage;

// -- the record and its events -----------------------------------------------------------------------------

void enter(run_record& record, const stage& next) {
  record.state = next.state;
  record.started_at = next.started_at;
  record.finished_at = next.finished_at;
  record.error = next.error;
  record.yielded = next.yielded;
}

/// @returns whether the run has entered a stage that the store now has.
bool enter_committed_stages(evaluation_state& state, uint64_t watermark) {
  bool entered = false;
  for (; !state.stages.empty() && state.stages.front().watermark <= watermark; entered = true) {
    enter(state.record, state.stages.front().next);
    state.stages.pop_front();
  }
  return entered;
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

/// A host is restarted together with this run's supervisor; what waits for it would wait for nothing.
void watch_hosts(self_pointer self, const context& ctx) {
  const auto& plan = *self->state.plan;
  if (std::ranges::all_of(plan, [](const task_plan& task) { return task.outside.empty(); }))
    return;
  if (ctx.config.judges)
    self->monitor(ctx.config.judges);
  if (ctx.config.sandbox)
    self->monitor(ctx.config.sandbox);
  if (ctx.config.python)
    self->monitor(ctx.config.python);
}

void begin_asking(self_pointer self, const context_ptr& ctx) {
  auto& state = self->state;
  state.now = phase::asking;
  state.has_asked = true;
  state.last_tick = self->clock().now();
  state.done_at_last_tick = state.record.progress.done;
  state.record.active_for = state.record.active_for.value_or(milliseconds{0});
  if (state.wanted.state != run_state::paused)
    start_active_time(self, *ctx);
  state.kept_at = self->clock().now();
  apply_commits(state, 0);
  if (state.wanted.state != run_state::paused && state.wanted.state != run_state::running)
    start_running(self, ctx, std::nullopt);
  // A run that scores the answers of another asks nobody.
  if (state.record.spec.origin.empty())
    self->send(ctx->config.router, open_lane{lane_of(state, *ctx), caf::actor_cast<call_sink_actor>(self)});
  open_judges(self, ctx);
  watch_hosts(self, *ctx);
  report(self, ctx);
  start_ticking(self, *ctx);
  stop_when_enough(self, ctx);
  pump(self, ctx);
}

void on_recovered(self_pointer self, const context_ptr& ctx, run_recovered& found) {
  auto& state = self->state;
  if (state.draining) {
    state.now = phase::asking;
    return settle(self, ctx);
  }
  if (found.error) {
    book_lost_calls(state.record);
    state.plan = std::make_shared<run_plan>();
    state.now = phase::asking;
    return end_run(self, ctx, run_state::failed, std::move(found.error), milliseconds{0});
  }
  state.record.progress = found.record.progress;
  state.record.progress.in_batches = 0;
  book_lost_calls(state.record);
  state.done_by_task = std::move(found.done_by_task);
  state.plan = state.worker->plan();
  state.boards = state.worker->take_boards();
  state.watch = state.worker->take_watch();
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

stage final_stage(const evaluation_state& state, const context& ctx) {
  auto out = state.wanted;
  out.state = *state.ends_as;
  out.error = state.ends_with;
  if (!out.finished_at)
    out.finished_at = ctx.config.wall();
  return out;
}

void summarise(self_pointer self, const context_ptr& ctx) {
  auto& state = self->state;
  state.now = phase::summarising;
  lose_ready_calls(state);
  // The document and the record name the same time.
  count_active_time(self, *ctx);
  state.active_since.reset();
  note_rest(state.record);
  if (!state.ends_as) {
    const bool nothing_worked =
        state.record.progress.total > 0 && state.record.progress.failed == state.record.progress.total;
    state.ends_as = nothing_worked ? run_state::failed : run_state::completed;
    if (nothing_worked)
      state.ends_with = state.last_failure.value_or(
          fault{errc::internal, "every sample failed", {}, "see the samples' errors, then retry the run"});
  }
  state.record.stopped_early = early_end(state);
  // The document and the record name the same moment.
  if (!state.wanted.finished_at)
    state.wanted.finished_at = ctx->config.wall();
  // The document must say how the run ended, although the record says so only once both are written.
  auto record = state.record;
  enter(record, final_stage(state, *ctx));
  state.summarised_as = record.state;
  run_job(self, ctx, [worker = state.worker, record = std::move(record), target = evaluation_actor{self}] {
    caf::anon_send(target, worker->summarise(record));
  });
}

void close(self_pointer self, const context_ptr& ctx, result_computed& computed) {
  auto& state = self->state;
  // Cancelled while the result was computed.
  if (state.summarised_as != state.ends_as)
    return summarise(self, ctx);
  state.now = phase::closing;
  auto last = final_stage(state, *ctx);
  const bool announced = state.wanted.state == run_state::cancelled;
  if (computed.error) {
    spdlog::error("evaluation has no result run={} reason=\"{}\"", to_string(state.record.spec.id),
                  to_string(*computed.error));
    if (!last.error)
      last.error = std::move(computed.error);
    // Cancelled is final, whatever comes after.
    if (!announced)
      last.state = run_state::failed;
  }
  std::optional<std::string> document;
  if (!computed.document.empty())
    document = std::move(computed.document);
  state.record.waiting_for.clear();
  state.record.progress.estimated_completion.reset();
  const auto type = announced ? std::nullopt : std::optional{final_event(last.state)};
  state.closing_watermark =
      move_on(self, ctx, std::move(last), type, std::move(document), std::move(computed.counts));
}

void finish(self_pointer self, const context_ptr& ctx) {
  if (self->state.record.spec.origin.empty())
    self->send(ctx->config.router, close_lane{self->state.record.spec.id});
  close_judges(self, ctx);
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
  state.durable_watermark = std::max(state.durable_watermark, news.watermark);
  state.record.last_seq = std::max(state.record.last_seq, news.last_seq);
  // Only now: what a subscriber has seen is never taken back.
  const bool entered = enter_committed_stages(state, news.watermark);
  while (!state.replies.empty() && state.replies.front().watermark <= news.watermark) {
    state.replies.front().promise.deliver(state.record);
    state.replies.pop_front();
  }
  if (entered && state.now != phase::closing)
    report(self, ctx);
  if (state.now == phase::closing) {
    if (news.watermark >= state.closing_watermark)
      finish(self, ctx);
    return;
  }
  pump(self, ctx);
}

// -- time --------------------------------------------------------------------------------------------------

void update_speed(self_pointer self, const context& ctx) {
  auto& state = self->state;
  auto& progress = state.record.progress;
  const auto now = self->clock().now();
  const std::chrono::duration<double> passed = now - state.last_tick;
  if (state.now == phase::asking && state.wanted.state == run_state::running)
    state.running_for += now - state.last_tick;
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

constexpr seconds longest_unkept{30};

void on_tick(self_pointer self, const context_ptr& ctx) {
  auto& state = self->state;
  const auto now = self->clock().now();
  state.ticking = false;
  if (state.unplaced_job)
    run_job(self, ctx, std::exchange(state.unplaced_job, nullptr));
  if (state.drain_until && now >= *state.drain_until)
    return self->quit();
  update_speed(self, *ctx);
  expire_scorings(self, ctx);
  if (state.now == phase::asking)
    stop_when_enough(self, ctx);
  const auto limit = state.record.spec.time_limit;
  if (limit && state.now == phase::asking && !state.ends_as && state.running_for >= *limit)
    end_run(self, ctx, run_state::failed,
            fault{errc::time_limit_reached, "the run's time limit of " + to_human(*limit) + " passed",
                  "time_limit", "retry the run to go on from here"},
            milliseconds{0});
  // A kill loses so much of the active time at most.
  if (state.active_since && state.now == phase::asking && now - state.kept_at >= longest_unkept)
    keep_record(self, ctx);
  const auto told = std::pair{state.record.progress.in_flight, state.record.progress.waiting};
  count_open_calls(state);
  if (std::exchange(state.changed, false)
      || told != std::pair{state.record.progress.in_flight, state.record.progress.waiting})
    report(self, ctx);
  start_ticking(self, *ctx);
}

// -- coming to rest ----------------------------------------------------------------------------------------

/// Says that nothing is out any more, with the counters of now.
void keep_record_at_rest(self_pointer self, const context_ptr& ctx) {
  note_rest(self->state.record);
  keep_record(self, ctx);
}

/// The end of a drained run, which the next start goes on with: a record of how far it is, then it quits.
void leave(self_pointer self, const context_ptr& ctx) {
  auto& state = self->state;
  if (state.has_asked && state.rest_watermark == 0) {
    lose_ready_calls(state);
    count_open_calls(state);
    keep_record_at_rest(self, ctx);
    state.rest_watermark = state.next_watermark;
    return;
  }
  // Whoever waits for a verb still gets the answer.
  if (state.stages.empty() && state.durable_watermark >= state.rest_watermark)
    self->quit();
}

void on_credit(self_pointer self, const context_ptr& ctx, const lane_credit& credit) {
  auto& state = self->state;
  state.credit = credit.calls;
  state.on_the_wire = credit.on_the_wire;
  if (credit.on_the_wire_at_most > 0)
    state.on_the_wire_at_most = credit.on_the_wire_at_most;
  if (std::exchange(state.record.progress.in_batches, credit.in_batches) != credit.in_batches)
    state.changed = true;
  if (credit.why != state.record.waiting_for && state.now == phase::asking && !state.ends_as
      && !state.draining) {
    tell_waiting(self, ctx, credit.why);
    report(self, ctx);
  }
  pump(self, ctx);
}

void begin_draining(self_pointer self, const context_ptr& ctx, const drain& wish) {
  auto& state = self->state;
  state.draining = true;
  // What is given up at the end of the grace is still booked.
  state.drain_until = self->clock().now() + wish.grace + ctx->config.progress_interval;
  withdraw(self, ctx, wish.grace, true);
  withdraw_scorings(self, ctx, wish.grace, true);
  start_ticking(self, *ctx);
  settle(self, ctx);
}

} // namespace

namespace evaluation_detail {

uint64_t move_on(self_pointer self, const context_ptr& ctx, stage next, std::optional<event_type> type,
                 std::optional<std::string> result_document, std::string counts) {
  auto& state = self->state;
  count_open_calls(state);
  count_active_time(self, *ctx);
  if (next.state == run_state::paused)
    state.active_since.reset();
  else if (next.state == run_state::running && !state.active_since)
    start_active_time(self, *ctx);
  state.kept_at = self->clock().now();
  auto record = state.record;
  enter(record, next);
  append_batch rows;
  rows.watermark = ++state.next_watermark;
  if (type)
    rows.events.push_back({record.spec.id, 0, *type, moment_of(record, ctx->config.wall()),
                           shared_text{run_status_json(record).dump()}});
  if (result_document)
    rows.results.emplace_back(record.spec.id, std::move(*result_document));
  if (!counts.empty())
    rows.documents.push_back(
        {"test_counts", storage::counts_key(record.spec.id), std::move(counts), false, {}});
  rows.runs.push_back(std::move(record));
  self->send(ctx->config.journal, append{std::move(rows), caf::actor_cast<commit_sink_actor>(self)});
  state.wanted = next;
  state.stages.push_back({state.next_watermark, std::move(next)});
  return state.next_watermark;
}

caf::result<run_record> reply_when_stored(self_pointer self) {
  if (self->state.stages.empty())
    return self->state.record;
  const auto watermark = self->state.stages.back().watermark;
  auto promise = self->make_response_promise<run_record>();
  self->state.replies.push_back({watermark, promise});
  return promise;
}

uint64_t start_running(self_pointer self, const context_ptr& ctx, std::optional<event_type> type) {
  auto next = self->state.wanted;
  next.state = run_state::running;
  next.yielded = false;
  if (!next.started_at)
    next.started_at = ctx->config.wall();
  auto& record = self->state.record;
  if (started_generations_of(record) <= record.generation) {
    record.started_generations = record.generation + 1U;
    type = event_type::evaluation_started;
  }
  return move_on(self, ctx, std::move(next), type);
}

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
    withdraw_scorings(self, ctx, grace, true);
  }
  settle(self, ctx);
}

run_record wanted_record(const evaluation_state& state) {
  auto record = state.record;
  enter(record, state.wanted);
  return record;
}

void settle(self_pointer self, const context_ptr& ctx) {
  auto& state = self->state;
  if (state.now != phase::asking || !state.open.empty() || !state.pending.empty() || !state.turns.empty()
      || !state.outside.open.empty())
    return;
  if (state.draining)
    return leave(self, ctx);
  // Nothing of a paused run is out any more.
  if (state.wanted.state == run_state::paused && !state.ends_as && state.record.open_calls_at_most > 0)
    keep_record_at_rest(self, ctx);
  if (state.loading)
    return;
  const bool asked_all = (state.enough || (state.end_of_samples && state.ready.empty()))
                         && state.wanted.state == run_state::running;
  if (state.ends_as || asked_all)
    summarise(self, ctx);
}

} // namespace evaluation_detail

evaluation_actor::behavior_type evaluation(self_pointer self, evaluation_config config,
                                           run_supervisor_actor parent) {
  self->state.record = config.record;
  self->state.record.waiting_for.clear();
  self->state.wanted = {config.record.state, config.record.started_at, config.record.finished_at,
                        config.record.error, config.record.yielded};
  self->state.done_by_task.assign(config.record.spec.tasks.size(), 0);
  const auto ctx = std::make_shared<const context>(context{std::move(config), std::move(parent)});
  // Both are restarted together with this run's supervisor; going on without them would wait for nothing.
  self->monitor(ctx->config.router);
  self->monitor(ctx->config.journal);
  self->set_down_handler([self](const caf::down_msg&) {
    self->quit(
        to_caf_error({errc::actor_lost, "the router, the journal or a host of scorers ended", {}, {}}));
  });
  recover(self, ctx);
  return {
      [self, ctx](call_outcome_batch& batch) {
        if (batch.run == self->state.record.spec.id)
          on_outcomes(self, ctx, batch);
        else
          on_judged(self, ctx, batch);
      },
      [self, ctx](const lane_credit& credit) {
        if (credit.run == self->state.record.spec.id)
          on_credit(self, ctx, credit);
        else
          on_judge_credit(self, ctx, credit);
      },
      [](const call_delta&) {
        // An evaluation scores whole answers; it never asks for a stream.
      },
      [](const calls_on_the_wire&) {
        // The router knows what it means for each call.
      },
      [self, ctx](const committed& news) { on_committed(self, ctx, news); },
      [self, ctx](sandbox_results& news) { on_sandbox_results(self, ctx, news); },
      [self, ctx](python_results& news) { on_python_results(self, ctx, news); },
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
