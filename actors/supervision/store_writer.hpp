#pragma once

#include "actors/supervision/journal.hpp"
#include "storage/writer.hpp"

#include <memory>
#include <mutex>

namespace assay {

/// The batch_writer of a real farm: the store's writer thread. Belongs to the root and outlives every journal
/// actor.
class store_writer : public batch_writer {
public:
  /// Starts the thread.
  static result<std::shared_ptr<store_writer>> start(std::shared_ptr<storage::store> store,
                                                     const storage::writer_options& options);
  ~store_writer() override;

  result<void> submit(uint64_t ticket, append_batch&& batch) override;
  void report_to(const journal_actor& journal) override;

  /// Commits what waits and ends the thread. Idempotent.
  void stop();

  storage::writer_statistics statistics() const { return writer_->statistics(); }

protected:
  /// Only start() makes one: without its thread it is of no use.
  store_writer() = default;

private:
  void on_commit(storage::commit_report&& report);

  std::mutex mutex_;
  /// Weak: a strong handle would keep a fallen journal from ending.
  caf::actor_addr journal_;
  std::unique_ptr<storage::writer> writer_;
};

struct run_reader;

/// What the run supervisor reads, from @p store.
run_reader make_run_reader(std::shared_ptr<storage::store> store);

} // namespace assay
