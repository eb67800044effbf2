#include "actors/supervision/store_writer.hpp"

#include "actors/runs/run_counts.hpp"
#include "actors/runs/run_supervisor.hpp"
#include "storage/maintenance.hpp"
#include "storage/snapshot.hpp"

#include <algorithm>

namespace assay {

namespace {

result<storage::document_write> convert(document_change&& change) {
  const auto table = storage::table_from_string(change.table);
  if (!table)
    return fault{errc::internal, "there is no table '" + change.table + "'", "journal", {}};
  storage::document_write out;
  out.where = *table;
  out.key = std::move(change.key);
  out.bytes = std::move(change.value);
  if (change.only_if_absent)
    out.condition = storage::document_condition::if_absent();
  else if (change.only_if_equals)
    out.condition = storage::document_condition::if_bytes(std::move(*change.only_if_equals));
  return out;
}

ticket_done convert(storage::ticket_report&& report) {
  ticket_done out;
  out.ticket = report.ticket;
  for (const auto& run : report.runs)
    out.last_seq = std::max(out.last_seq, run.last_seq);
  out.events = std::move(report.events);
  out.error = std::move(report.error);
  return out;
}

} // namespace

result<std::shared_ptr<store_writer>> store_writer::start(std::shared_ptr<storage::store> store,
                                                          const storage::writer_options& options) {
  struct constructible : store_writer {};
  const std::shared_ptr<store_writer> out = std::make_shared<constructible>();
  auto* raw = out.get();
  auto started = storage::writer::start(std::move(store), options, [raw](storage::commit_report&& report) {
    raw->on_commit(std::move(report));
  });
  if (!started)
    return started.error();
  out->writer_ = std::move(*started);
  return out;
}

store_writer::~store_writer() { stop(); }

void store_writer::stop() {
  if (writer_)
    writer_->stop();
}

result<void> store_writer::submit(uint64_t ticket, append_batch&& batch) {
  storage::write_batch rows;
  rows.ticket = ticket;
  for (auto& change : batch.documents) {
    auto converted = convert(document_change{change});
    if (!converted)
      return converted.error();
    rows.documents.push_back(std::move(*converted));
  }
  rows.responses = std::move(batch.responses);
  rows.samples = std::move(batch.samples);
  rows.runs = std::move(batch.runs);
  rows.events = std::move(batch.events);
  rows.results = std::move(batch.results);
  rows.erased_runs = std::move(batch.erased_runs);
  rows.redacted_runs = std::move(batch.redacted_runs);
  auto taken = writer_->submit(std::move(rows));
  if (!taken && taken.error().code == errc::busy) {
    // The caller keeps a batch that was refused for now.
    batch.responses = std::move(rows.responses);
    batch.samples = std::move(rows.samples);
    batch.runs = std::move(rows.runs);
    batch.events = std::move(rows.events);
    batch.results = std::move(rows.results);
    batch.erased_runs = std::move(rows.erased_runs);
    batch.redacted_runs = std::move(rows.redacted_runs);
  }
  return taken;
}

void store_writer::report_to(const journal_actor& journal) {
  const std::lock_guard guard{mutex_};
  journal_ = journal.address();
}

void store_writer::on_commit(storage::commit_report&& report) {
  writer_reported news;
  news.tickets.reserve(report.tickets.size());
  for (auto& ticket : report.tickets)
    news.tickets.push_back(convert(std::move(ticket)));
  caf::actor_addr target;
  {
    const std::lock_guard guard{mutex_};
    target = journal_;
  }
  if (const auto journal = caf::actor_cast<journal_actor>(target))
    caf::anon_send(journal, std::move(news));
}

run_reader make_run_reader(std::shared_ptr<storage::store> store) {
  run_reader out;
  out.open_runs = [store]() -> result<std::vector<run_record>> {
    std::vector<run_record> runs;
    std::optional<run_id> after;
    do {
      auto view = storage::snapshot::open(store);
      if (!view)
        return view.error();
      auto page = view->open_runs(after);
      if (!page)
        return page.error();
      std::move(page->runs.begin(), page->runs.end(), std::back_inserter(runs));
      after = page->next;
    } while (after);
    for (auto& run : runs)
      refresh_counts(store, run);
    return runs;
  };
  out.find_run = [store](run_id id) -> result<std::optional<run_record>> {
    auto view = storage::snapshot::open(store);
    if (!view)
      return view.error();
    return view->find_run(id);
  };
  out.find_expired = [store](wall_time finished_before, size_t limit) {
    return storage::find_prunable(store, {finished_before, {}, limit});
  };
  out.find_idempotent = [store](const std::string& key) -> result<std::optional<run_id>> {
    auto view = storage::snapshot::open(store);
    if (!view)
      return view.error();
    auto found = view->find_document(storage::table::idempotency, key);
    if (!found)
      return found.error();
    if (!*found)
      return std::optional<run_id>{};
    return run_id_from_string((*found)->bytes);
  };
  return out;
}

} // namespace assay
