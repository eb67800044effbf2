#pragma once

#include "actors/clocks.hpp"
#include "protocol/actors.hpp"

#include <caf/typed_event_based_actor.hpp>

#include <deque>
#include <map>
#include <unordered_map>

namespace assay {

struct model_router_config {
  provider_supervisor_actor providers;
  /// How long calls wait for a provider that is down before they fail.
  std::chrono::milliseconds provider_patience{30'000};
  std::chrono::milliseconds tick_interval{500};
  wall_clock wall = wall_now;
};

/// @relates model_router
struct model_router_state {
  static inline const char* name = "model-router";

  struct open_lane_state {
    lane where;
    call_sink_actor sink;
    provider_id provider;
    uint32_t open = 0;
    /// Said by the provider; repeated to the sink when the lane is announced again.
    uint32_t credit = 0;
  };

  /// A call that a provider has. Kept whole, because it is sent again when the provider falls.
  struct open_call {
    run_id run;
    call request;
    bool withdrawn = false; ///< Ends when its provider falls instead of being sent again.
  };

  struct provider_state {
    call_target_actor target; ///< Invalid while the provider is down.
    caf::actor_addr address;
    std::chrono::steady_clock::time_point down_since{};
  };

  std::map<provider_id, provider_state> providers;
  std::unordered_map<run_id, open_lane_state> lanes;
  std::unordered_map<call_id, open_call> calls;
  bool ticking = false;
};

/// Finds the provider of each lane, passes calls and answers on, and keeps every call that is out, so that it
/// is sent again when its provider falls and fails when none comes back.
/// For now the choice is single: the provider that the run has pinned.
model_router_actor::behavior_type model_router(model_router_actor::stateful_pointer<model_router_state> self,
                                               model_router_config config);

} // namespace assay
