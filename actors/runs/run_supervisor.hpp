#pragma once

#include "actors/clocks.hpp"
#include "actors/runs/evaluation.hpp"
#include "actors/supervision/children.hpp"
#include "actors/supervision/restart_policy.hpp"
#include "actors/supervision/worker_pool.hpp"
#include "protocol/actors.hpp"

#include <caf/typed_event_based_actor.hpp>

#include <functional>
#include <map>
#include <memory>
#include <unordered_map>

namespace assay {

/// Turns a request into a pinned run, or says why it cannot. Reads datasets, so it runs on a worker.
/// The answer's record has no id and no owner yet.
using admission = std::function<result<run_submitted>(const run_request&)>;

/// What the run supervisor reads from the store.
struct run_reader {
  std::function<result<std::vector<run_record>>()> open_runs;
  std::function<result<std::optional<run_record>>(run_id)> find_run;
  /// The run of an owner's idempotency key.
  std::function<result<std::optional<run_id>>(const std::string& key)> find_idempotent;
};

struct run_supervisor_config {
  admission admit;
  run_reader read;
  /// What every evaluation gets; record and handles are filled in.
  evaluation_config child;
  std::shared_ptr<executor> workers;
  journal_actor journal;
  event_hub_actor event_hub;
  call_target_actor router;
  uint32_t max_running = 8;
  uint32_t max_queued = 10'000;
  restart_limits limits;
  wall_clock wall = wall_now;
  uint64_t seed = 0;
};

/// @relates run_supervisor
struct run_supervisor_state {
  static inline const char* name = "run-supervisor";

  struct entry {
    run_record record;
    evaluation_actor child; ///< Invalid while queued or between restarts.
    restart_policy policy;
    std::optional<std::chrono::steady_clock::time_point> restart_at;
  };

  struct pending_submission {
    submit_run wish;
    caf::typed_response_promise<run_submitted> promise;
  };

  std::map<run_id, entry> runs; ///< Those that are not final.
  std::unordered_map<uint64_t, pending_submission> submissions;
  uint64_t next_ticket = 1;
  children family;
  dice chance{0};
  bool recovered = false; ///< Until then nothing is admitted.
  bool draining = false;
};

/// Admits runs, makes them durable, starts them by priority when there is room and their dependencies are
/// done, and keeps one child per run. After a start of the farm it goes on with every run that is not final.
run_supervisor_actor::behavior_type
run_supervisor(run_supervisor_actor::stateful_pointer<run_supervisor_state> self,
               run_supervisor_config config);

} // namespace assay
