#pragma once

#include "io/http_pool.hpp"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace assay::io::test {

/// @returns a request whose body is not empty unless @p body is.
http_request make_request(uint64_t id, std::string body = "{}",
                          milliseconds timeout = std::chrono::seconds(60));

/// @returns the same, to be streamed.
http_request make_stream(uint64_t id, std::string body = "{}",
                         milliseconds timeout = std::chrono::seconds(60));

/// A runtime, a pool and what it delivered.
class pool_client {
public:
  /// Options for a server on 127.0.0.1.
  static pool_options options_for(uint16_t port, uint32_t max_connections = 4);

  explicit pool_client(pool_options options);
  explicit pool_client(uint16_t port, uint32_t max_connections = 4)
      : pool_client(options_for(port, max_connections)) {}
  ~pool_client();

  http_pool& pool() { return *pool_; }
  io_runtime& runtime() { return runtime_; }

  /// Gives the pool up.
  void drop_pool() { pool_.reset(); }

  void submit(http_request request);

  /// Submits one request and waits for its outcome.
  http_outcome exchange(http_request request);

  /// Waits (at most a minute) until the request has its outcome. The status of one that never comes is -1.
  http_outcome wait_for(uint64_t id);

  /// Waits (at most a minute) until so many outcomes have come, of whatever request.
  bool wait_for_outcomes(size_t count);

  /// Waits (at most a minute) until so many bytes of a stream have come, or its outcome.
  /// @returns what has come.
  std::string wait_for_bytes(uint64_t id, size_t count);

  std::string streamed(uint64_t id) const;
  std::vector<std::string> pieces(uint64_t id) const;

  /// Whether pieces are granted back as they come; they are at first.
  void grant_at_once(bool wanted) { grant_at_once_ = wanted; }

  void grant(uint64_t id, uint64_t bytes);

  /// Most bytes of one stream that were delivered and not granted back.
  uint64_t most_unread() const;

  /// Pieces that came after their outcome, or were empty; any is a defect.
  size_t bad_pieces() const;

  /// Waits until the pool has closed.
  bool close(milliseconds grace);

  /// Waits until the counters say so.
  template <class F>
  bool wait_until(F&& holds) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::minutes(1);
    while (!holds(pool_->stats())) {
      if (std::chrono::steady_clock::now() > end)
        return false;
      std::this_thread::yield();
    }
    return true;
  }

  size_t outcomes() const;
  size_t deliveries() const;

  /// Most outcomes that any id has got; more than one is a defect.
  size_t most_per_id() const;

private:
  void take(http_turn&& turn);

  io_runtime runtime_{"test-io"};
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::multimap<uint64_t, http_outcome> outcomes_;
  std::map<uint64_t, std::vector<std::string>> pieces_;
  std::map<uint64_t, uint64_t> unread_;
  uint64_t most_unread_ = 0;
  size_t bad_pieces_ = 0;
  std::atomic<bool> grant_at_once_{true};
  size_t deliveries_ = 0;
  std::shared_ptr<http_pool> pool_;
};

} // namespace assay::io::test
