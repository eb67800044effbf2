#pragma once

#include "storage/write_transaction.hpp"

#include "core/values/ids.hpp"
#include "storage/records.hpp"

#include <deque>
#include <memory>
#include <optional>
#include <string>

namespace assay::storage::detail {

/// Marks a run whose texts are to be removed. The mark is durable: removal goes on after a restart.
void begin_redacting(write_transaction& transaction, run_id run);

/// A run that is removed has no texts to remove.
void forget_redacting(write_transaction& transaction, run_id run);

/// INTERNAL to the writer: takes the texts out of the rows of marked runs (prompts, answers, targets, what
/// scorers extracted, messages of errors, outputs in the result) in small transactions. Scores, usage, cost,
/// times and codes stay.
class run_redactor {
public:
  explicit run_redactor(std::shared_ptr<environment> environment);

  /// Takes up the marks that an earlier process left, from their beginnings: what has no text stays as it is.
  result<void> recover();
  void add(run_id run) { pending_.push_back(run); }
  /// The run is removed: nothing of it has to be redacted any more.
  void forget(run_id run);
  bool idle() const noexcept { return pending_.empty(); }

  /// Rewrites some rows in a transaction of their own. @returns the fault that ended writing, if any.
  result<void> step();

private:
  enum class part : uint8_t { result_document, responses, samples };

  result<void> next_part();
  void redact_result();
  /// Each rewrites some rows behind place_. @returns whether rows may be left.
  bool redact_responses();
  bool redact_samples();
  result<void> end_run();

  const std::shared_ptr<environment> environment_;
  write_transaction transaction_;
  std::deque<run_id> pending_;
  part part_ = part::result_document;
  std::optional<std::string> place_;   ///< The last key that was looked at.
  std::optional<std::string> reached_; ///< The last key of the step under way.
  record_decoder decoder_;
  record_encoder encoder_;
};

} // namespace assay::storage::detail
