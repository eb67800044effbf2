#pragma once

#include "actors/hosts/python_worker.hpp"
#include "io/sandbox.hpp"
#include "protocol/messages/hosts.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace assay {

namespace io {
class io_runtime;
}

/// How Python workers are started on this machine.
struct python_process_options {
  std::string interpreter{"/usr/bin/python3"}; ///< Absolute.
  std::string package_dir;                     ///< Absolute; holds the folder assay_worker.
  uint64_t memory_bytes = uint64_t{1} << 30;   ///< Address space of one worker.
  /// Where there may be a sandbox: it is tried once, and used when it holds what runs in it.
  std::optional<io::sandbox_options> sandbox;
  std::string no_sandbox; ///< Why there is none, when that is known already.
  milliseconds longest_job{600'000};
  /// Without a sandbox: run the Python of tasks that lie in one of these folders (absolute), and no other.
  bool allow_unsandboxed = false;
  std::vector<std::string> roots;
};

/// What is known of the sandbox.
enum class sandbox_knowledge : uint8_t { being_tried = 1, holds, missing };

/// @returns errc::unsupported, with how to mend it, when Python for @p purpose must not run here; errc::busy
/// while the sandbox is being tried.
result<void> check_python_allowed(const python_process_options& options, sandbox_knowledge sandbox,
                                  const python_worker_purpose& purpose);

/// Starts workers as processes. Copies share what they know. All functions may be called from any thread.
class python_processes {
public:
  /// The pipes are served by @p runtime, which must outlive the workers.
  python_processes(io::io_runtime& runtime, python_process_options options);

  /// @returns a worker, or what check_python_allowed says.
  result<std::unique_ptr<python_worker_process>> operator()(const python_worker_purpose& purpose,
                                                            python_worker_handlers handlers) const;

  /// Begins to try the sandbox, once; whoever asks for something below does so too.
  void look() const;

  /// Whether Python can run here, and which limits hold for it; without counts.
  host_state machine() const;

private:
  struct shared;
  std::shared_ptr<shared> shared_;
};

} // namespace assay
