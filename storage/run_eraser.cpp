#include "storage/run_eraser.hpp"

#include "storage/keys.hpp"

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
  transaction.erase(table::runs, key);
  transaction.erase(table::run_index, key);
  transaction.erase(table::results, key);
}

run_eraser::run_eraser(std::shared_ptr<environment> environment)
    : environment_(std::move(environment)), transaction_(environment_) {}

result<void> run_eraser::recover() {
  auto reading = read_transaction::begin(environment_);
  if (!reading)
    return reading.error();
  const auto use = (*reading)->enter();
  if (!use)
    return use.error();
  auto rows = use->open(table::meta);
  for (bool more = rows.seek(mark_prefix); more && rows.key().starts_with(mark_prefix); more = rows.next())
    if (const auto run = parse_run_key(rows.key().substr(mark_prefix.size())))
      pending_.push_back(*run);
  if (rows.failure() != 0)
    return read_fault(rows.failure(), "look for unfinished work");
  return {};
}

result<void> run_eraser::step() {
  const auto run = pending_.front();
  const auto key = run_key(run);
  for (;;) {
    size_t left = rows_per_step;
    if (transaction_.begin() == write_error::none) {
      for (const auto where : {table::responses, table::samples, table::scores, table::events})
        left -= transaction_.erase_prefix(where, key, left);
      // Budget left over means that nothing of the run is.
      if (left != 0)
        transaction_.erase(table::meta, mark_of(run));
      transaction_.commit();
    }
    if (transaction_.error() == write_error::none) {
      if (left != 0)
        pending_.pop_front();
      return {};
    }
    auto why = transaction_.why();
    if (transaction_.error() == write_error::map_full) {
      const auto grown = environment_->grow();
      if (grown)
        continue;
      why = grown.error();
    }
    environment_->fail(why);
    return why;
  }
}

} // namespace assay::storage::detail
