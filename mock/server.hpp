#pragma once

#include "mock/answer_book.hpp"
#include "mock/options.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace assay::mock {

/// A provider that speaks OpenAI's chat completions over HTTP/1.1 and is simulated through and through: for
/// dry runs, tests and benchmarks. Everything it sends says so (`"simulated": true`, `x-assay-simulated:
/// true`).
///
/// - POST /v1/chat/completions (plain and streamed), GET /v1/models, GET /v1/models/{id}, GET /health
/// - GET /mock/calls: totals of what was asked and answered
/// - GET /mock/record?offset=N: the record's lines from there, at most 1 MiB; x-assay-next-offset says where
/// to go on
/// - GET and POST /mock/faults: the fault rules in force; see fault_rule
/// - POST /mock/reset: totals to zero, buckets full, fault rules as at the start
class server {
public:
  /// Listens and serves on threads of its own. Raises the soft limit of open files to the hard one.
  /// Errors: invalid_argument (options), connect_failed (the address cannot be bound), store_failed (the
  /// record cannot be opened), and what the task folders bring.
  /// @param book answers instead of the task folders when not null.
  static result<std::unique_ptr<server>> start(options value,
                                               std::shared_ptr<const answer_book> book = nullptr);

  /// Stops and joins.
  ~server();
  server(const server&) = delete;
  server& operator=(const server&) = delete;

  /// The port it listens on.
  uint16_t port() const noexcept;
  /// `http://127.0.0.1:4711/v1`
  std::string base_url() const;
  /// Prompts that the models know from the task folders.
  size_t known_prompts() const noexcept;
  /// What could not be read of the task folders.
  const std::vector<fault>& task_faults() const noexcept;
  /// Connections open now.
  size_t connections() const;

  /// Asks the threads to end at once. Any thread, any number of times. Calls in flight are dropped, and
  /// recorded so.
  void stop();
  /// Waits for the threads and closes every connection. One thread only.
  void join();

private:
  struct state;
  explicit server(std::unique_ptr<state> s);
  std::unique_ptr<state> state_;
};

} // namespace assay::mock
