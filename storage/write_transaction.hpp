#pragma once

#include "storage/read_transaction.hpp"

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace assay::storage::detail {

/// The one write transaction of the environment, used again for each commit, by one thread at a time. The
/// first error sticks: everything after it does nothing until the next begin(), so that a caller checks once,
/// at commit().
class write_transaction {
public:
  explicit write_transaction(std::shared_ptr<environment> environment);
  ~write_transaction();
  write_transaction(const write_transaction&) = delete;
  write_transaction& operator=(const write_transaction&) = delete;

  /// Starts a transaction; an unfinished one is dropped.
  write_error begin();

  void put(table where, std::string_view key, std::string_view value);
  /// Erases a row; no error when there is none.
  void erase(table where, std::string_view key);
  /// @returns the value as this transaction sees it, valid until its next write.
  std::optional<std::string_view> get(table where, std::string_view key);
  /// @returns a cursor on the table as this transaction sees it, to be used before its next write.
  cursor open(table where) const { return {handle_, environment_->handle_of(where)}; }
  /// Erases at most @p limit rows whose keys start with @p prefix. @returns how many.
  size_t erase_prefix(table where, std::string_view prefix, size_t limit);

  /// Makes everything durable, or nothing. A failed commit must not be repeated: after a failed flush the
  /// kernel may have dropped the pages and would report success.
  write_error commit();
  void abort() noexcept;

  /// @returns the first error since begin().
  write_error error() const noexcept { return error_; }
  /// @returns what the error means for whoever wanted to write.
  fault why() const { return write_fault_of(error_, code_, action_); }
  /// Bytes put since begin().
  size_t bytes() const noexcept { return bytes_; }
  size_t rows() const noexcept { return rows_; }

private:
  struct table_state;

  /// @returns whether the transaction goes on.
  bool check(int code, const char* action) noexcept;
  bool check_injected(store_operation operation, const char* action);
  table_state& state_of(table where) noexcept;
  void close_cursors() noexcept;

  const std::shared_ptr<environment> environment_;
  MDB_txn* handle_ = nullptr;
  std::array<std::unique_ptr<table_state>, table_count> tables_;
  write_error error_ = write_error::none;
  int code_ = 0;
  const char* action_ = "write";
  size_t bytes_ = 0;
  size_t rows_ = 0;
};

} // namespace assay::storage::detail
