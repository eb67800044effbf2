#pragma once

#include "actors/experiments/ab_test_supervisor.hpp"
#include "actors/experiments/experiment_supervisor.hpp"
#include "actors/fleet/batch_desk.hpp"
#include "actors/fleet/model_router.hpp"
#include "actors/fleet/provider_supervisor.hpp"
#include "actors/fleet/response_cache.hpp"
#include "actors/gateway/gateway.hpp"
#include "actors/hosts/python_host.hpp"
#include "actors/hosts/sandbox.hpp"
#include "actors/monitoring/event_hub.hpp"
#include "actors/monitoring/monitor.hpp"
#include "actors/runs/run_supervisor.hpp"
#include "actors/schedules/schedule_supervisor.hpp"
#include "actors/supervision/budget_keeper.hpp"
#include "actors/supervision/children.hpp"
#include "actors/supervision/journal.hpp"
#include "actors/supervision/restart_policy.hpp"
#include "protocol/actors.hpp"

#include <caf/typed_event_based_actor.hpp>

#include <array>

namespace assay {

/// The configuration of every child; handles of siblings are filled in at each start.
struct root_supervisor_config {
  event_hub_config event_hub;
  journal_config journal;
  monitor_config monitor;
  budget_keeper_config budgets;
  provider_supervisor_config providers;
  model_router_config router;
  batch_desk_config batches;
  response_cache_config cache;
  sandbox_config sandbox;
  python_host_config python;
  run_supervisor_config runs;
  ab_test_supervisor_config ab_tests;
  experiment_supervisor_config experiments;
  schedule_supervisor_config schedules;
  gateway_config gateway;
  restart_limits limits;
  uint64_t seed = 0;
  /// Called when the farm cannot go on, with the reason; the root ends right after.
  std::function<void(const fault&)> on_escalation;
};

/// The children in the order of their start. A child may know only those before it.
enum class farm_part : uint8_t {
  event_hub,
  journal,
  monitor,
  budgets,
  providers,
  router,
  batches,
  cache,
  sandbox,
  python,
  runs,
  ab_tests,
  experiments,
  schedules,
  gateway
};
inline constexpr size_t farm_part_count = 15;

/// @relates root_supervisor
struct root_supervisor_state {
  static inline const char* name = "root-supervisor";

  enum class phase : uint8_t { up, restarting, draining_runs, closing_fleet, flushing, ending };

  farm_handles handles;
  std::array<caf::actor_addr, farm_part_count> addresses;
  children family;
  restart_policy policy;
  dice chance{0};
  phase now = phase::up;
  /// While restarting: the first child to start again, and how many killed ones have not ended yet.
  size_t restart_from = farm_part_count;
  size_t still_ending = 0;
  bool restart_due = false;
  bool restarted = false; ///< Ever since the process began.
  caf::typed_response_promise<farm_stopped> stopped;
  std::chrono::steady_clock::time_point give_up_at{};
};

/// Starts the farm's long-lived actors in order. When one falls, it and those that were started after it are
/// started again (rest for one), since they hold its handle. Stops them in reverse: runs drain, the fleet
/// closes, the journal flushes.
root_supervisor_actor::behavior_type
root_supervisor(root_supervisor_actor::stateful_pointer<root_supervisor_state> self,
                root_supervisor_config config);

} // namespace assay
