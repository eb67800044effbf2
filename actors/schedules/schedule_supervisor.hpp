#pragma once

#include "actors/clocks.hpp"
#include "actors/supervision/worker_pool.hpp"
#include "core/schedules/schedule.hpp"
#include "protocol/actors.hpp"
#include "storage/store.hpp"

#include <caf/typed_event_based_actor.hpp>

#include <functional>
#include <map>
#include <memory>
#include <string>

namespace assay {

struct schedule_supervisor_config {
  std::function<schedules_recalled()> recall; ///< Called on a worker; empty: nothing is read back.
  std::shared_ptr<executor> workers;
  journal_actor journal; ///< Filled in by the root at each start, as the next one.
  run_supervisor_actor runs;
  size_t most_schedules = 500;
  size_t most_of_one = 100; ///< Owner.
  std::chrono::milliseconds tick_interval{1'000};
  /// Between two tries to submit a run that the farm has no room for.
  std::chrono::seconds retry_after{30};
  wall_clock wall = wall_now;
};

/// @relates schedule_supervisor
struct schedule_supervisor_state {
  static inline const char* name = "schedules";

  struct entry {
    schedules::schedule value;           ///< As the store has it.
    bool changing = false;               ///< A change is on its way to the store, or a run to its supervisor.
    std::optional<wall_time> not_before; ///< After a try that failed in passing.
  };

  std::map<std::string, entry> schedules;
  bool recalled = false;
  bool ticking = false;
};

/// Reads the schedules that the store has.
std::function<schedules_recalled()> make_schedule_recall(std::shared_ptr<storage::store> store);

/// Submits evaluations at their times. Each time becomes one run, since its name is that run's idempotency
/// key, whatever falls in between. Times that passed while the farm was away become one run together.
schedule_supervisor_actor::behavior_type
schedule_supervisor(schedule_supervisor_actor::stateful_pointer<schedule_supervisor_state> self,
                    schedule_supervisor_config config);

} // namespace assay
