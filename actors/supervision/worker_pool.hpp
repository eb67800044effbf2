#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace assay {

/// Where actors send work that takes longer than a handler may: reading datasets, scanning the store,
/// computing results. A job answers by sending a message.
class executor {
public:
  virtual ~executor() = default;

  /// @returns false when the line is full or the executor stops; the job was not taken then.
  virtual bool submit(std::function<void()> job) = 0;
};

/// A few threads with one bounded line of jobs.
class worker_pool final : public executor {
public:
  /// @param capacity Jobs that may wait.
  worker_pool(size_t threads, size_t capacity);
  ~worker_pool() override;
  worker_pool(const worker_pool&) = delete;
  worker_pool& operator=(const worker_pool&) = delete;

  bool submit(std::function<void()> job) override;

  /// Runs no further jobs, waits for those that run. Idempotent.
  void stop();

private:
  void work();

  const size_t capacity_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> jobs_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

} // namespace assay
