#include "storage/read_transaction.hpp"

#include <lmdb.h>

namespace assay::storage::detail {

namespace {

/// How often a reader follows another process that enlarges the map while it begins.
constexpr int begin_attempts = 5;

MDB_val to_val(std::string_view bytes) noexcept {
  MDB_val value;
  value.mv_size = bytes.size();
  // LMDB takes keys by pointer to non-const and does not write to them.
  value.mv_data = const_cast<char*>(bytes.data());
  return value;
}

std::string_view to_view(const MDB_val& value) noexcept {
  return {static_cast<const char*>(value.mv_data), value.mv_size};
}

} // namespace

// -- cursor
// ---------------------------------------------------------------------------------------------------

cursor::cursor(MDB_txn* txn, unsigned table) noexcept {
  if (table != 0)
    failure_ = mdb_cursor_open(txn, table, &handle_);
}

cursor::~cursor() {
  if (handle_ != nullptr)
    mdb_cursor_close(handle_);
}

bool cursor::move(int operation, std::string_view key) noexcept {
  if (handle_ == nullptr)
    return false;
  MDB_val k = to_val(key);
  MDB_val v{};
  const int code = mdb_cursor_get(handle_, &k, &v, static_cast<MDB_cursor_op>(operation));
  if (code != 0) {
    if (code != MDB_NOTFOUND)
      failure_ = code;
    key_ = {};
    value_ = {};
    return false;
  }
  key_ = to_view(k);
  value_ = to_view(v);
  return true;
}

bool cursor::seek(std::string_view key) noexcept { return move(MDB_SET_RANGE, key); }

bool cursor::seek_below(std::string_view key) noexcept {
  return seek(key) ? previous() : failure_ == 0 && last();
}

bool cursor::first() noexcept { return move(MDB_FIRST, {}); }
bool cursor::last() noexcept { return move(MDB_LAST, {}); }
bool cursor::next() noexcept { return move(MDB_NEXT, {}); }
bool cursor::previous() noexcept { return move(MDB_PREV, {}); }

// -- read_transaction
// -----------------------------------------------------------------------------------------

result<int> read_transaction::try_begin() {
  auto& gate = environment_->gate();
  // Held from the registration on: the gate must not end a reader as idle that is about to begin.
  std::unique_lock lock(mutex_);
  if (auto entered = gate.enter(*this); !entered)
    return entered.error();
  const int code = mdb_txn_begin(environment_->handle(), nullptr, MDB_RDONLY, &handle_);
  lock.unlock();
  if (code != 0)
    gate.leave(*this);
  return code;
}

result<std::unique_ptr<read_transaction>> read_transaction::begin(std::shared_ptr<environment> environment) {
  auto made = std::make_unique<read_transaction>(std::move(environment));
  int code = 0;
  for (int attempt = 0; attempt < begin_attempts; ++attempt) {
    const auto begun = made->try_begin();
    if (!begun)
      return begun.error();
    code = *begun;
    if (code == 0)
      return made;
    if (code != MDB_MAP_RESIZED)
      break;
    if (auto adopted = made->environment_->adopt_size(); !adopted)
      return adopted.error();
  }
  if (code == MDB_READERS_FULL)
    return fault{errc::busy, "too many readers", {}, "try again in a moment"};
  return read_fault(code, "begin to read");
}

read_transaction::~read_transaction() {
  // The handle first: the gate may exchange the map as soon as the last reader has left.
  drop();
  environment_->gate().leave(*this);
}

void read_transaction::drop() noexcept {
  const std::lock_guard lock(mutex_);
  if (handle_ != nullptr)
    mdb_txn_abort(handle_);
  handle_ = nullptr;
}

bool read_transaction::end(bool wait) noexcept {
  std::unique_lock lock(mutex_, std::defer_lock);
  if (wait)
    lock.lock();
  else if (!lock.try_lock())
    return false;
  if (handle_ != nullptr)
    mdb_txn_abort(handle_);
  handle_ = nullptr;
  return true;
}

result<read_transaction::use> read_transaction::enter() {
  const auto& gate = environment_->gate();
  use held{std::unique_lock(mutex_), nullptr, environment_.get()};
  if (handle_ != nullptr && gate.now() - opened_at_ > gate.limit()) {
    mdb_txn_abort(handle_);
    handle_ = nullptr;
  }
  if (handle_ == nullptr)
    return fault{errc::deadline_exceeded,
                 "the snapshot is older than it may be",
                 {},
                 "open another one for the next page"};
  held.txn = handle_;
  return held;
}

result<std::optional<std::string_view>> read_transaction::use::get(table where, std::string_view key) const {
  const unsigned handle = tables->handle_of(where);
  if (handle == 0)
    return std::optional<std::string_view>{};
  MDB_val k = to_val(key);
  MDB_val v{};
  const int code = mdb_get(txn, handle, &k, &v);
  if (code == MDB_NOTFOUND)
    return std::optional<std::string_view>{};
  if (code != 0)
    return read_fault(code, "read");
  return std::optional<std::string_view>{to_view(v)};
}

} // namespace assay::storage::detail
