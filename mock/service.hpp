#pragma once

#include "mock/call_record.hpp"
#include "mock/fault_script.hpp"
#include "mock/limiter.hpp"
#include "mock/reply.hpp"
#include "mock/simulator.hpp"

#include <memory>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <unordered_map>

namespace assay::mock {

/// One HTTP request, as far as the service looks at it.
struct request_view {
  std::string_view method;
  std::string_view target;
  std::string_view authorization;
  std::string_view body;
  bool keep_alive = true;
  bool chunked_allowed = true; ///< HTTP/1.1.
};

/// The provider itself, without sockets: turns a request into a reply. Thread-safe.
class service {
public:
  /// @param book may be null. Fails when the record cannot be opened.
  static result<std::unique_ptr<service>> create(options value, std::shared_ptr<const answer_book> book);

  /// Answers any request. A reply with a call in it must be given back to finished() exactly once.
  reply handle(const request_view& request);
  /// The answer to bytes that are no acceptable HTTP request: 400, 413 or 431; closes the connection.
  reply reject(int status) const;
  /// @param whole the entire reply went to the kernel.
  void finished(const reply& sent, bool whole);

  const options& settings() const noexcept { return options_; }

private:
  service(options value, std::shared_ptr<const answer_book> book, std::unique_ptr<call_record> record);

  reply chat(const request_view& request);
  reply models(const request_view& request, std::string_view path);
  reply control(const request_view& request, std::string_view path, std::string_view query);
  /// @returns why the key must not be used, if so.
  std::optional<api_error> check_key(std::string_view key) const;
  std::string hash_of_key(std::string_view key);

  const options options_;
  limiter limiter_;
  fault_script faults_;
  simulator simulator_;
  std::unique_ptr<call_record> record_;
  std::shared_mutex key_mutex_;
  std::unordered_map<uint64_t, std::string> key_hashes_; ///< By a quick hash, so that no key is kept.
};

} // namespace assay::mock
