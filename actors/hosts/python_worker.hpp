#pragma once

#include "core/values/errors.hpp"
#include "core/values/shared_text.hpp"

#include <compare>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace assay {

/// What a Python worker serves. Jobs share a worker only when these are equal, so that the code of one task
/// never runs where another's has left something behind.
struct python_worker_purpose {
  std::string folder; ///< Absolute; what the worker may read besides the system. Empty: nothing.
  bool uploaded = false;

  auto operator<=>(const python_worker_purpose&) const = default;
};

/// What a worker answered to a job.
struct python_reply {
  uint64_t id = 0;            ///< As sent.
  shared_text value;          ///< JSON text.
  std::optional<fault> error; ///< In place of the value.
};

/// What is heard of a worker, on an I/O thread; nothing follows on_end.
struct python_worker_handlers {
  std::function<void(python_reply&&)> on_reply;
  /// It has ended or was never started. @param how one sentence for people.
  std::function<void(std::string how)> on_end;
};

/// One Python process that does one job at a time. Ends when it is destroyed. Functions do not block.
class python_worker_process {
public:
  virtual ~python_worker_process() = default;

  /// Sends a job. @param arguments a JSON object.
  virtual void send(uint64_t id, std::string_view operation, const shared_text& arguments) = 0;
  /// Ends it with everything that it has started; on_end still comes. Idempotent.
  virtual void kill() = 0;
};

/// Starts a worker. Fails with errc::unsupported, and how to mend it, where no Python may run for @p purpose.
using python_worker_factory = std::function<result<std::unique_ptr<python_worker_process>>(
    const python_worker_purpose& purpose, python_worker_handlers handlers)>;

} // namespace assay
