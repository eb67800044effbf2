#include "storage/committer.hpp"

#include "storage/keys.hpp"
#include "storage/run_eraser.hpp"
#include "storage/run_redactor.hpp"

#include <algorithm>
#include <limits>
#include <tuple>

namespace assay::storage::detail {

namespace {

/// Sequence numbers kept at hand; forgotten ones are found again in the table.
constexpr size_t max_known_runs = 4096;

auto place_of(const response_record& record) noexcept {
  return std::tuple(record.run, record.address, record.attempt);
}

auto place_of(const sample_record& record) noexcept { return std::tuple(record.run, record.address); }

bool takes_number(const sample_record& record) noexcept { return record.status != sample_status::answered; }

} // namespace

committer::committer(std::shared_ptr<environment> environment)
    : environment_(std::move(environment)), transaction_(environment_) {}

commit_report committer::commit(std::span<write_batch> group) {
  commit_report report;
  for (;;) {
    damage_.reset();
    if (transaction_.begin() == write_error::none) {
      apply(group, report);
      if (damage_)
        transaction_.abort();
      else
        transaction_.commit();
    }
    if (!damage_ && transaction_.error() == write_error::none)
      break;
    auto why = damage_ ? *damage_ : transaction_.why();
    if (!damage_ && transaction_.error() == write_error::map_full) {
      const auto grown = environment_->grow();
      // Nothing was written: a full map is noticed before the first page goes to the disk.
      if (grown)
        continue;
      why = grown.error();
    }
    environment_->fail(why);
    report.error = why;
    report.tickets.clear();
    for (const auto& batch : group)
      report.tickets.push_back({batch.ticket, why, {}, {}, {}});
    return report;
  }
  if (known_.size() > max_known_runs)
    known_.clear();
  for (const auto& [run, one] : staged_)
    known_[run] = one.last_seq;
  for (const auto& batch : group)
    for (const auto run : batch.erased_runs)
      known_.erase(run);
  return report;
}

void committer::apply(std::span<write_batch> group, commit_report& report) {
  report.tickets.clear();
  staged_.clear();
  responses_.clear();
  samples_.clear();
  for (auto& batch : group) {
    auto& ticket = report.tickets.emplace_back();
    ticket.ticket = batch.ticket;
    if (!may_write(batch, ticket))
      continue;
    number_events(batch, ticket);
    write_runs(batch);
    write_results(batch);
    write_documents(batch, ticket);
    erase_runs(batch);
    for (const auto run : batch.redacted_runs)
      begin_redacting(transaction_, run);
    list_watermarks(batch, ticket);
    for (const auto& record : batch.responses)
      responses_.push_back(&record);
    for (const auto& record : batch.samples)
      samples_.push_back(&record);
  }
  for (auto& [run, one] : staged_)
    write_open_row(run, one);
  write_samples();
  write_responses();
}

// -- conditions
// -----------------------------------------------------------------------------------------------

bool committer::may_write(const write_batch& batch, ticket_report& ticket) {
  ticket.documents.resize(batch.documents.size());
  bool holds = true;
  for (size_t i = 0; i < batch.documents.size(); ++i)
    holds = condition_holds(batch.documents[i], ticket, i) && holds;
  for (const auto run : batch.erased_runs)
    holds = may_erase(run, ticket) && holds;
  for (const auto run : batch.redacted_runs)
    holds = may_erase(run, ticket) && holds;
  return holds;
}

bool committer::condition_holds(const document_write& write, ticket_report& ticket, size_t index) {
  auto& outcome = ticket.documents[index];
  const auto stored = transaction_.get(write.where, write.key);
  std::optional<document> present;
  if (stored) {
    auto decoded = decoder_.versioned_document(*stored);
    if (decoded) {
      present = std::move(*decoded);
      outcome.version = present->version;
    } else if (write.condition.what != document_condition::kind::none) {
      ticket.error = decoded.error();
      return false;
    }
    // Whoever does not ask what is there may replace or erase what nobody can read.
  }
  switch (write.condition.what) {
  case document_condition::kind::none:
    return true;
  case document_condition::kind::absent:
    outcome.condition_held = !present;
    break;
  case document_condition::kind::version_is:
    outcome.condition_held = present && present->version == write.condition.version;
    break;
  case document_condition::kind::bytes_are:
    outcome.condition_held = present && present->bytes == write.condition.bytes;
    break;
  }
  if (outcome.condition_held)
    return true;
  if (present)
    outcome.present = std::move(present->bytes);
  if (!ticket.error)
    ticket.error = fault{errc::conflict, "the stored document is not as expected",
                         std::string(to_string(write.where)), "read it again and repeat the change"};
  return false;
}

bool committer::may_erase(run_id run, ticket_report& ticket) {
  const auto stored = transaction_.get(table::run_index, run_key(run));
  if (!stored) {
    ticket.error = fault{errc::not_found, "there is no such run", to_string(run), {}};
    return false;
  }
  const auto summary = decoder_.summary(run, *stored);
  if (!summary) {
    ticket.error = summary.error();
    return false;
  }
  if (is_final(summary->state))
    return true;
  ticket.error = fault{errc::conflict, "the run is " + std::string(to_string(summary->state)), to_string(run),
                       "cancel it first"};
  return false;
}

// -- events
// ---------------------------------------------------------------------------------------------------

committer::staged_run& committer::staged(run_id run) {
  const auto [it, fresh] = staged_.try_emplace(run);
  if (fresh) {
    const auto known = known_.find(run);
    it->second.last_seq = known != known_.end() ? known->second : stored_last_seq(run);
  }
  return it->second;
}

uint64_t committer::stored_last_seq(run_id run) {
  auto rows = transaction_.open(table::events);
  if (!rows.seek_below(event_key(run, std::numeric_limits<uint64_t>::max())))
    return 0;
  const auto position = parse_event_key(rows.key());
  if (!position || position->run != run)
    return 0;
  const auto count = decoder_.event_count(rows.value());
  if (!count) {
    give_up(count.error());
    return 0;
  }
  return position->seq + *count - 1;
}

void committer::number_events(write_batch& batch, ticket_report& ticket) {
  staged_run* current = nullptr;
  run_id current_run;
  const auto stage = [&](run_id run) -> staged_run& {
    if (current == nullptr || current_run != run) {
      current = &staged(run);
      current_run = run;
    }
    return *current;
  };
  for (const auto& record : batch.samples) {
    if (!takes_number(record))
      continue;
    auto& one = stage(record.run);
    if (one.open_row.size() == max_samples_per_event_row)
      write_open_row(record.run, one);
    ++one.last_seq;
    one.open_row.push_back(record.address);
  }
  for (auto& record : batch.events) {
    auto& one = stage(record.run);
    write_open_row(record.run, one);
    record.seq = ++one.last_seq;
    transaction_.put(table::events, event_key(record.run, record.seq), encoder_.lifecycle(record));
    ticket.events.push_back(record);
  }
}

void committer::write_open_row(run_id run, staged_run& staged) {
  if (staged.open_row.empty())
    return;
  const uint64_t first = staged.last_seq - staged.open_row.size() + 1;
  transaction_.put(table::events, event_key(run, first), encoder_.sample_events(staged.open_row));
  staged.open_row.clear();
}

void committer::list_watermarks(const write_batch& batch, ticket_report& ticket) {
  const auto add = [&](run_id run) {
    const auto same = [run](const run_watermark& one) { return one.run == run; };
    if (!ticket.runs.empty() && same(ticket.runs.back()))
      return;
    if (std::ranges::none_of(ticket.runs, same))
      ticket.runs.push_back({run, staged(run).last_seq});
  };
  for (const auto& record : batch.responses)
    add(record.run);
  for (const auto& record : batch.samples)
    add(record.run);
  for (const auto& record : batch.events)
    add(record.run);
  for (const auto& record : batch.runs)
    add(record.spec.id);
}

// -- rows
// -----------------------------------------------------------------------------------------------------

void committer::write_runs(write_batch& batch) {
  for (auto& record : batch.runs) {
    record.last_seq = staged(record.spec.id).last_seq;
    const auto key = run_key(record.spec.id);
    transaction_.put(table::runs, key, encoder_.run(record));
    transaction_.put(table::run_index, key, encoder_.summary(summary_of(record)));
  }
}

void committer::write_results(const write_batch& batch) {
  for (const auto& [run, text] : batch.results) {
    if (text.empty())
      transaction_.erase(table::results, run_key(run));
    else
      transaction_.put(table::results, run_key(run), encoder_.text(text));
  }
}

void committer::write_documents(const write_batch& batch, ticket_report& ticket) {
  for (size_t i = 0; i < batch.documents.size(); ++i) {
    const auto& write = batch.documents[i];
    auto& outcome = ticket.documents[i];
    if (!write.bytes) {
      transaction_.erase(write.where, write.key);
      outcome.version = 0;
      continue;
    }
    outcome.version += 1;
    transaction_.put(write.where, write.key, encoder_.versioned_document(outcome.version, *write.bytes));
  }
}

void committer::erase_runs(const write_batch& batch) {
  for (const auto run : batch.erased_runs)
    begin_erasing(transaction_, run);
}

void committer::write_samples() {
  // Neighbours go to the same page. Stable, so that of two rows of one sample the later one is kept.
  std::ranges::stable_sort(samples_, {}, [](const sample_record* one) { return place_of(*one); });
  for (size_t i = 0; i < samples_.size(); ++i) {
    const auto& record = *samples_[i];
    if (i + 1 < samples_.size() && place_of(*samples_[i + 1]) == place_of(record))
      continue;
    transaction_.put(table::samples, sample_key(record.run, record.address), encoder_.sample(record));
  }
}

void committer::write_responses() {
  std::ranges::stable_sort(responses_, {}, [](const response_record* one) { return place_of(*one); });
  for (const auto* record : responses_)
    transaction_.put(table::responses, response_key(record->run, record->address, record->attempt),
                     encoder_.response(*record));
}

void committer::give_up(fault why) {
  if (!damage_)
    damage_ = fault{errc::store_failed, std::move(why.message), std::move(why.where), std::move(why.hint)};
}

} // namespace assay::storage::detail
