#pragma once

#include "actors/clocks.hpp"
#include "actors/supervision/children.hpp"
#include "core/control/route_choice.hpp"
#include "protocol/actors.hpp"

#include <caf/typed_event_based_actor.hpp>

#include <map>
#include <optional>
#include <set>
#include <unordered_map>
#include <utility>
#include <vector>

namespace assay {

struct model_router_config {
  provider_supervisor_actor providers;
  /// How long calls wait for a provider that is down before they fail or go elsewhere.
  std::chrono::milliseconds provider_patience{30'000};
  std::chrono::milliseconds tick_interval{500};
  wall_clock wall = wall_now;
  uint64_t seed = 0;
};

/// @relates model_router
struct model_router_state {
  static inline const char* name = "model-router";

  using target_id = std::pair<provider_id, model_id>;

  /// What the router has seen of one model at one provider, over all runs. Averages forget: each call counts
  /// a twentieth of what all calls before it do.
  struct target_record {
    uint32_t in_use = 0;           ///< Calls that are out there.
    std::optional<double> latency; ///< Seconds.
    std::optional<double> success_rate;
    std::optional<double> cost_per_call; ///< Dollars.
  };

  /// One model of a lane.
  struct lane_target {
    route_model model;
    target_record* seen = nullptr;
    uint32_t credit = 0; ///< Said by the provider.
    bool available = true;
    std::string why; ///< Said by the provider: why its calls do not go out.
  };

  struct open_lane_state {
    lane where;
    call_sink_actor sink;
    std::vector<lane_target> targets; ///< At least one.
    uint64_t turn = 0;
    uint32_t open = 0;
    // Said to the sink; repeated when the lane is announced again.
    uint32_t credit = 0;
    std::string why;
  };

  /// A call that a provider has. Kept whole, because it is sent again when the provider falls.
  struct open_call {
    run_id run;
    call request;
    size_t target = 0;      ///< Of its lane.
    uint64_t failed_at = 0; ///< Bits of the targets that have failed it.
    bool withdrawn = false; ///< Ends when its provider falls instead of being sent again.
    bool streaming = false; ///< Pieces of its answer have gone to the sink: no other answer may follow.
  };

  struct provider_state {
    call_target_actor target; ///< Invalid while the provider is down.
    caf::actor_addr address;
    std::chrono::steady_clock::time_point down_since{};
    /// What it had handed to a connection when it fell, if it came to say so. Sorted.
    std::optional<std::vector<call_id>> on_the_wire;
  };

  std::map<provider_id, provider_state> providers;
  std::map<target_id, target_record> records;
  std::unordered_map<run_id, open_lane_state> lanes;
  std::set<caf::actor_addr> watched_sinks; ///< One sink may stand behind many lanes.
  std::unordered_map<call_id, open_call> calls;
  std::vector<control::route_target> candidates; ///< Scratch of the choice.
  uint64_t moved = 0;                            ///< Calls that went on to another target.
  dice chance{0};
  bool ticking = false;
};

/// Finds a target for each call among the models of its lane, by the lane's strategy, and keeps every call
/// that is out: it is sent again when its provider falls, and goes on to the lane's next model when one fails
/// it for a reason that another may not have. A lane with one model waits for that one.
model_router_actor::behavior_type model_router(model_router_actor::stateful_pointer<model_router_state> self,
                                               model_router_config config);

} // namespace assay
