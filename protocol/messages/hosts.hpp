#pragma once

#include "core/values/sandbox.hpp"
#include "protocol/inspect.hpp"

#include <string>
#include <vector>

namespace assay {

// Values that travel in the messages below.

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, sandbox_limits& x) {
  return f(caf::meta::type_name("sandbox_limits"), x.cpu, x.wall, x.memory_bytes, x.processes, x.file_bytes,
           x.disk_bytes, x.output_bytes);
}

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, sandbox_file& x) {
  return f(caf::meta::type_name("sandbox_file"), x.name, x.content);
}

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, sandbox_job& x) {
  return f(caf::meta::type_name("sandbox_job"), x.id, x.command, x.files, x.input, x.limits);
}

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, sandbox_result& x) {
  auto error = field(x.error);
  return f(caf::meta::type_name("sandbox_result"), x.id, error, x.end, x.exit_code, x.signal, x.out, x.err,
           x.cpu, x.wall, x.peak_memory_bytes);
}

/// What became of jobs, in the order of their ends.
struct sandbox_results {
  std::vector<sandbox_result> results;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, sandbox_results& x) {
  return f(caf::meta::type_name("sandbox_results"), x.results);
}

/// Jobs that nobody waits for any more. Running ones are killed; none of them is answered.
struct withdraw_sandbox_jobs {
  std::vector<uint64_t> ids;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, withdraw_sandbox_jobs& x) {
  return f(caf::meta::type_name("withdraw_sandbox_jobs"), x.ids);
}

/// One piece of work for a Python worker.
struct python_job {
  uint64_t id = 0;       ///< Chosen by who asks; unique among its jobs.
  std::string operation; ///< One of those that the worker's protocol names.
  shared_text arguments; ///< A JSON object.
  /// Absolute; what the worker may read besides the system, such as a task's folder. Empty: nothing.
  std::string folder;
  /// Its Python comes from an upload: it runs in a sandbox or not at all.
  bool uploaded = false;
  milliseconds deadline{60'000}; ///< From its start on a worker.
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, python_job& x) {
  return f(caf::meta::type_name("python_job"), x.id, x.operation, x.arguments, x.folder, x.uploaded,
           x.deadline);
}

struct python_result {
  uint64_t id = 0;
  shared_text value; ///< JSON text.
  /// errc::scorer_failed or errc::template_failed with the traceback for what the task's own code raised;
  /// errc::unsupported where no Python may run.
  std::optional<fault> error;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, python_result& x) {
  auto error = field(x.error);
  return f(caf::meta::type_name("python_result"), x.id, x.value, error);
}

struct python_results {
  std::vector<python_result> results;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, python_results& x) {
  return f(caf::meta::type_name("python_results"), x.results);
}

struct withdraw_python_jobs {
  std::vector<uint64_t> ids;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, withdraw_python_jobs& x) {
  return f(caf::meta::type_name("withdraw_python_jobs"), x.ids);
}

/// What a host can do here, for health checks and `assay doctor`.
struct read_host_state {};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, read_host_state&) {
  return f(caf::meta::type_name("read_host_state"));
}

struct host_state {
  bool available = false;
  std::string reason;              ///< Why not, and how to mend it; empty when it is.
  std::vector<std::string> limits; ///< Which limits are enforced, and by what.
  uint32_t workers = 0;            ///< Processes that may run at once.
  uint32_t busy = 0;
  uint32_t waiting = 0; ///< Jobs in the line.
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, host_state& x) {
  return f(caf::meta::type_name("host_state"), x.available, x.reason, x.limits, x.workers, x.busy, x.waiting);
}

} // namespace assay
