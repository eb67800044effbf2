#pragma once

#include "storage/write_transaction.hpp"

#include "core/values/ids.hpp"

#include <deque>

namespace assay::storage::detail {

/// Removes a run's record, index and result, and marks its other rows for removal. The mark is durable:
/// removal goes on after a restart.
void begin_erasing(write_transaction& transaction, run_id run);

/// INTERNAL to the writer: removes the rows of marked runs in small transactions, so that the removal of a
/// large run delays nobody.
class run_eraser {
public:
  explicit run_eraser(std::shared_ptr<environment> environment);

  /// Takes up the marks that an earlier process left.
  result<void> recover();
  void add(run_id run) { pending_.push_back(run); }
  bool idle() const noexcept { return pending_.empty(); }
  size_t pending() const noexcept { return pending_.size(); }

  /// Removes some rows in a transaction of their own. @returns the fault that ended writing, if any.
  result<void> step();

private:
  const std::shared_ptr<environment> environment_;
  write_transaction transaction_;
  std::deque<run_id> pending_;
};

} // namespace assay::storage::detail
