#include "actors/runs/run_supervisor.hpp"

#include "protocol/errors.hpp"

#include <nlohmann/json.hpp>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <random>
#include <utility>

namespace assay {

namespace {

using self_pointer = run_supervisor_actor::stateful_pointer<run_supervisor_state>;
using entry = run_supervisor_state::entry;
using pending_submission = run_supervisor_state::pending_submission;
using config_ptr = std::shared_ptr<const run_supervisor_config>;

constexpr seconds store_timeout{5};
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

bool is_active(const entry& run) {
  return run.record.state == run_state::preparing || run.record.state == run_state::running;
}

event make_event(const run_record& record, event_type type, wall_time at) {
  return {record.spec.id, 0, type, at, shared_text{run_status_json(record).dump()}};
}

/// Runs @p then when the batch is durable, @p otherwise with the reason when it is not.
template <class Then, class Otherwise>
void store(self_pointer self, const config_ptr& config, append_batch batch, Then then, Otherwise otherwise) {
  self->request(config->journal, store_timeout, append_and_wait{std::move(batch)})
      .then([then](const committed&) mutable { then(); },
            [otherwise](const caf::error& reason) mutable { otherwise(reason); });
}

void schedule(self_pointer self, const config_ptr& config);

// -- starting children -------------------------------------------------------------------------------------

void start_child(self_pointer self, const config_ptr& config, entry& run) {
  run.restart_at.reset();
  if (run.record.state == run_state::queued)
    run.record.state = run_state::preparing;
  auto child = config->child;
  child.record = run.record;
  child.journal = config->journal;
  child.event_hub = config->event_hub;
  child.router = config->router;
  child.workers = config->workers;
  child.wall = config->wall;
  run.child = self->spawn(evaluation, std::move(child), run_supervisor_actor{self});
  self->state.family.adopt(self, run.child);
}

/// Ends a run that has no child, with the reason on record.
void fail_run(self_pointer self, const config_ptr& config, run_id id, fault reason) {
  auto& run = self->state.runs.at(id);
  run.record.state = run_state::failed;
  run.record.error = std::move(reason);
  run.record.finished_at = config->wall();
  append_batch batch;
  batch.runs.push_back(run.record);
  batch.events.push_back(make_event(run.record, event_type::evaluation_failed, config->wall()));
  self->state.runs.erase(id);
  store(
      self, config, std::move(batch), [self, config] { schedule(self, config); },
      [](const caf::error& error) {
        spdlog::error("run supervisor cannot store a failure reason=\"{}\"", to_fault(error).message);
      });
}

enum class readiness : uint8_t { ready, waits, hopeless };

readiness dependencies(self_pointer self, const config_ptr& config, const run_record& record) {
  auto verdict = readiness::ready;
  for (const auto id : record.spec.depends_on) {
    if (self->state.runs.contains(id)) {
      verdict = readiness::waits;
      continue;
    }
    const auto found = config->read.find_run(id);
    if (!found)
      return readiness::waits;
    if (!*found || (*found)->state != run_state::completed)
      return readiness::hopeless;
  }
  return verdict;
}

std::vector<run_id> queued_by_priority(self_pointer self) {
  std::vector<run_id> ids;
  for (const auto& [id, run] : self->state.runs)
    if (run.record.state == run_state::queued && !run.child)
      ids.push_back(id);
  std::ranges::stable_sort(ids, [&](run_id a, run_id b) {
    return self->state.runs.at(a).record.spec.priority > self->state.runs.at(b).record.spec.priority;
  });
  return ids;
}

/// Starts queued runs while there is room: higher priority first, then the older one.
void schedule(self_pointer self, const config_ptr& config) {
  auto& state = self->state;
  if (state.draining || !state.recovered)
    return;
  auto running = static_cast<size_t>(
      std::ranges::count_if(state.runs, [](const auto& e) { return is_active(e.second); }));
  for (const auto id : queued_by_priority(self)) {
    if (running >= config->max_running)
      return;
    auto& run = state.runs.at(id);
    switch (dependencies(self, config, run.record)) {
    case readiness::waits:
      continue;
    case readiness::hopeless:
      fail_run(self, config, id,
               {errc::conflict, "a run that it depends on did not complete", "depends_on",
                "retry that run, then submit this one again"});
      continue;
    case readiness::ready:
      start_child(self, config, run);
      ++running;
    }
  }
}

// -- recovery ----------------------------------------------------------------------------------------------

void begin_recovery(self_pointer self, const config_ptr& config) {
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

void on_open_runs(self_pointer self, const config_ptr& config, open_runs_found& found) {
  auto& state = self->state;
  if (found.error)
    return self->quit(to_caf_error(*found.error));
  for (auto& record : found.runs) {
    auto& run = state.runs[record.spec.id];
    run.policy = restart_policy{config->limits};
    // What was running has no child any more; it takes its place in the line again.
    if (record.state != run_state::paused)
      record.state = run_state::queued;
    run.record = std::move(record);
  }
  state.recovered = true;
  if (!state.runs.empty())
    spdlog::info("run supervisor goes on with runs from before count={}", state.runs.size());
  schedule(self, config);
}

// -- submission --------------------------------------------------------------------------------------------

void admit(self_pointer self, const config_ptr& config, uint64_t ticket, const run_request& request) {
  const auto job = [admit = config->admit, request, ticket, target = run_supervisor_actor{self}] {
    run_pinned pinned;
    pinned.ticket = ticket;
    if (auto answer = admit(request))
      pinned.answer = std::move(*answer);
    else
      pinned.error = answer.error();
    caf::anon_send(target, std::move(pinned));
  };
  if (config->workers->submit(job))
    return;
  auto node = self->state.submissions.extract(ticket);
  node.mapped().promise.deliver(to_caf_error(
      {errc::busy, "the farm is preparing as many runs as it can", {}, "try again in a few seconds"}));
}

std::string idempotency_key(const submit_run& wish) { return wish.owner.value + "/" + wish.idempotency_key; }

caf::result<run_submitted> submit(self_pointer self, const config_ptr& config, submit_run& wish) {
  auto& state = self->state;
  if (state.draining)
    return to_caf_error({errc::shutting_down, "the farm is stopping", {}, "submit again when it is back"});
  if (!wish.request.dry_run && state.runs.size() + state.submissions.size() >= config->max_queued)
    return to_caf_error({errc::busy, "the farm holds as many runs as it allows", {}, "try again later"});
  const auto ticket = state.next_ticket++;
  auto promise = self->make_response_promise<run_submitted>();
  auto& pending =
      state.submissions.emplace(ticket, pending_submission{std::move(wish), promise}).first->second;
  admit(self, config, ticket, pending.wish.request);
  return promise;
}

run_id fresh_id(self_pointer self, wall_time now) {
  const auto unix_seconds =
      static_cast<uint32_t>(std::chrono::floor<seconds>(now).time_since_epoch().count());
  const auto random = static_cast<uint32_t>(self->state.chance.roll() * 4294967296.0);
  return run_id{unix_seconds, random};
}

/// @returns the earlier run of the same idempotency key, when there is one.
result<std::optional<run_record>> find_earlier(const config_ptr& config, const submit_run& wish) {
  if (wish.idempotency_key.empty() || wish.request.dry_run)
    return std::nullopt;
  const auto id = config->read.find_idempotent(idempotency_key(wish));
  if (!id)
    return id.error();
  if (!*id)
    return std::nullopt;
  return config->read.find_run(**id);
}

void refuse(pending_submission& pending, const fault& reason) {
  pending.promise.deliver(to_caf_error(reason));
}

void deliver_earlier(pending_submission& pending, run_submitted&& pinned, run_record&& earlier) {
  if (earlier.spec.fingerprint != pinned.record.spec.fingerprint) {
    refuse(pending, {errc::conflict, "the Idempotency-Key was used for another evaluation", "Idempotency-Key",
                     "choose a new key"});
    return;
  }
  pinned.record = std::move(earlier);
  pinned.existed = true;
  pending.promise.deliver(std::move(pinned));
}

append_batch submission_rows(const run_record& record, const submit_run& wish, wall_time now) {
  append_batch batch;
  batch.runs.push_back(record);
  batch.events.push_back(make_event(record, event_type::evaluation_created, now));
  if (!wish.idempotency_key.empty())
    batch.documents.push_back(
        {"idempotency", idempotency_key(wish), to_string(record.spec.id), true, std::nullopt});
  return batch;
}

void on_pinned(self_pointer self, const config_ptr& config, run_pinned& pinned) {
  auto node = self->state.submissions.extract(pinned.ticket);
  if (node.empty())
    return;
  auto& pending = node.mapped();
  if (pinned.error)
    return refuse(pending, *pinned.error);
  auto& record = pinned.answer.record;
  const auto now = config->wall();
  record.spec.owner = pending.wish.owner;
  record.spec.created_at = now;
  if (pinned.answer.dry_run) {
    pending.promise.deliver(std::move(pinned.answer));
    return;
  }
  auto earlier = find_earlier(config, pending.wish);
  if (!earlier)
    return refuse(pending, earlier.error());
  if (*earlier)
    return deliver_earlier(pending, std::move(pinned.answer), std::move(**earlier));
  do
    record.spec.id = fresh_id(self, now);
  while (self->state.runs.contains(record.spec.id));
  auto batch = submission_rows(record, pending.wish, now);
  auto promise = pending.promise;
  store(
      self, config, std::move(batch),
      [self, config, promise, answer = std::move(pinned.answer)]() mutable {
        const auto id = answer.record.spec.id;
        self->state.runs[id] = entry{answer.record, {}, restart_policy{config->limits}, {}};
        promise.deliver(answer);
        schedule(self, config);
      },
      [promise](const caf::error& reason) mutable { promise.deliver(reason); });
}

// -- verbs -------------------------------------------------------------------------------------------------

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

run_counts count(self_pointer self) {
  run_counts out;
  for (const auto& [id, run] : self->state.runs) {
    if (run.record.state == run_state::paused)
      ++out.paused;
    else if (is_active(run))
      ++out.active;
    else
      ++out.queued;
  }
  return out;
}

// -- children's ends ---------------------------------------------------------------------------------------

bool is_store_failure(const fault& reason) {
  return reason.code == errc::store_full || reason.code == errc::store_failed;
}

void on_child_down(self_pointer self, const config_ptr& config, run_id id, const caf::error& down) {
  auto& run = self->state.runs.at(id);
  run.child = evaluation_actor{};
  if (is_final(run.record.state)) {
    self->state.runs.erase(id);
    return schedule(self, config);
  }
  if (self->state.draining)
    return;
  const auto reason = to_fault(down);
  if (is_store_failure(reason)) {
    // Nothing can be written: the run waits for the next start of the farm.
    run.record.state = run_state::paused;
    run.record.error = reason;
    return;
  }
  spdlog::warn("run supervisor restarts an evaluation run={} reason=\"{}\"", to_string(id), reason.message);
  const auto now = self->clock().now();
  const auto wait = run.policy.on_fall(now, self->state.chance.roll());
  if (!wait)
    return fail_run(self, config, id,
                    {errc::actor_lost, "the evaluation fell too often, the last time by: " + reason.message,
                     to_string(id), "see the log, then retry the run"});
  run.restart_at = now + *wait;
  self->delayed_send(self, *wait, tick{});
}

void quit_when_drained(self_pointer self) {
  if (self->state.draining
      && std::ranges::none_of(self->state.runs, [](const auto& e) { return !!e.second.child; }))
    self->quit();
}

void on_down(self_pointer self, const config_ptr& config, const caf::down_msg& down) {
  if (!self->state.family.release(down.source))
    return;
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
    if (run.restart_at && *run.restart_at <= now && !self->state.draining)
      start_child(self, config, run);
}

void begin_draining(self_pointer self, const drain& wish) {
  self->state.draining = true;
  for (auto& [ticket, pending] : self->state.submissions)
    refuse(pending, {errc::shutting_down, "the farm is stopping", {}, "submit again when it is back"});
  self->state.submissions.clear();
  for (auto& [id, run] : self->state.runs)
    if (run.child)
      self->send(run.child, wish);
  quit_when_drained(self);
}

void on_reported(self_pointer self, run_reported& news) {
  const auto found = self->state.runs.find(news.record.spec.id);
  if (found != self->state.runs.end())
    found->second.record = std::move(news.record);
}

} // namespace

run_supervisor_actor::behavior_type run_supervisor(self_pointer self, run_supervisor_config given) {
  const auto config = std::make_shared<const run_supervisor_config>(std::move(given));
  self->state.chance = dice{config->seed};
  self->state.family.shield(self);
  self->set_down_handler([self, config](const caf::down_msg& down) { on_down(self, config, down); });
  begin_recovery(self, config);
  return {
      [self, config](submit_run& wish) { return submit(self, config, wish); },
      [self, config](const command_run& wish) { return command(self, config, wish); },
      [self, config](const find_run& wish) { return find(self, config, wish); },
      [self](const count_runs&) { return count(self); },
      [self](const read_gauges&) {
        const auto now = count(self);
        return gauges{{{"runs", "queued", static_cast<double>(now.queued)},
                       {"runs", "active", static_cast<double>(now.active)},
                       {"runs", "paused", static_cast<double>(now.paused)}}};
      },
      [self](const drain& wish) { begin_draining(self, wish); },
      [self, config](open_runs_found& found) { on_open_runs(self, config, found); },
      [self](run_reported& news) { on_reported(self, news); },
      [self, config](run_pinned& pinned) { on_pinned(self, config, pinned); },
      [self, config](const tick&) { on_tick(self, config); },
  };
}

} // namespace assay
