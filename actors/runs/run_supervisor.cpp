#include "actors/runs/run_supervisor.hpp"

#include "actors/runs/run_supervisor_detail.hpp"
#include "protocol/errors.hpp"

#include <nlohmann/json.hpp>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

namespace assay {

using namespace run_supervisor_detail;

namespace {

// -- recovery ----------------------------------------------------------------------------------------------

void read_open_runs(self_pointer self, const config_ptr& config) {
  const auto job = [read = config->read.open_runs, target = run_supervisor_actor{self}] {
    open_runs_found found;
    if (auto runs = read())
      found.runs = std::move(*runs);
    else
      found.error = runs.error();
    caf::anon_send(target, std::move(found));
  };
  if (!config->workers->submit(job))
    self->quit(to_caf_error({errc::busy, "no worker takes the recovery of runs", "run-supervisor", {}}));
}

bool is_store_failure(const fault& reason) {
  return reason.code == errc::store_full || reason.code == errc::store_failed;
}

/// What an earlier supervisor and its children have appended may still be on its way: it counts.
void begin_recovery(self_pointer self, const config_ptr& config) {
  after_flush(
      self, config, [self, config] { read_open_runs(self, config); },
      [self, config](const caf::error& error) {
        const auto reason = to_fault(error);
        // Reading still works when nothing can be written any more.
        if (is_store_failure(reason))
          return read_open_runs(self, config);
        // Without a journal this supervisor is about to be started again.
        if (reason.code == errc::actor_lost)
          return;
        spdlog::warn("run supervisor waits for the store reason=\"{}\"", reason.message);
        begin_recovery(self, config);
      });
}

void on_open_runs(self_pointer self, const config_ptr& config, open_runs_found& found) {
  auto& state = self->state;
  if (found.error)
    return self->quit(to_caf_error(*found.error));
  for (auto& record : found.runs) {
    auto& run = state.runs[record.spec.id];
    run.policy = restart_policy{config->limits};
    book_lost_calls(record);
    record.waiting_for.clear();
    // What was running has no child any more; it takes its place in the line again.
    if (record.state != run_state::paused || record.yielded)
      record.state = run_state::queued;
    record.yielded = false;
    run.record = std::move(record);
  }
  state.recovered = true;
  if (!state.runs.empty())
    spdlog::info("run supervisor goes on with runs from before count={}", state.runs.size());
  begin_cleaning(self, config);
  schedule(self, config);
}

// -- children's ends ---------------------------------------------------------------------------------------

/// Nothing can be written: the run waits for the next start of the farm, which finds it as the store has it.
void wait_for_the_next_start(entry& run, const fault& reason) {
  run.record.error = reason;
  run.record.progress.in_flight = 0;
  run.record.progress.waiting = 0;
}

void restart_later(self_pointer self, const config_ptr& config, entry& run, const fault& reason) {
  const auto now = self->clock().now();
  const auto wait = run.policy.on_fall(now, self->state.chance.roll());
  if (!wait)
    return fail_run(self, config, run,
                    {errc::actor_lost, "the evaluation fell too often, the last time by: " + reason.message,
                     to_string(run.record.spec.id), "see the log, then retry the run"});
  run.restart_at = now + *wait;
  self->delayed_send(self, *wait, tick{});
}

void on_child_down(self_pointer self, const config_ptr& config, run_id id, const caf::error& down) {
  auto& run = self->state.runs.at(id);
  run.child = evaluation_actor{};
  run.yielding = false;
  run.resuming = false;
  if (is_final(run.record.state)) {
    self->state.runs.erase(id);
    return schedule(self, config);
  }
  if (self->state.draining)
    return;
  const auto reason = to_fault(down);
  if (is_store_failure(reason))
    return wait_for_the_next_start(run, reason);
  spdlog::warn("run supervisor restarts an evaluation run={} reason=\"{}\"", to_string(id), reason.message);
  // A verb, an end and answers may have been on their way to the store when it fell: they count.
  read_again(self, config, id,
             [self, config, reason](entry& fallen) { restart_later(self, config, fallen, reason); });
}

void on_down(self_pointer self, const config_ptr& config, const caf::down_msg& down) {
  if (!self->state.family.release(down.source))
    return;
  if (release_preparer(self, down.source))
    return quit_when_drained(self);
  for (auto& [id, run] : self->state.runs) {
    if (run.child && run.child.address() == down.source) {
      on_child_down(self, config, id, down.reason);
      break;
    }
  }
  quit_when_drained(self);
}

void on_tick(self_pointer self, const config_ptr& config) {
  const auto now = self->clock().now();
  for (auto& [id, run] : self->state.runs)
    if (run.restart_at && *run.restart_at <= now && !run.changing && !self->state.draining)
      start_child(self, config, run);
  clean_when_due(self, config);
}

void begin_draining(self_pointer self, const drain& wish) {
  self->state.draining = true;
  for (auto& [ticket, pending] : self->state.submissions)
    pending.promise.deliver(
        to_caf_error({errc::shutting_down, "the farm is stopping", {}, "submit again when it is back"}));
  self->state.submissions.clear();
  for (auto& [id, run] : self->state.runs)
    if (run.child)
      self->send(run.child, wish);
  quit_when_drained(self);
}

void on_reported(self_pointer self, const config_ptr& config, run_reported& news) {
  const auto found = self->state.runs.find(news.record.spec.id);
  if (found == self->state.runs.end())
    return;
  auto& run = found->second;
  const bool frees_place = is_active(run) && news.record.state == run_state::paused;
  // Only a run that is under way can make room.
  const bool can_yield =
      config->preempt && run.record.state != news.record.state && news.record.state == run_state::running;
  run.record = std::move(news.record);
  if (frees_place || can_yield)
    schedule(self, config);
}

run_counts count(self_pointer self) {
  run_counts out;
  for (const auto& [id, run] : self->state.runs) {
    if (is_final(run.record.state))
      continue;
    if (run.record.state == run_state::paused)
      ++out.paused;
    else if (is_active(run))
      ++out.active;
    else
      ++out.queued;
  }
  return out;
}

} // namespace

namespace run_supervisor_detail {

event make_event(const run_record& record, event_type type, wall_time at) {
  return {record.spec.id, 0, type, at, shared_text{run_status_json(record).dump()}};
}

void start_child(self_pointer self, const config_ptr& config, entry& run) {
  run.restart_at.reset();
  if (run.record.state == run_state::queued)
    run.record.state = run_state::preparing;
  run.record.waiting_for.clear();
  auto child = config->child;
  child.record = run.record;
  child.journal = config->journal;
  child.event_hub = config->event_hub;
  const bool cached = run.record.spec.cache != cache_use::off && config->cache;
  const bool batched = run.record.spec.way == call_way::batch && config->batches;
  child.router = cached ? config->cache : batched ? config->batches : config->router;
  child.judges = cached ? config->cache : config->router;
  child.sandbox = config->sandbox;
  child.python = config->python;
  child.workers = config->workers;
  child.wall = config->wall;
  if (config->tenant)
    child.tenant_weight = config->tenant(run.record.spec.owner).weight;
  run.child = self->spawn(evaluation, std::move(child), run_supervisor_actor{self});
  self->state.family.adopt(self, run.child);
}

/// Ends a run that has no child, with the reason on record.
void fail_run(self_pointer self, const config_ptr& config, const entry& run, fault reason) {
  auto next = run.record;
  next.state = run_state::failed;
  next.error = std::move(reason);
  next.finished_at = config->wall();
  next.waiting_for.clear();
  const auto id = next.spec.id;
  change(self, config, id, std::move(next), event_type::evaluation_failed, {});
}

void place(self_pointer self, const config_ptr& config, entry& run) {
  if (run.record.state != run_state::queued && !self->state.draining)
    start_child(self, config, run);
}

void read_again(self_pointer self, const config_ptr& config, run_id id, std::function<void(entry&)> then) {
  self->state.runs.at(id).changing = true;
  after_flush(
      self, config,
      [self, config, id, then] {
        auto& run = self->state.runs.at(id);
        auto stored = config->read.find_run(id);
        if (!stored)
          return self->quit(to_caf_error(stored.error()));
        if (*stored) {
          // The stored counters are those of its last change of state; the next child counts anew.
          if (!is_final((*stored)->state))
            (*stored)->progress = run.record.progress;
          run.record = std::move(**stored);
        }
        run.changing = false;
        if (!is_final(run.record.state) && run.record.state != run_state::paused)
          then(run);
        // It may have begun a change of its own.
        if (!run.changing)
          end_change(self, config, id);
        schedule(self, config);
      },
      [self, config, id, then](const caf::error& error) {
        const auto reason = to_fault(error);
        // Without a journal this supervisor is about to be started again.
        if (reason.code == errc::actor_lost)
          return;
        if (is_store_failure(reason)) {
          wait_for_the_next_start(self->state.runs.at(id), reason);
          return end_change(self, config, id);
        }
        spdlog::warn("run supervisor waits for the store run={} reason=\"{}\"", to_string(id),
                     reason.message);
        read_again(self, config, id, then);
      });
}

void quit_when_drained(self_pointer self) {
  if (self->state.draining && std::ranges::none_of(self->state.runs, [](const auto& e) {
        return !!e.second.child || e.second.changing;
      }))
    self->quit();
}

} // namespace run_supervisor_detail

run_supervisor_actor::behavior_type run_supervisor(self_pointer self, run_supervisor_config given) {
  const auto config = std::make_shared<const run_supervisor_config>(std::move(given));
  self->state.chance = dice{config->seed};
  self->state.family.shield(self);
  self->set_down_handler([self, config](const caf::down_msg& down) { on_down(self, config, down); });
  begin_recovery(self, config);
  return {
      [self, config](submit_run& wish) { return submit(self, config, wish); },
      [self, config](const command_run& wish) -> caf::result<run_record> {
        auto promise = self->make_response_promise<run_record>();
        command(self, config, wish, promise);
        return promise;
      },
      [self, config](const find_run& wish) { return find(self, config, wish); },
      [self](const count_runs&) { return count(self); },
      [self](const read_gauges&) {
        const auto now = count(self);
        return gauges{{{metric::evaluations, {"queued"}, static_cast<double>(now.queued)},
                       {metric::evaluations, {"active"}, static_cast<double>(now.active)},
                       {metric::evaluations, {"paused"}, static_cast<double>(now.paused)}},
                      {}};
      },
      [self](const drain& wish) { begin_draining(self, wish); },
      [self, config](open_runs_found& found) { on_open_runs(self, config, found); },
      [self, config](run_reported& news) { on_reported(self, config, news); },
      [self, config](run_pinned& pinned) { on_pinned(self, config, pinned); },
      [self, config](expired_runs_found& found) { on_expired(self, config, found); },
      [self, config](preparation_ended& news) { on_prepared(self, config, news); },
      [self, config](const tick&) { on_tick(self, config); },
  };
}

} // namespace assay
