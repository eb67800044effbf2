#include "storage/write_transaction.hpp"

#include <lmdb.h>

#include <cerrno>

namespace assay::storage::detail {

namespace {

/// What a commit writes besides its rows, at most about: inner pages, the free list.
constexpr size_t room_for_pages = size_t{1} << 20;

MDB_val to_val(std::string_view bytes) noexcept {
  MDB_val value;
  value.mv_size = bytes.size();
  // LMDB takes pointers to non-const and does not write to what is put.
  value.mv_data = const_cast<char*>(bytes.data());
  return value;
}

int code_of(injected_error error) noexcept {
  switch (error) {
  case injected_error::disk_full:
    return ENOSPC;
  case injected_error::io_error:
    return EIO;
  case injected_error::map_full:
    return MDB_MAP_FULL;
  case injected_error::none:
    break;
  }
  return 0;
}

} // namespace

/// One table within the transaction. The cursor stays on the last row put: neighbours are then found without
/// a walk from the root.
struct write_transaction::table_state {
  MDB_cursor* cursor = nullptr;
  bool last_known = false;
  std::string last; ///< No key of the table is above it; empty when the table is empty.
};

write_transaction::write_transaction(std::shared_ptr<environment> environment)
    : environment_(std::move(environment)) {
  for (auto& one : tables_)
    one = std::make_unique<table_state>();
}

write_transaction::~write_transaction() { abort(); }

bool write_transaction::check(int code, const char* action) noexcept {
  if (code == 0)
    return true;
  error_ = classify(code);
  code_ = code;
  action_ = action;
  return false;
}

bool write_transaction::check_injected(store_operation operation, const char* action) {
  return check(code_of(environment_->injected(operation)), action);
}

write_error write_transaction::begin() {
  abort();
  error_ = write_error::none;
  code_ = 0;
  bytes_ = 0;
  rows_ = 0;
  if (check_injected(store_operation::begin, "begin to write"))
    check(mdb_txn_begin(environment_->handle(), nullptr, 0, &handle_), "begin to write");
  return error_;
}

write_transaction::table_state& write_transaction::state_of(table where) noexcept {
  auto& state = *tables_[static_cast<size_t>(where)];
  if (state.cursor == nullptr)
    check(mdb_cursor_open(handle_, environment_->handle_of(where), &state.cursor), "write");
  return state;
}

void write_transaction::put(table where, std::string_view key, std::string_view value) {
  if (error_ != write_error::none || !check_injected(store_operation::put, "write"))
    return;
  auto& state = state_of(where);
  if (error_ != write_error::none)
    return;
  MDB_val k{};
  MDB_val v{};
  if (!state.last_known) {
    const int code = mdb_cursor_get(state.cursor, &k, &v, MDB_LAST);
    if (code != MDB_NOTFOUND && !check(code, "write"))
      return;
    state.last.assign(static_cast<const char*>(k.mv_data), code == 0 ? k.mv_size : 0);
    state.last_known = true;
  }
  // Rows in key order fill pages completely; without the flag LMDB leaves each one half empty.
  const bool appends = state.last.empty() || key > std::string_view(state.last);
  k = to_val(key);
  v = to_val(value);
  if (!check(mdb_cursor_put(state.cursor, &k, &v, appends ? MDB_APPEND : 0U), "write"))
    return;
  if (appends)
    state.last.assign(key);
  bytes_ += key.size() + value.size();
  ++rows_;
}

void write_transaction::erase(table where, std::string_view key) {
  if (error_ != write_error::none || !check_injected(store_operation::put, "erase"))
    return;
  MDB_val k = to_val(key);
  const int code = mdb_del(handle_, environment_->handle_of(where), &k, nullptr);
  if (code != MDB_NOTFOUND)
    check(code, "erase");
  // What is known of the last key stays true: nothing is above it.
  ++rows_;
}

std::optional<std::string_view> write_transaction::get(table where, std::string_view key) {
  if (error_ != write_error::none)
    return std::nullopt;
  MDB_val k = to_val(key);
  MDB_val v{};
  const int code = mdb_get(handle_, environment_->handle_of(where), &k, &v);
  if (code == MDB_NOTFOUND || !check(code, "read"))
    return std::nullopt;
  return std::string_view{static_cast<const char*>(v.mv_data), v.mv_size};
}

size_t write_transaction::erase_prefix(table where, std::string_view prefix, size_t limit) {
  if (error_ != write_error::none || !check_injected(store_operation::put, "erase"))
    return 0;
  auto& state = state_of(where);
  MDB_val k = to_val(prefix);
  MDB_val v{};
  size_t erased = 0;
  while (erased < limit && error_ == write_error::none) {
    // After a deletion the cursor stands on the row that followed, yet it must be asked for by key again:
    // LMDB 0.9 may leave it beyond the end of a page.
    k = to_val(prefix);
    const int code = mdb_cursor_get(state.cursor, &k, &v, MDB_SET_RANGE);
    if (code == MDB_NOTFOUND || !check(code, "erase"))
      break;
    if (!std::string_view(static_cast<const char*>(k.mv_data), k.mv_size).starts_with(prefix))
      break;
    if (check(mdb_cursor_del(state.cursor, 0), "erase"))
      ++erased;
  }
  rows_ += erased;
  return erased;
}

write_error write_transaction::commit() {
  if (error_ != write_error::none) {
    abort();
    return error_;
  }
  close_cursors();
  if (!check_injected(store_operation::commit, "commit")) {
    abort();
    return error_;
  }
  // Frees the handle whatever it answers.
  int code = mdb_txn_commit(std::exchange(handle_, nullptr));
  // The write that meets the end of the disk is cut short first, and LMDB calls that an input/output error.
  if (code == EIO && lacks_room(environment_->folder(), "data.mdb", bytes_ + room_for_pages))
    code = ENOSPC;
  check(code, "commit");
  if (error_ == write_error::none)
    environment_->injected(store_operation::committed);
  return error_;
}

void write_transaction::abort() noexcept {
  close_cursors();
  if (handle_ != nullptr)
    mdb_txn_abort(std::exchange(handle_, nullptr));
}

void write_transaction::close_cursors() noexcept {
  for (auto& one : tables_) {
    // Cursors of a write transaction must be closed before it ends.
    if (one->cursor != nullptr)
      mdb_cursor_close(std::exchange(one->cursor, nullptr));
    one->last_known = false;
  }
}

} // namespace assay::storage::detail
