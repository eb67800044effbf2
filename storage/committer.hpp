#pragma once

#include "storage/records.hpp"
#include "storage/write_batch.hpp"
#include "storage/write_transaction.hpp"

#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

namespace assay::storage::detail {

/// INTERNAL to the writer: applies a group of batches in one transaction and numbers their events. Used by
/// one thread at a time.
class committer {
public:
  explicit committer(std::shared_ptr<environment> environment);

  /// Commits @p group, growing the map when it is full. After any other error the environment takes no more
  /// writes, and the report says why.
  commit_report commit(std::span<write_batch> group);

  /// Rows and bytes of the last commit.
  size_t rows() const noexcept { return transaction_.rows(); }
  size_t bytes() const noexcept { return transaction_.bytes(); }

private:
  /// A run's events within the transaction.
  struct staged_run {
    uint64_t last_seq = 0;
    /// Samples numbered one after another, not written yet; the last one has last_seq.
    std::vector<sample_address> open_row;
  };

  void apply(std::span<write_batch> group, commit_report& report);
  /// @returns false, with the reason in the ticket, when the batch must not be written.
  bool may_write(const write_batch& batch, ticket_report& ticket);
  bool condition_holds(const document_write& write, ticket_report& ticket, size_t index);
  bool may_erase(run_id run, ticket_report& ticket);
  void number_events(write_batch& batch, ticket_report& ticket);
  void write_runs(write_batch& batch);
  void write_results(const write_batch& batch);
  void write_documents(const write_batch& batch, ticket_report& ticket);
  void erase_runs(const write_batch& batch);
  void write_open_row(run_id run, staged_run& staged);
  void write_samples();
  void write_responses();
  void list_watermarks(const write_batch& batch, ticket_report& ticket);

  staged_run& staged(run_id run);
  /// @returns the newest sequence number that the events table has for @p run.
  uint64_t stored_last_seq(run_id run);
  /// Remembers a fault that is no error of LMDB: the data itself is damaged.
  void give_up(fault why);

  const std::shared_ptr<environment> environment_;
  write_transaction transaction_;
  record_encoder encoder_;
  record_decoder decoder_;
  std::optional<fault> damage_;
  /// Newest sequence numbers of the runs written lately.
  std::unordered_map<run_id, uint64_t> known_;
  std::unordered_map<run_id, staged_run> staged_;
  std::vector<const response_record*> responses_;
  std::vector<const sample_record*> samples_;
};

} // namespace assay::storage::detail
