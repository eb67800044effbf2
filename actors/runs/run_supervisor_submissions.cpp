#include "actors/runs/run_supervisor_detail.hpp"

#include "protocol/errors.hpp"

#include <utility>

namespace assay::run_supervisor_detail {

namespace {

using pending_submission = run_supervisor_state::pending_submission;

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

} // namespace

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

} // namespace assay::run_supervisor_detail
