#pragma once

#include "storage/store.hpp"
#include "storage/write_batch.hpp"

#include <array>
#include <cstdint>
#include <functional>
#include <memory>

namespace assay::storage {

/// Writes one batch of documents, durably, without a thread: for a store opened beside its farm.
/// @returns what a writer reports: errc::conflict when a condition does not hold, errc::store_full or
/// errc::store_failed; errc::forbidden for a store opened read-only, errc::invalid_argument for other rows.
result<void> write_once(const std::shared_ptr<store>& where, write_batch batch);

/// How the writer gathers.
struct writer_options {
  /// Commits start at least this far apart, so that work gathers under load. The first batch after a pause is
  /// committed at once.
  microseconds window{1500};
  /// A commit starts early when so many rows wait, and takes whole batches up to about as many.
  size_t max_commit_rows = 1024;
  size_t max_commit_bytes = size_t{32} << 20;
  /// Bounds of what waits. A batch that exceeds one of them alone is taken when nothing else waits.
  size_t max_queued_rows = 65536;
  size_t max_queued_bytes = size_t{128} << 20;
};

/// What the writer has done since its start.
struct writer_statistics {
  /// Bucket i counts commits that took less than 2^(i+5) microseconds (32 us, 64 us, ... 17 s); the last
  /// bucket counts the rest.
  static constexpr size_t bucket_count = 21;

  uint64_t commits = 0;
  uint64_t rows = 0;  ///< Stored ones, with those of the index and of the events.
  uint64_t bytes = 0; ///< Keys and values as stored.
  uint64_t batches = 0;
  microseconds total_commit_time{0};
  microseconds longest_commit{0};
  std::array<uint64_t, bucket_count> commit_time_buckets{};
  size_t queued_rows = 0; ///< Waiting at the moment.
  size_t queued_bytes = 0;
  size_t erasing_runs = 0; ///< Erased runs of which rows are left.
};

/// The only writer of a store: one thread that commits what callers submit, many batches at a time.
///
/// Promises: reports come in the order of submission; what a report calls written is durable; numbers of a
/// run's events start at 1, have no gaps and rise in the order of commit, across restarts. A failed commit is
/// never repeated: the writer fails for good, reports every batch that waits with that fault, and the store
/// is read-only until it is opened again.
class writer {
public:
  /// Called on the writer thread after each commit; must be quick and must not stop() the writer.
  using commit_callback = std::function<void(commit_report&&)>;

  /// Starts the thread. Goes on removing the runs whose removal was cut short.
  /// @returns errc::conflict when the store has a writer, errc::forbidden when it was opened read-only, or
  /// what made it read-only.
  static result<std::unique_ptr<writer>> start(std::shared_ptr<store> where, const writer_options& options,
                                               commit_callback on_commit);

  /// Stops as stop() does.
  ~writer();
  writer(const writer&) = delete;
  writer& operator=(const writer&) = delete;

  /// Hands over a batch; never blocks. @returns errc::busy when too much waits (@p batch is then unchanged),
  /// the writer's own fault once it has failed, errc::shutting_down after stop(), errc::invalid_argument or
  /// errc::too_large when the store can never take it.
  result<void> submit(write_batch&& batch);

  /// Commits what waits, reports it and ends the thread. Waits for that.
  /// @param finish_erasing Also remove all rows of erased runs, and the texts of redacted ones; else that
  /// goes on at the next start.
  void stop(bool finish_erasing = false);

  writer_statistics statistics() const;

  struct implementation;
  explicit writer(std::unique_ptr<implementation> made);

private:
  std::unique_ptr<implementation> implementation_;
};

} // namespace assay::storage
