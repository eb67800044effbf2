#pragma once

#include "actors/hosts/python_worker.hpp"
#include "actors/supervision/children.hpp"
#include "actors/supervision/restart_policy.hpp"
#include "protocol/actors.hpp"

#include <caf/typed_event_based_actor.hpp>

#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace assay {

struct python_host_config {
  python_worker_factory start_worker; ///< Empty: no Python here.
  /// What is known of this machine: available, reason and limits of the host's state. Must not block.
  std::function<host_state()> machine;
  size_t workers = 2; ///< Processes at a time.
  /// Jobs that may wait, and the bytes of their arguments; more are answered as errc::busy.
  size_t most_waiting = 1'000;
  size_t most_waiting_bytes = size_t{512} << 20;
  /// A job's own deadline counts, but no job has more than this.
  std::chrono::milliseconds longest_job{600'000};
  std::chrono::milliseconds start_time{30'000}; ///< For a worker's first answer.
  std::chrono::milliseconds idle{60'000};       ///< A worker without work ends after this.
  /// Work for workers that are there goes before that for which one would have to be replaced, for so long.
  std::chrono::milliseconds patience{1'000};
  std::chrono::milliseconds tick_interval{100};
  /// Of the workers of one folder; beyond it the folder's jobs fail, and new ones are refused for as long as
  /// the period.
  restart_limits limits;
  uint64_t seed = 0;
};

/// @relates python_host
struct python_host_state {
  static inline const char* name = "python-host";

  struct open_job {
    python_job job;
    python_sink_actor sink;
    uint32_t crashes = 0; ///< Workers that ended while they had it.
    uint64_t worker = 0;  ///< Who has it; 0 while it waits.
    std::chrono::steady_clock::time_point since{};
  };

  enum class phase : uint8_t { starting, idle, working, ending };

  struct worker {
    std::unique_ptr<python_worker_process> process;
    python_worker_purpose purpose;
    phase now = phase::starting;
    uint64_t job = 0; ///< 0: none.
    /// Of the first answer or of the job; since when it is idle.
    std::chrono::steady_clock::time_point until{};
  };

  /// How the workers of one purpose do.
  struct health {
    restart_policy policy;
    std::chrono::steady_clock::time_point start_after{};
    std::optional<std::chrono::steady_clock::time_point> resting_until; ///< They crash too often.
    std::chrono::steady_clock::time_point last_crash{};
    std::string how; ///< The last one ended.
  };

  std::map<uint64_t, worker> workers; ///< By a number that is never used again.
  std::map<uint64_t, open_job> jobs;  ///< By a number of ours; numbers of sinks may be equal.
  std::deque<uint64_t> line;
  size_t waiting_bytes = 0;
  std::map<python_worker_purpose, health> troubles; ///< Of those only that have crashed lately.
  std::map<caf::actor_addr, size_t> watched_sinks;  ///< With how many open jobs.
  dice chance{0};
  uint64_t last_number = 0;
  std::string last_failure; ///< Why the last worker could not start; empty once one has.
  uint64_t taken = 0;
  uint64_t failed = 0;
  uint64_t crashes = 0;
  bool ticking = false;
};

/// Keeps a pool of Python workers, each bound to a folder, started when there is work for it and ended when
/// there is none. A job whose worker crashes goes back to the front of the line once; when it happens again
/// the job fails as errc::scorer_failed with how the worker ended. A job that takes longer than its deadline
/// is answered as errc::deadline_exceeded and its worker killed; others do not notice. Jobs of sinks that end
/// are withdrawn. A withdrawal counts for the jobs of its sender, or for all with these numbers when it has
/// none.
python_host_actor::behavior_type python_host(python_host_actor::stateful_pointer<python_host_state> self,
                                             python_host_config config);

} // namespace assay
