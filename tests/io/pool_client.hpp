#pragma once

#include "io/http_pool.hpp"

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

/// A runtime, a pool and the outcomes it delivered.
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
  io_runtime runtime_{"test-io"};
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::multimap<uint64_t, http_outcome> outcomes_;
  size_t deliveries_ = 0;
  std::shared_ptr<http_pool> pool_;
};

} // namespace assay::io::test
