#pragma once

#include "actors/clocks.hpp"
#include "actors/runs/evaluation.hpp"
#include "actors/runs/preparer.hpp"
#include "actors/supervision/children.hpp"
#include "actors/supervision/restart_policy.hpp"
#include "actors/supervision/worker_pool.hpp"
#include "core/values/tenant_rules.hpp"
#include "protocol/actors.hpp"

#include <caf/typed_event_based_actor.hpp>

#include <deque>
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
  /// At most @p limit final runs that ended before.
  std::function<result<std::vector<run_id>>(wall_time finished_before, size_t limit)> find_expired;
};

/// How long finished runs are kept.
struct run_retention {
  std::chrono::days keep{0};            ///< After their end; 0 keeps them for good.
  std::chrono::minutes interval{60};    ///< Between two looks.
  std::chrono::seconds first_after{60}; ///< A farm that has just started has other things to do.
  size_t most_at_once = 100; ///< Runs of one commit; when there are more, the next look comes at once.
};

struct run_supervisor_config {
  admission admit;
  /// Empty: no task is ever prepared.
  preparation_finder find_unprepared;
  python_host_actor python; ///< Prepares tasks and scores answers; invalid when there is none.
  /// Submissions whose tasks are prepared at the same time; more are refused with errc::busy.
  uint32_t max_preparing = 8;
  run_reader read;
  /// What every evaluation gets; record and handles are filled in.
  evaluation_config child;
  std::shared_ptr<executor> workers;
  journal_actor journal;
  event_hub_actor event_hub;
  call_target_actor router;
  /// In front of the router, for runs that use it; invalid when there is none.
  call_target_actor cache;
  /// Where runs whose calls go in batches send them; invalid sends them to the router too.
  call_target_actor batches;
  /// Where answers are scored that evaluations cannot score in place; invalid where there is none.
  sandbox_actor sandbox;
  /// Places of runs that make calls. A tenant that has none gets one beyond them, up to as many again, so
  /// that nobody waits for the end of another's runs.
  uint32_t max_running = 8;
  uint32_t max_queued = 10'000;
  /// How a tenant stands towards the others; empty: all alike, without bounds of their own.
  std::function<tenant_rules(const user_id&)> tenant;
  /// A run that finds no place pauses a running one of its tenant with a lower priority.
  bool preempt = false;
  /// Verbs that may wait for one run's change; more are refused with errc::busy.
  uint32_t max_waiting_verbs = 64;
  run_retention retention;
  restart_limits limits;
  wall_clock wall = wall_now;
  uint64_t seed = 0;
};

/// @relates run_supervisor
struct run_supervisor_state {
  static inline const char* name = "run-supervisor";

  struct waiting_verb {
    run_verb verb = run_verb::pause;
    std::optional<money> max_cost;
    caf::typed_response_promise<run_record> promise;
  };

  struct entry {
    /// What others are shown. Its state is the store's, but for `preparing`, and `queued` after a start.
    run_record record;
    evaluation_actor child; ///< Invalid while queued, paused before the start, or between restarts.
    restart_policy policy;
    std::optional<std::chrono::steady_clock::time_point> restart_at;
    /// The state of a run without child is on its way to the store, or is being read again.
    bool changing = false;
    std::deque<waiting_verb> waiting; ///< Verbs that came while it was changing.
    bool yielding = false;            ///< Its child was asked to make room.
    bool resuming = false;            ///< Its child was asked to go on after that.
  };

  struct pending_submission {
    submit_run wish;
    caf::typed_response_promise<run_submitted> promise;
    bool prepared = false; ///< Its tasks went to a preparer.
    bool told = false;     ///< The preparer has told its end.
  };

  std::map<run_id, entry> runs; ///< Those that are not final, or about to end or to begin again.
  std::unordered_map<uint64_t, pending_submission> submissions;
  std::map<caf::actor_addr, uint64_t> preparers; ///< Tickets of the submissions that they work for.
  uint64_t next_ticket = 1;
  children family;
  dice chance{0};
  /// When to look for runs that are too old; unset while looking, and when they are kept for good.
  std::optional<std::chrono::steady_clock::time_point> clean_at;
  bool recovered = false; ///< Until then nothing is admitted.
  bool draining = false;
};

/// Admits runs, makes them durable, starts them when there is room and their dependencies are done: the
/// tenant first that has the fewest places for its weight, of its runs the one of the highest priority, and
/// keeps one child per run. After a start of the farm it goes on with every run that is not final. Removes
/// finished runs that are older than the configuration wants them kept.
run_supervisor_actor::behavior_type
run_supervisor(run_supervisor_actor::stateful_pointer<run_supervisor_state> self,
               run_supervisor_config config);

} // namespace assay
