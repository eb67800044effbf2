#pragma once

#include "storage/write_transaction.hpp"

#include "core/values/ids.hpp"
#include "storage/records.hpp"

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace assay::storage::detail {

/// Removes a run's record, index and result, and marks its other rows for removal. The mark is durable:
/// removal goes on after a restart.
void begin_erasing(write_transaction& transaction, run_id run);

/// Commits what @p rows does, again in a larger map when the present one is full. @returns the fault that
/// ended writing, if any.
result<void> commit_rows(environment& where, write_transaction& transaction,
                         const std::function<void()>& rows);

/// Adds the runs that marks in the table `meta` name: @p prefix, and a run's key.
result<void> find_marked_runs(const std::shared_ptr<environment>& where, std::string_view prefix,
                              std::deque<run_id>& into);

/// INTERNAL to the writer: removes the rows of marked runs in small transactions, so that the removal of a
/// large run delays nobody; and then the idempotency keys that led to runs that are gone.
class run_eraser {
public:
  explicit run_eraser(std::shared_ptr<environment> environment);

  /// Takes up the marks that an earlier process left. Its keys are looked through too: that one may have
  /// ended before it had done so.
  result<void> recover();
  void add(run_id run) {
    pending_.push_back(run);
    next_key_ = "";
  }
  bool idle() const noexcept { return pending_.empty() && !next_key_; }
  size_t pending() const noexcept { return pending_.size(); }

  /// Removes some rows in a transaction of their own. @returns the fault that ended writing, if any.
  result<void> step();

private:
  result<void> erase_rows();
  result<void> sweep_keys();
  result<std::vector<std::string>> find_stale_keys();
  result<void> commit(const std::function<void()>& rows) {
    return commit_rows(*environment_, transaction_, rows);
  }

  const std::shared_ptr<environment> environment_;
  write_transaction transaction_;
  std::deque<run_id> pending_;
  std::optional<std::string> next_key_; ///< Where the search for stale keys goes on; nothing: it is done.
  record_decoder decoder_;
};

} // namespace assay::storage::detail
