#include "actors/runs/run_supervisor_detail.hpp"

#include "protocol/errors.hpp"

#include <algorithm>
#include <utility>

namespace assay::run_supervisor_detail {

namespace {

using pending_submission = run_supervisor_state::pending_submission;
using submission_promise = caf::typed_response_promise<run_submitted>;

/// Runs on a worker. A plan is made of what is there.
run_pinned pin(const admission& admit, const preparation_finder& find, const run_request& request) {
  run_pinned out;
  if (find && !request.dry_run) {
    const auto missing = find(request);
    if (!missing)
      out.error = missing.error();
    out.unprepared = missing && !missing->empty();
  }
  if (out.error || out.unprepared)
    return out;
  if (auto answer = admit(request))
    out.answer = std::move(*answer);
  else
    out.error = answer.error();
  return out;
}

void admit(self_pointer self, const config_ptr& config, uint64_t ticket, const run_request& request) {
  const auto job = [admit = config->admit, find = config->find_unprepared, request, ticket,
                    target = run_supervisor_actor{self}] {
    auto pinned = pin(admit, find, request);
    pinned.ticket = ticket;
    caf::anon_send(target, std::move(pinned));
  };
  if (config->workers->submit(job))
    return;
  auto node = self->state.submissions.extract(ticket);
  node.mapped().promise.deliver(to_caf_error(
      {errc::busy, "the farm is preparing as many runs as it can", {}, "try again in a few seconds"}));
}

/// Has the tasks of a submission made into tasks of our own; it is admitted again when they are.
void prepare(self_pointer self, const config_ptr& config, uint64_t ticket) {
  auto& state = self->state;
  auto& pending = state.submissions.at(ticket);
  if (pending.prepared || state.preparers.size() >= config->max_preparing) {
    const fault reason =
        pending.prepared
            ? fault{errc::conflict, "a file of the run's tasks changed while they were prepared", "task_ids",
                    "submit again"}
            : fault{
                errc::busy, "the farm is preparing as many runs as it can", {}, "try again in a few seconds"};
    auto node = state.submissions.extract(ticket);
    node.mapped().promise.deliver(to_caf_error(reason));
    return;
  }
  pending.prepared = true;
  preparer_config child;
  child.ticket = ticket;
  child.request = pending.wish.request;
  child.find = config->find_unprepared;
  child.workers = config->workers;
  child.python = config->python;
  const auto made = self->spawn(preparer, std::move(child), run_supervisor_actor{self});
  state.family.adopt(self, made);
  state.preparers.emplace(made.address(), ticket);
}

std::string idempotency_key(const submit_run& wish) { return wish.owner.value + "/" + wish.idempotency_key; }

run_id fresh_id(self_pointer self, wall_time now) {
  const auto unix_seconds =
      static_cast<uint32_t>(std::chrono::floor<seconds>(now).time_since_epoch().count());
  const auto random = static_cast<uint32_t>(self->state.chance.roll() * 4294967296.0);
  return run_id{unix_seconds, random};
}

/// What an idempotency key stands for already.
struct earlier_run {
  std::optional<run_id> id;
  std::optional<run_record> record; ///< Nothing when that run was removed since.
};

result<earlier_run> find_earlier(const config_ptr& config, const submit_run& wish) {
  earlier_run out;
  if (wish.idempotency_key.empty())
    return out;
  auto id = config->read.find_idempotent(idempotency_key(wish));
  if (!id)
    return id.error();
  out.id = *id;
  if (!out.id)
    return out;
  auto record = config->read.find_run(*out.id);
  if (!record)
    return record.error();
  out.record = std::move(*record);
  return out;
}

void refuse(submission_promise& promise, const fault& reason) { promise.deliver(to_caf_error(reason)); }

void deliver_earlier(submission_promise& promise, run_submitted&& pinned, run_record&& earlier) {
  if (earlier.spec.fingerprint != pinned.record.spec.fingerprint) {
    refuse(promise, {errc::conflict, "the Idempotency-Key was used for another evaluation", "Idempotency-Key",
                     "choose a new key"});
    return;
  }
  pinned.record = std::move(earlier);
  pinned.existed = true;
  promise.deliver(std::move(pinned));
}

/// A run may wait only for runs that exist before it, so that no two ever wait for each other.
std::optional<fault> check_dependencies(self_pointer self, const config_ptr& config, const run_spec& spec) {
  for (size_t i = 0; i < spec.depends_on.size(); ++i) {
    const auto id = spec.depends_on[i];
    const auto where = "depends_on[" + std::to_string(i) + "]";
    if (self->state.runs.contains(id))
      continue;
    const auto found = config->read.find_run(id);
    if (!found)
      return found.error();
    if (!*found)
      return fault{errc::invalid_argument, "there is no evaluation " + to_string(id), where, {}};
    const auto state = (*found)->state;
    if (state == run_state::failed || state == run_state::cancelled)
      return fault{errc::conflict, "evaluation " + to_string(id) + " is " + std::string{to_string(state)},
                   where, state == run_state::failed ? "retry that one first" : ""};
  }
  return std::nullopt;
}

append_batch submission_rows(const run_record& record, const submit_run& wish,
                             const std::optional<run_id>& replaced, wall_time now) {
  append_batch batch;
  batch.runs.push_back(record);
  batch.events.push_back(make_event(record, event_type::evaluation_created, now));
  if (wish.idempotency_key.empty())
    return batch;
  document_change key{"idempotency", idempotency_key(wish), to_string(record.spec.id), !replaced, {}};
  if (replaced)
    key.only_if_equals = to_string(*replaced);
  batch.documents.push_back(std::move(key));
  return batch;
}

void take_in(self_pointer self, const config_ptr& config, submission_promise& promise,
             const run_submitted& answer) {
  const auto& record = answer.record;
  self->state.runs.insert_or_assign(record.spec.id,
                                    entry{record, {}, restart_policy{config->limits}, {}, {}, {}});
  promise.deliver(answer);
  schedule(self, config);
}

/// Nobody knows whether the store has the run; what it says then counts.
void look_again(self_pointer self, const config_ptr& config, submission_promise promise, run_submitted answer,
                fault reason) {
  after_flush(
      self, config,
      [self, config, promise, answer = std::move(answer), reason]() mutable {
        const auto found = config->read.find_run(answer.record.spec.id);
        if (found && *found)
          return take_in(self, config, promise, answer);
        refuse(promise, found ? reason : found.error());
      },
      [promise](const caf::error& error) mutable { promise.deliver(error); });
}

/// Another request with the same key may have been faster.
void on_unstored(self_pointer self, const config_ptr& config, pending_submission& pending,
                 run_submitted&& answer, const fault& reason) {
  if (is_unclear(reason))
    return look_again(self, config, pending.promise, std::move(answer), reason);
  if (reason.code != errc::conflict)
    return refuse(pending.promise, reason);
  auto earlier = find_earlier(config, pending.wish);
  if (!earlier || !earlier->record)
    return refuse(pending.promise, earlier ? reason : earlier.error());
  deliver_earlier(pending.promise, std::move(answer), std::move(*earlier->record));
}

} // namespace

caf::result<run_submitted> submit(self_pointer self, const config_ptr& config, submit_run& wish) {
  auto& state = self->state;
  if (state.draining)
    return to_caf_error({errc::shutting_down, "the farm is stopping", {}, "submit again when it is back"});
  if (!wish.request.dry_run)
    if (const auto full = no_place_for(state, *config, wish.owner))
      return to_caf_error(*full);
  const auto ticket = state.next_ticket++;
  auto promise = self->make_response_promise<run_submitted>();
  auto& pending =
      state.submissions.emplace(ticket, pending_submission{std::move(wish), promise, false, false})
          .first->second;
  admit(self, config, ticket, pending.wish.request);
  return promise;
}

void on_prepared(self_pointer self, const config_ptr& config, preparation_ended& news) {
  const auto found = self->state.submissions.find(news.ticket);
  if (found == self->state.submissions.end())
    return;
  found->second.told = true;
  if (!news.error)
    return admit(self, config, news.ticket, found->second.wish.request);
  auto promise = found->second.promise;
  self->state.submissions.erase(found);
  refuse(promise, *news.error);
}

bool release_preparer(self_pointer self, const caf::actor_addr& source) {
  auto& state = self->state;
  const auto preparer = state.preparers.extract(source);
  if (preparer.empty())
    return false;
  // Its word came before its end, so a submission that still waits for it was let down.
  const auto found = state.submissions.find(preparer.mapped());
  if (found != state.submissions.end() && !found->second.told) {
    auto promise = found->second.promise;
    state.submissions.erase(found);
    refuse(promise,
           {errc::actor_lost, "the preparation of the run's tasks fell", "task_ids", "submit again"});
  }
  return true;
}

void on_pinned(self_pointer self, const config_ptr& config, run_pinned& pinned) {
  if (pinned.unprepared && self->state.submissions.contains(pinned.ticket))
    return prepare(self, config, pinned.ticket);
  auto node = self->state.submissions.extract(pinned.ticket);
  if (node.empty())
    return;
  auto& pending = node.mapped();
  if (pinned.error)
    return refuse(pending.promise, *pinned.error);
  auto& record = pinned.answer.record;
  const auto now = config->wall();
  record.spec.owner = pending.wish.owner;
  record.spec.api_key = pending.wish.api_key;
  record.spec.key_budget = pending.wish.key_budget;
  record.spec.created_at = now;
  auto earlier =
      pinned.answer.dry_run ? result<earlier_run>{earlier_run{}} : find_earlier(config, pending.wish);
  if (!earlier)
    return refuse(pending.promise, earlier.error());
  if (earlier->record)
    return deliver_earlier(pending.promise, std::move(pinned.answer), std::move(*earlier->record));
  if (auto wrong = check_dependencies(self, config, record.spec))
    return refuse(pending.promise, *wrong);
  if (pinned.answer.dry_run) {
    pending.promise.deliver(std::move(pinned.answer));
    return;
  }
  do
    record.spec.id = fresh_id(self, now);
  while (self->state.runs.contains(record.spec.id));
  auto batch = submission_rows(record, pending.wish, earlier->id, now);
  const auto shared = std::make_shared<std::pair<pending_submission, run_submitted>>(
      std::move(pending), std::move(pinned.answer));
  store(
      self, config, std::move(batch),
      [self, config, shared] { take_in(self, config, shared->first.promise, shared->second); },
      [self, config, shared](const caf::error& error) {
        on_unstored(self, config, shared->first, std::move(shared->second), to_fault(error));
      });
}

} // namespace assay::run_supervisor_detail
