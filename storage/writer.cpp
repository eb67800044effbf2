#include "storage/writer.hpp"

#include "storage/committer.hpp"
#include "storage/run_eraser.hpp"
#include "storage/run_redactor.hpp"

#include <algorithm>
#include <bit>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <span>
#include <thread>
#include <utility>
#include <vector>

namespace assay::storage {

namespace {

using std::chrono::steady_clock;

/// Slots of killed readers are looked for once in so many commits; a dead reader makes the file grow.
constexpr uint64_t commits_between_reader_checks = 4096;

size_t bucket_of(microseconds time) noexcept {
  const auto width =
      static_cast<size_t>(std::bit_width(static_cast<uint64_t>(std::max<int64_t>(time.count(), 0))));
  // Times below 2^5 microseconds share the first bucket.
  return std::min(width <= 5 ? 0 : width - 5, writer_statistics::bucket_count - 1);
}

} // namespace

struct writer::implementation {
  struct waiting_batch {
    write_batch batch;
    size_t rows = 0;
    size_t bytes = 0;
  };

  implementation(std::shared_ptr<store> where, const writer_options& given, commit_callback callback)
      : target(std::move(where)), options(given), on_commit(std::move(callback)),
        committer(target->environment()), eraser(target->environment()), redactor(target->environment()) {}

  ~implementation() {
    if (claimed)
      target->environment()->release_writer();
  }

  void run();
  /// Waits for work. @returns false when the thread shall end.
  bool gather(std::vector<write_batch>& group);
  void take(std::vector<write_batch>& group);
  void commit(std::vector<write_batch>& group);
  void erase_step();
  void fail(const fault& why);
  /// What a batch leaves to be done in small steps.
  void note_work(const write_batch& batch);
  void count_commit(microseconds time, size_t batches);

  const std::shared_ptr<store> target;
  const writer_options options;
  const commit_callback on_commit;
  bool claimed = false;

  // Used by the writer thread only.
  detail::committer committer;
  detail::run_eraser eraser;
  detail::run_redactor redactor;
  steady_clock::time_point last_start = steady_clock::now() - options.window;
  uint64_t commits_since_check = 0;

  mutable std::mutex mutex;
  std::condition_variable arrived;
  std::deque<waiting_batch> queue;
  size_t queued_rows = 0;
  size_t queued_bytes = 0;
  bool stopping = false;
  bool finish_erasing = false;
  std::optional<fault> failure;
  writer_statistics counters;

