#include "actors/runs/run_supervisor_detail.hpp"

#include "actors/runs/verb_words.hpp"
#include "protocol/errors.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

namespace assay::run_supervisor_detail {

namespace {

fault unknown_run(run_id run) {
  return {errc::not_found, "there is no run " + to_string(run), "evaluation_id",
          "list the runs with `assay results`"};
}

fault wrong_state(const run_record& record, run_verb verb) {
  const bool retry_helps = verb == run_verb::resume && record.state == run_state::failed;
  const bool is_cancelled = record.state == run_state::cancelled;
  return {errc::invalid_transition,
          "a run that is " + std::string{to_string(record.state)} + " cannot be "
              + std::string{participle(verb)},
          to_string(record.spec.id),
          retry_helps    ? "retry it: what failed and what was never asked is asked again"
          : is_cancelled ? "cancelled is final: start the evaluation anew"
                         : ""};
}

fault wrong_kind(const run_record& record, run_verb verb) {
  return {errc::invalid_transition,
          "a run that was " + std::string(record.redacted_at ? "redacted" : "imported") + " cannot be "
              + std::string{participle(verb)},
          to_string(record.spec.id), "start the evaluation anew"};
}

void refuse(run_promise& promise, const fault& reason) { promise.deliver(to_caf_error(reason)); }

void answer(run_promise& promise, const run_record& record) { promise.deliver(record); }

// -- runs without child ------------------------------------------------------------------------------------

void change_childless(self_pointer self, const config_ptr& config, entry& run, run_verb verb,
                      run_promise promise) {
  const auto state = run.record.state;
  const bool is_done = (verb == run_verb::pause && state == run_state::paused && !run.record.yielded)
                       || (verb == run_verb::resume && state != run_state::paused)
                       || (verb == run_verb::cancel && state == run_state::cancelled);
  if (is_done)
    return answer(promise, run.record);
  if (verb == run_verb::retry)
    return refuse(promise, wrong_state(run.record, verb));
  auto next = run.record;
  next.yielded = false;
  auto type = event_type::evaluation_paused;
  if (verb == run_verb::pause) {
    next.state = run_state::paused;
  } else if (verb == run_verb::resume) {
    next.state = run_state::queued;
    type = event_type::evaluation_resumed;
  } else {
    next.state = run_state::cancelled;
    next.finished_at = config->wall();
    type = event_type::evaluation_cancelled;
  }
  const auto id = next.spec.id;
  change(self, config, id, std::move(next), type, std::move(promise));
}

// -- final runs --------------------------------------------------------------------------------------------

/// A new generation of what failed and of what was never asked.
/// @param max_cost The run's limit from now on; nothing leaves it as it is.
void retry(self_pointer self, const config_ptr& config, run_record&& record, std::optional<money> max_cost,
           run_promise promise) {
  if (record.state == run_state::completed && record.progress.failed == 0)
    return answer(promise, record);
  if (record.state != run_state::completed && record.state != run_state::failed)
    return refuse(promise, wrong_state(record, run_verb::retry));
  if (self->state.draining)
    return refuse(promise, {errc::shutting_down, "the farm is stopping", {}, "retry when it is back"});
  const auto id = record.spec.id;
  auto next = record;
  next.started_generations = started_generations_of(record);
  ++next.generation;
  if (max_cost)
    next.spec.max_cost = max_cost;
  next.state = run_state::queued;
  next.error.reset();
  next.active_for = execution_time_of(record);
  next.finished_at.reset();
  self->state.runs.insert_or_assign(id,
                                    entry{std::move(record), {}, restart_policy{config->limits}, {}, {}, {}});
  change(self, config, id, std::move(next), event_type::evaluation_retried, std::move(promise));
}

bool is_waited_for(self_pointer self, run_id id) {
  return std::ranges::any_of(self->state.runs, [&](const auto& one) {
    return std::ranges::count(one.second.record.spec.depends_on, id) != 0;
  });
}

/// Nothing of the run is left when @p promise is kept, as far as anybody can see.
void purge(self_pointer self, const config_ptr& config, run_record&& record, run_promise promise) {
  const auto id = record.spec.id;
  if (is_waited_for(self, id))
    return refuse(promise,
                  {errc::conflict, "another run waits for this one", to_string(id), "cancel that one first"});
  append_batch batch;
  batch.erased_runs.push_back(id);
  store(
      self, config, std::move(batch),
      [record = std::move(record), promise]() mutable {
        spdlog::info("run supervisor removed a run run={}", to_string(record.spec.id));
        promise.deliver(std::move(record));
      },
      [promise](const caf::error& reason) mutable { promise.deliver(reason); });
}

void redact(self_pointer self, const config_ptr& config, run_record&& record, run_promise promise) {
  if (record.redacted_at)
    return answer(promise, record);
  record.redacted_at = config->wall();
  append_batch batch;
  batch.runs.push_back(record);
  batch.redacted_runs.push_back(record.spec.id);
  store(
      self, config, std::move(batch),
      [record = std::move(record), promise]() mutable {
        spdlog::info("run supervisor removes the texts of a run run={}", to_string(record.spec.id));
        promise.deliver(std::move(record));
      },
      [promise](const caf::error& reason) mutable { promise.deliver(reason); });
}

void command_final(self_pointer self, const config_ptr& config, const command_run& wish,
                   run_promise promise) {
  auto found = config->read.find_run(wish.run);
  if (!found)
    return refuse(promise, found.error());
  if (!*found)
    return refuse(promise, unknown_run(wish.run));
  auto& record = **found;
  if (!self->state.recovered && !is_final(record.state))
    return refuse(promise, {errc::busy, "the farm has only just started", to_string(wish.run),
                            "try again in a moment"});
  if (is_final(record.state) && wish.verb == run_verb::purge)
    return purge(self, config, std::move(record), std::move(promise));
  if (is_final(record.state) && wish.verb == run_verb::redact)
    return redact(self, config, std::move(record), std::move(promise));
  const bool asks_again = wish.verb == run_verb::retry || wish.verb == run_verb::resume;
  if (asks_again && (record.spec.kind == run_kind::imported || record.redacted_at))
    return refuse(promise, wrong_kind(record, wish.verb));
  if (wish.verb == run_verb::retry || (wish.verb == run_verb::resume && ran_out_of_time(record)))
    return retry(self, config, std::move(record), wish.max_cost, std::move(promise));
  if (wish.verb == run_verb::cancel && record.state == run_state::cancelled)
    return answer(promise, record);
  refuse(promise, wrong_state(record, wish.verb));
}

} // namespace

// -- changing ----------------------------------------------------------------------------------------------

void change(self_pointer self, const config_ptr& config, run_id id, run_record next, event_type type,
            run_promise promise) {
  auto& run = self->state.runs.at(id);
  run.changing = true;
  run.restart_at.reset();
  append_batch batch;
  batch.runs.push_back(next);
  batch.events.push_back(make_event(next, type, moment_of(next, config->wall())));
  store(
      self, config, std::move(batch),
      [self, config, id, next, promise]() mutable {
        self->state.runs.at(id).record = next;
        if (promise.pending())
          promise.deliver(std::move(next));
        end_change(self, config, id);
        schedule(self, config);
      },
      [self, config, id, promise](const caf::error& error) mutable {
        const auto reason = to_fault(error);
        spdlog::error("run supervisor cannot store a change run={} reason=\"{}\"", to_string(id),
                      reason.message);
        if (promise.pending())
          promise.deliver(error);
        if (!is_unclear(reason))
          return end_change(self, config, id);
        read_again(self, config, id, [self, config](entry& stored) { place(self, config, stored); });
      });
}

void end_change(self_pointer self, const config_ptr& config, run_id id) {
  auto& run = self->state.runs.at(id);
  run.changing = false;
  const auto waiting = std::exchange(run.waiting, {});
  if (is_final(run.record.state))
    self->state.runs.erase(id);
  for (const auto& one : waiting)
    command(self, config, {id, one.verb, one.max_cost}, one.promise);
  quit_when_drained(self);
}

void command(self_pointer self, const config_ptr& config, const command_run& wish, run_promise promise) {
  const auto found = self->state.runs.find(wish.run);
  if (found == self->state.runs.end())
    return command_final(self, config, wish, std::move(promise));
  auto& run = found->second;
  if (wish.verb == run_verb::purge || wish.verb == run_verb::redact)
    return refuse(promise, {errc::invalid_transition,
                            "a run that is " + std::string{to_string(run.record.state)} + " cannot be "
                                + std::string{participle(wish.verb)},
                            to_string(wish.run), "cancel it first"});
  if (run.changing) {
    if (run.waiting.size() >= config->max_waiting_verbs)
      return refuse(promise, {errc::busy, "too many changes of this run wait for the store",
                              to_string(wish.run), "try again later"});
    run.waiting.push_back({wish.verb, wish.max_cost, std::move(promise)});
    return;
  }
  if (!run.child)
    return change_childless(self, config, run, wish.verb, std::move(promise));
  self->request(run.child, child_timeout, wish)
      .then([promise](const run_record& record) mutable { promise.deliver(record); },
            [promise](const caf::error& reason) mutable { promise.deliver(reason); });
}

caf::result<run_record> find(self_pointer self, const config_ptr& config, const find_run& wish) {
  if (const auto found = self->state.runs.find(wish.run); found != self->state.runs.end())
    return found->second.record;
  auto found = config->read.find_run(wish.run);
  if (!found)
    return to_caf_error(found.error());
  if (!*found)
    return to_caf_error(unknown_run(wish.run));
  return std::move(**found);
}

} // namespace assay::run_supervisor_detail
