#include "actors/runs/run_supervisor_detail.hpp"

#include "protocol/errors.hpp"

#include <utility>

namespace assay::run_supervisor_detail {

namespace {

constexpr seconds child_timeout{4};

fault unknown_run(run_id run) {
  return {errc::not_found, "there is no run " + to_string(run), "evaluation_id",
          "list the runs with `assay results`"};
}

fault wrong_state(const run_record& record, run_verb verb) {
  return {errc::invalid_transition,
          "a run that is " + std::string{to_string(record.state)} + " cannot " + std::string{to_string(verb)},
          to_string(record.spec.id),
          {}};
}

caf::result<run_record> change_childless(self_pointer self, const config_ptr& config, entry& run,
                                         run_verb verb) {
  auto& record = run.record;
  event_type type = event_type::evaluation_paused;
  if (verb == run_verb::pause && record.state == run_state::queued)
    record.state = run_state::paused;
  else if (verb == run_verb::resume && record.state == run_state::paused) {
    record.state = run_state::queued;
    type = event_type::evaluation_resumed;
  } else if (verb == run_verb::cancel) {
    record.state = run_state::cancelled;
    record.finished_at = config->wall();
    type = event_type::evaluation_cancelled;
  } else if ((verb == run_verb::pause && record.state == run_state::paused)
             || (verb == run_verb::resume && record.state == run_state::queued)) {
    return record;
  } else {
    return to_caf_error(wrong_state(record, verb));
  }
  append_batch batch;
  batch.runs.push_back(record);
  batch.events.push_back(make_event(record, type, config->wall()));
  auto promise = self->make_response_promise<run_record>();
  const auto answer = record;
  if (is_final(record.state))
    self->state.runs.erase(record.spec.id);
  store(
      self, config, std::move(batch),
      [self, config, promise, answer]() mutable {
        promise.deliver(answer);
        schedule(self, config);
      },
      [promise](const caf::error& reason) mutable { promise.deliver(reason); });
  return promise;
}

/// A new generation of what failed and of what was never asked.
caf::result<run_record> retry(self_pointer self, const config_ptr& config, run_record record) {
  if (record.state == run_state::completed && record.progress.failed == 0)
    return record;
  if (record.state == run_state::cancelled)
    return to_caf_error(wrong_state(record, run_verb::retry));
  ++record.generation;
  record.state = run_state::queued;
  record.error.reset();
  record.finished_at.reset();
  append_batch batch;
  batch.runs.push_back(record);
  batch.events.push_back(make_event(record, event_type::evaluation_retried, config->wall()));
  auto promise = self->make_response_promise<run_record>();
  self->state.runs[record.spec.id] = entry{record, {}, restart_policy{config->limits}, {}};
  store(
      self, config, std::move(batch),
      [self, config, promise, record]() mutable {
        promise.deliver(record);
        schedule(self, config);
      },
      [self, promise, id = record.spec.id](const caf::error& reason) mutable {
        self->state.runs.erase(id);
        promise.deliver(reason);
      });
  return promise;
}

caf::result<run_record> command_final(self_pointer self, const config_ptr& config, const command_run& wish) {
  auto found = config->read.find_run(wish.run);
  if (!found)
    return to_caf_error(found.error());
  if (!*found)
    return to_caf_error(unknown_run(wish.run));
  auto& record = **found;
  if (wish.verb == run_verb::retry)
    return retry(self, config, std::move(record));
  if (wish.verb == run_verb::cancel && record.state == run_state::cancelled)
    return std::move(record);
  // A failed run that is resumed goes on with what was not asked; its failures stay until they are retried.
  return to_caf_error(wrong_state(record, wish.verb));
}

} // namespace

caf::result<run_record> command(self_pointer self, const config_ptr& config, const command_run& wish) {
  const auto found = self->state.runs.find(wish.run);
  if (found == self->state.runs.end())
    return command_final(self, config, wish);
  auto& run = found->second;
  if (!run.child)
    return change_childless(self, config, run, wish.verb);
  auto promise = self->make_response_promise<run_record>();
  self->request(run.child, child_timeout, wish)
      .then([promise](const run_record& record) mutable { promise.deliver(record); },
            [promise](const caf::error& reason) mutable { promise.deliver(reason); });
  return promise;
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