  std::mutex stop_mutex;
  std::thread thread;
};

void writer::implementation::run() {
  std::vector<write_batch> group;
  while (gather(group)) {
    if (!group.empty())
      commit(group);
    erase_step();
    group.clear();
  }
}

bool writer::implementation::gather(std::vector<write_batch>& group) {
  std::unique_lock lock(mutex);
  const bool erasing = (!eraser.idle() || !redactor.idle()) && !failure;
  counters.erasing_runs = eraser.pending();
  if (!erasing)
    arrived.wait(lock, [&] { return stopping || !queue.empty(); });
  if (queue.empty())
    return !stopping || (erasing && finish_erasing);
  // Nothing waits in vain: the window began with the last commit, so after a pause it is over already.
  arrived.wait_until(lock, last_start + options.window,
                     [&] { return stopping || failure || queued_rows >= options.max_commit_rows; });
  take(group);
  return true;
}

void writer::implementation::take(std::vector<write_batch>& group) {
  size_t rows = 0;
  size_t bytes = 0;
  while (!queue.empty()) {
    auto& next = queue.front();
    const bool fits =
        rows + next.rows <= options.max_commit_rows && bytes + next.bytes <= options.max_commit_bytes;
    if (!group.empty() && !fits)
      break;
    rows += next.rows;
    bytes += next.bytes;
    group.push_back(std::move(next.batch));
    queue.pop_front();
  }
  queued_rows -= rows;
  queued_bytes -= bytes;
}

void writer::implementation::commit(std::vector<write_batch>& group) {
  const auto start = steady_clock::now();
  last_start = start;
  auto report = committer.commit(group);
  const auto time = std::chrono::duration_cast<microseconds>(steady_clock::now() - start);
  if (report.error) {
    const auto why = *report.error;
    {
      // From here on nothing is accepted, so that the reports below are the last ones.
      const std::lock_guard lock(mutex);
      failure = why;
    }
    on_commit(std::move(report));
    fail(why);
    return;
  }
  for (size_t i = 0; i < group.size(); ++i)
    if (!report.tickets[i].error)
      note_work(group[i]);
  count_commit(time, group.size());
  on_commit(std::move(report));
  auto& environment = *target->environment();
  environment.gate().end_overdue();
  if (++commits_since_check == commits_between_reader_checks) {
    commits_since_check = 0;
    environment.clear_stale_readers();
  }
}

void writer::implementation::note_work(const write_batch& batch) {
  for (const auto run : batch.erased_runs) {
    redactor.forget(run);
    eraser.add(run);
  }
  for (const auto run : batch.redacted_runs)
    redactor.add(run);
}

void writer::implementation::count_commit(microseconds time, size_t batches) {
  const std::lock_guard lock(mutex);
  counters.commits += 1;
  counters.batches += batches;
  counters.rows += committer.rows();
  counters.bytes += committer.bytes();
  counters.total_commit_time += time;
  counters.longest_commit = std::max(counters.longest_commit, time);
  counters.commit_time_buckets[bucket_of(time)] += 1;
}

void writer::implementation::erase_step() {
  if ((eraser.idle() && redactor.idle()) || target->write_fault())
    return;
  const auto done = eraser.idle() ? redactor.step() : eraser.step();
  if (!done)
    fail(done.error());
}

void writer::implementation::fail(const fault& why) {
  commit_report report;
  report.error = why;
  {
    const std::lock_guard lock(mutex);
    failure = why;
    for (const auto& waiting : queue)
      report.tickets.push_back({waiting.batch.ticket, why, {}, {}, {}});
    queue.clear();
    queued_rows = 0;
    queued_bytes = 0;
  }
  if (!report.tickets.empty())
    on_commit(std::move(report));
}

// -- the public side
// ------------------------------------------------------------------------------------------

result<std::unique_ptr<writer>> writer::start(std::shared_ptr<store> where, const writer_options& options,
                                              commit_callback on_commit) {
  auto& environment = *where->environment();
  if (environment.read_only())
    return fault{errc::forbidden, "the store was opened for reading only", where->folder().string(), {}};
  if (auto why = environment.write_fault())
    return *why;
  auto made = std::make_unique<implementation>(std::move(where), options, std::move(on_commit));
  if (!environment.claim_writer())
    return fault{errc::conflict, "the store has a writer already", made->target->folder().string(), {}};
  made->claimed = true;
  if (auto recovered = made->eraser.recover(); !recovered)
    return recovered.error();
  if (auto recovered = made->redactor.recover(); !recovered)
    return recovered.error();
  auto& started = *made;
  auto result = std::make_unique<writer>(std::move(made));
  started.thread = std::thread([&started] { started.run(); });
  return result;
}

result<void> write_once(const std::shared_ptr<store>& where, write_batch batch) {
  const auto& environment = where->environment();
  if (environment->read_only())
    return fault{errc::forbidden, "the store was opened for reading only", where->folder().string(), {}};
  if (row_count(batch) != batch.documents.size())
    return fault{
        errc::invalid_argument, "only documents are written beside a farm", where->folder().string(), {}};
  if (auto valid = validate(batch); !valid)
    return valid;
  detail::committer committer(environment);
  const auto report = committer.commit(std::span(&batch, 1));
  for (const auto& ticket : report.tickets)
    if (ticket.error)
      return *ticket.error;
  if (report.error)
    return *report.error;
  return {};
}

writer::writer(std::unique_ptr<implementation> made) : implementation_(std::move(made)) {}

writer::~writer() { stop(); }

result<void> writer::submit(write_batch&& batch) {
  if (auto valid = validate(batch); !valid)
    return valid;
  auto& self = *implementation_;
  const size_t rows = row_count(batch);
  const size_t bytes = byte_count(batch);
  bool wake = false;
  {
    const std::lock_guard lock(self.mutex);
    if (self.failure)
      return *self.failure;
    if (self.stopping)
      return fault{errc::shutting_down, "the store is closing", {}, {}};
    const bool fits = self.queued_rows + rows <= self.options.max_queued_rows
                      && self.queued_bytes + bytes <= self.options.max_queued_bytes;
    if (!fits && !self.queue.empty())
      return fault{errc::busy, "too many writes wait for the disk", {}, "try again after the next commit"};
    const bool was_empty = self.queue.empty();
    const bool was_below = self.queued_rows < self.options.max_commit_rows;
    self.queue.push_back({std::move(batch), rows, bytes});
    self.queued_rows += rows;
    self.queued_bytes += bytes;
    // The thread waits for the first batch or for a full commit; other batches need not wake it.
    wake = was_empty || (was_below && self.queued_rows >= self.options.max_commit_rows);
  }
  if (wake)
    self.arrived.notify_one();
  return {};
}

void writer::stop(bool finish_erasing) {
  auto& self = *implementation_;
  {
    const std::lock_guard lock(self.mutex);
    self.stopping = true;
    self.finish_erasing = self.finish_erasing || finish_erasing;
  }
  self.arrived.notify_one();
  // Two callers may stop at once; both return when the thread has ended.
  const std::lock_guard lock(self.stop_mutex);
  if (self.thread.joinable())
    self.thread.join();
}

writer_statistics writer::statistics() const {
  const auto& self = *implementation_;
  const std::lock_guard lock(self.mutex);
  auto counters = self.counters;
  counters.queued_rows = self.queued_rows;
  counters.queued_bytes = self.queued_bytes;
  return counters;
}

} // namespace assay::storage
