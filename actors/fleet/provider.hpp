#pragma once

#include "actors/clocks.hpp"
#include "actors/fleet/model_directory.hpp"
#include "actors/fleet/transport.hpp"
#include "actors/supervision/children.hpp"
#include "actors/supervision/restart_policy.hpp"
#include "core/control/aimd.hpp"
#include "core/control/breaker.hpp"
#include "core/control/deadline_wheel.hpp"
#include "core/control/fair_queue.hpp"
#include "core/control/retry_budget.hpp"
#include "core/control/retry_rules.hpp"
#include "protocol/actors.hpp"

#include <caf/typed_event_based_actor.hpp>

#include <map>
#include <memory>
#include <set>
#include <unordered_map>
#include <vector>

namespace assay {

struct provider_config {
  provider_profile profile;
  model_lookup find_model;
  transport_factory open_transport;
  monitor_actor monitor;
  control::retry_rules retries;
  control::retry_budget retry_budget;
  /// The cap is lowered to what model and key allow; a model may say for itself whether it is fixed.
  control::aimd_options in_flight;
  control::breaker_options breaker;
  /// Calls that may wait in one model's line.
  size_t queue_capacity = 200'000;
  /// What the predecessor sent as provider_memory; empty when there was none.
  std::string memory;
  /// There was a predecessor in this process: with or without memory, its last calls are unknown.
  bool restarted = false;
  restart_limits limits;
  std::chrono::milliseconds tick_interval{20};
  /// How long the sockets' own deadline may be overdue before the call is taken back.
  milliseconds overdue{15'000};
  wall_clock wall = wall_now;
  uint64_t seed = 0;
};

/// @relates provider
struct provider_state {
  static inline const char* name = "provider";

  using steady_time = control::steady_time;

  enum class call_phase : uint8_t { waiting, deferred, acquiring, exchanging };

  struct model_state {
    model_profile profile;
    control::fair_queue<call_id> line;
    control::aimd_limit window;
    control::breaker breaker;
    rate_limiter_actor limiter; ///< Invalid between restarts.
    std::optional<steady_time> limiter_restart_at;
    restart_policy limiter_policy;
    std::string limiter_memory;
    std::optional<steady_time> closed_until; ///< By a 429; told again to a new limiter.
    uint32_t acquiring = 0;
    uint32_t exchanging = 0;
    uint64_t answered = 0;
    uint64_t retried = 0; ///< Failed tries that were repeated; deferrals are none.
    uint64_t failed = 0;

    model_state(model_profile known, const provider_config& config, steady_time now,
                control::breaker_record record);
  };

  struct lane_state {
    lane where;
    call_sink_actor sink;
    model_state* model = nullptr;
    uint32_t credit = 0;
  };

  /// A call from its arrival until its outcome has been sent.
  struct open_call {
    call request;
    run_id run;
    model_state* model = nullptr;
    call_phase phase = call_phase::waiting;
    control::deadline_wheel<call_id>::handle deadline;
    control::breaker_permit permit;
    steady_time entered{}; ///< Came into its present phase.
    steady_time slot_at{}; ///< Got its first slot.
    call_timing timing;
    uint16_t attempts = 0;
    uint16_t deferrals = 0;
    milliseconds deferred{0};
    bool withdrawn = false; ///< Not tried again; `deadline` is when it is given up, when there is a grace.
  };

  std::map<model_id, std::unique_ptr<model_state>> models;
  std::unordered_map<run_id, lane_state> lanes;
  std::set<caf::actor_addr> watched_sinks; ///< One sink may stand behind many lanes.
  std::unordered_map<call_id, open_call> calls;
  /// Deadlines of exchanges and ends of deferrals.
  std::optional<control::deadline_wheel<call_id>> wheel;
  control::retry_budget budget;
  connection_actor wire; ///< Invalid between restarts.
  std::optional<steady_time> wire_restart_at;
  restart_policy wire_policy;
  provider_supervisor_actor parent;
  children family;
  dice chance{0};
  bool ticking = false;
  bool memory_changed = false;
  steady_time memory_sent{};
};

/// Owns the waiting line of one configured provider, fair between tenants and runs, and takes calls from it
/// as fast as the adaptive window, the breaker and the rate limiter of each model allow. Retries by rule.
/// Every call that enters leaves as exactly one outcome.
provider_actor::behavior_type provider(provider_actor::stateful_pointer<provider_state> self,
                                       provider_config config, provider_supervisor_actor parent);

} // namespace assay
