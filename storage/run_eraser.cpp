#include "storage/run_eraser.hpp"

#include "storage/keys.hpp"
#include "storage/result_files.hpp"
#include "storage/run_redactor.hpp"

#include <string>

namespace assay::storage::detail {

namespace {

constexpr std::string_view mark_prefix = "erasing/";
/// A step of this size takes a few milliseconds.
constexpr size_t rows_per_step = 1000;

std::string mark_of(run_id run) { return std::string(mark_prefix) + std::string(run_key(run).view()); }

} // namespace

void begin_erasing(write_transaction& transaction, run_id run) {
  const auto key = run_key(run);
  transaction.put(table::meta, mark_of(run), "");
  forget_redacting(transaction, run);
  transaction.erase(table::runs, key);
  transaction.erase(table::run_index, key);
  transaction.erase(table::results, key);
  transaction.erase(table::settings, waiting_files_key(run));
  transaction.erase(table::settings, written_files_key(run));
}

run_eraser::run_eraser(std::shared_ptr<environment> environment)
    : environment_(std::move(environment)), transaction_(environment_) {}

result<void> run_eraser::recover() {
  next_key_ = "";
  return find_marked_runs(environment_, mark_prefix, pending_);
}

result<void> run_eraser::step() { return pending_.empty() ? sweep_keys() : erase_rows(); }

result<void> run_eraser::erase_rows() {
  const auto run = pending_.front();
  const auto key = run_key(run);
  size_t left = 0;
  auto done = commit([&] {
    left = rows_per_step;
    for (const auto where : {table::responses, table::samples, table::scores, table::events})
      left -= transaction_.erase_prefix(where, key, left);
    // Budget left over means that nothing of the run is.
    if (left != 0)
      transaction_.erase(table::meta, mark_of(run));
  });
  if (done && left != 0)
    pending_.pop_front();
  return done;
}

result<void> run_eraser::sweep_keys() {
  const auto stale = find_stale_keys();
  // What cannot be read now (all reader slots taken) is no reason to end the writing: a key that stays does
  // no harm, and the next removal or start looks again.
  if (!stale)
    next_key_.reset();
  if (!stale || stale->empty())
    return {};
  return commit([&] {
    for (const auto& key : *stale)
      transaction_.erase(table::idempotency, key);
  });
}

result<std::vector<std::string>> run_eraser::find_stale_keys() {
  std::vector<std::string> out;
  auto reading = read_transaction::begin(environment_);
  if (!reading)
    return reading.error();
  const auto use = (*reading)->enter();
  if (!use)
    return use.error();
  auto rows = use->open(table::idempotency);
  bool more = next_key_->empty() ? rows.first() : rows.seek(*next_key_);
  for (size_t seen = 0; more && seen < rows_per_step; ++seen, more = rows.next()) {
    const auto document = decoder_.versioned_document(rows.value());
    const auto run = document ? run_id_from_string(document->bytes) : std::nullopt;
    if (!run)
      continue;
    const auto there = use->get(table::run_index, run_key(*run));
    if (!there)
      return there.error();
    if (!*there)
      out.emplace_back(rows.key());
  }
  if (rows.failure() != 0)
    return read_fault(rows.failure(), "look for unfinished work");
  next_key_ = more ? std::optional{std::string(rows.key())} : std::nullopt;
  return out;
}

result<void> find_marked_runs(const std::shared_ptr<environment>& where, std::string_view prefix,
                              std::deque<run_id>& into) {
  auto reading = read_transaction::begin(where);
  if (!reading)
    return reading.error();
  const auto use = (*reading)->enter();
  if (!use)
    return use.error();
  auto rows = use->open(table::meta);
  for (bool more = rows.seek(prefix); more && rows.key().starts_with(prefix); more = rows.next())
    if (const auto run = parse_run_key(rows.key().substr(prefix.size())))
      into.push_back(*run);
  if (rows.failure() != 0)
    return read_fault(rows.failure(), "look for unfinished work");
  return {};
}

result<void> commit_rows(environment& where, write_transaction& transaction,
                         const std::function<void()>& rows) {
  for (;;) {
    if (transaction.begin() == write_error::none) {
      rows();
      transaction.commit();
    }
    if (transaction.error() == write_error::none)
      return {};
    auto why = transaction.why();
    if (transaction.error() == write_error::map_full) {
      const auto grown = where.grow();
      if (grown)
        continue;
      why = grown.error();
    }
    where.fail(why);
    return why;
  }
}

} // namespace assay::storage::detail
