#pragma once

#include "storage/environment.hpp"

#include <mutex>
#include <optional>
#include <string_view>

struct MDB_cursor;
struct MDB_txn;

namespace assay::storage::detail {

/// Walks one table in key order. Keys and values stay valid as long as their transaction, for a write
/// transaction until its next write.
class cursor {
public:
  /// @param table 0 for a table that does not exist: such a cursor finds nothing.
  cursor(MDB_txn* txn, unsigned table) noexcept;
  ~cursor();
  cursor(const cursor&) = delete;
  cursor& operator=(const cursor&) = delete;

  /// Each moves and answers whether there is a row. seek() moves to the first row whose key is not below @p
  /// key, seek_below() to the last one whose key is below it.
  bool seek(std::string_view key) noexcept;
  bool seek_below(std::string_view key) noexcept;
  bool first() noexcept;
  bool last() noexcept;
  bool next() noexcept;
  bool previous() noexcept;

  std::string_view key() const noexcept { return key_; }
  std::string_view value() const noexcept { return value_; }
  /// LMDB's answer when something other than "no such row" went wrong, else 0.
  int failure() const noexcept { return failure_; }

private:
  bool move(int operation, std::string_view key) noexcept;

  MDB_cursor* handle_ = nullptr;
  std::string_view key_;
  std::string_view value_;
  int failure_ = 0;
};

/// One consistent view of the data. Registered with the gate, which ends it when it is over its limit.
class read_transaction {
public:
  static result<std::unique_ptr<read_transaction>> begin(std::shared_ptr<environment> environment);

  explicit read_transaction(std::shared_ptr<environment> environment)
      : environment_(std::move(environment)) {}
  ~read_transaction();
  read_transaction(const read_transaction&) = delete;
  read_transaction& operator=(const read_transaction&) = delete;

  /// Holds the transaction for one operation; the gate waits for it.
  struct use {
    std::unique_lock<std::mutex> lock;
    MDB_txn* txn = nullptr;
    const environment* tables = nullptr;

    /// @returns the value under @p key, or nothing.
    result<std::optional<std::string_view>> get(table where, std::string_view key) const;
    cursor open(table where) const { return {txn, tables->handle_of(where)}; }
  };

  /// @returns errc::deadline_exceeded when the transaction is over its limit.
  result<use> enter();

private:
  friend class reader_gate;

  /// Called by the gate. @returns false when an operation is under way and @p wait is false.
  bool end(bool wait) noexcept;
  /// Registers and begins. @returns LMDB's answer.
  result<int> try_begin();
  void drop() noexcept;

  const std::shared_ptr<environment> environment_;
  // Written once, on registration.
  std::chrono::steady_clock::time_point opened_at_{};
  std::mutex mutex_;
  MDB_txn* handle_ = nullptr;
};

} // namespace assay::storage::detail
