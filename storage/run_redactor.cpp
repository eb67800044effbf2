#include "storage/run_redactor.hpp"

#include "storage/keys.hpp"
#include "storage/run_eraser.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <utility>
#include <vector>

namespace assay::storage::detail {

namespace {

using nlohmann::json;

constexpr std::string_view mark_prefix = "redacting/";
/// A step of this size takes a few milliseconds.
constexpr size_t rows_per_step = 500;
constexpr size_t bytes_per_step = size_t{4} << 20;

std::string mark_of(run_id run) { return std::string(mark_prefix) + std::string(run_key(run).view()); }

void redact(response_record& record) {
  record.prompt = {};
  record.answer = {};
  record.target = {};
  record.error_message.clear();
  for (auto& failure : record.failures)
    failure.message.clear();
}

/// @returns the document without the answers that it shows; nothing when it shows none.
std::optional<std::string> without_outputs(const std::string& text) {
  auto document = json::parse(text, nullptr, false);
  if (!document.is_object() || !document.contains("task_results") || !document["task_results"].is_array())
    return std::nullopt;
  for (auto& task : document["task_results"])
    if (task.is_object() && task.contains("output"))
      task["output"] = nullptr;
  document["redacted"] = true;
  return document.dump(-1, ' ', false, json::error_handler_t::replace);
}

/// Rows are read in the transaction that rewrites them: a cursor is not used after a write.
struct stored_row {
  std::string key;
  std::string value;
};

std::vector<stored_row> rows_behind(const write_transaction& transaction, table where,
                                    std::string_view prefix, const std::optional<std::string>& place) {
  std::vector<stored_row> out;
  size_t bytes = 0;
  auto rows = transaction.open(where);
  bool more = rows.seek(place ? std::string_view(*place) : prefix);
  if (more && place && rows.key() == *place)
    more = rows.next();
  for (; more && rows.key().starts_with(prefix); more = rows.next()) {
    if (out.size() == rows_per_step || bytes > bytes_per_step)
      break;
    bytes += rows.value().size();
    out.push_back({std::string(rows.key()), std::string(rows.value())});
  }
  return out;
}

} // namespace

void begin_redacting(write_transaction& transaction, run_id run) {
  transaction.put(table::meta, mark_of(run), "");
}

void forget_redacting(write_transaction& transaction, run_id run) {
  transaction.erase(table::meta, mark_of(run));
}

run_redactor::run_redactor(std::shared_ptr<environment> environment)
    : environment_(std::move(environment)), transaction_(environment_) {}

result<void> run_redactor::recover() { return find_marked_runs(environment_, mark_prefix, pending_); }

void run_redactor::forget(run_id run) {
  if (pending_.empty())
    return;
  if (pending_.front() == run) {
    part_ = part::result_document;
    place_.reset();
  }
  std::erase(pending_, run);
}

result<void> run_redactor::step() {
  if (pending_.empty())
    return {};
  bool left = false;
  auto done = commit_rows(*environment_, transaction_, [&] {
    reached_ = place_;
    switch (part_) {
    case part::result_document:
      redact_result();
      left = false;
      break;
    case part::responses:
      left = redact_responses();
      break;
    case part::samples:
      left = redact_samples();
      break;
    }
  });
  if (!done)
    return done;
  place_ = std::exchange(reached_, std::nullopt);
  return left ? result<void>{} : next_part();
}

result<void> run_redactor::next_part() {
  place_.reset();
  switch (part_) {
  case part::result_document:
    part_ = part::responses;
    return {};
  case part::responses:
    part_ = part::samples;
    return {};
  case part::samples:
    break;
  }
  part_ = part::result_document;
  return end_run();
}

result<void> run_redactor::end_run() {
  const auto run = pending_.front();
  pending_.pop_front();
  return commit_rows(*environment_, transaction_, [&] { transaction_.erase(table::meta, mark_of(run)); });
}

void run_redactor::redact_result() {
  const auto key = run_key(pending_.front());
  const auto stored = transaction_.get(table::results, key);
  if (!stored)
    return;
  const auto text = decoder_.text(*stored);
  if (!text)
    return;
  if (const auto redacted = without_outputs(*text))
    transaction_.put(table::results, key, encoder_.text(*redacted));
}

bool run_redactor::redact_responses() {
  const auto rows = rows_behind(transaction_, table::responses, run_key(pending_.front()), place_);
  for (const auto& row : rows) {
    reached_ = row.key;
    const auto at = parse_response_key(row.key);
    // What nobody can read shows nothing.
    auto record = at ? decoder_.response(at->run, at->address, at->attempt, row.value)
                     : result<response_record>{fault{errc::store_unreadable, {}, {}, {}}};
    if (!record)
      continue;
    redact(*record);
    transaction_.put(table::responses, row.key, encoder_.response(*record));
  }
  return !rows.empty();
}

bool run_redactor::redact_samples() {
  const auto rows = rows_behind(transaction_, table::samples, run_key(pending_.front()), place_);
  for (const auto& row : rows) {
    reached_ = row.key;
    const auto at = parse_sample_key(row.key);
    auto record = at ? decoder_.sample(at->run, at->address, row.value)
                     : result<sample_record>{fault{errc::store_unreadable, {}, {}, {}}};
    if (!record)
      continue;
    for (auto& score : record->scores)
      score.extracted.clear();
    transaction_.put(table::samples, row.key, encoder_.sample(*record));
  }
  return !rows.empty();
}

} // namespace assay::storage::detail
