#pragma once

#include "actors/clocks.hpp"
#include "actors/supervision/children.hpp"
#include "core/control/deadline_wheel.hpp"
#include "core/values/model.hpp"
#include "protocol/actors.hpp"

#include <caf/typed_event_based_actor.hpp>

#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>

namespace assay {

struct gateway_config {
  call_target_actor router;
  call_target_actor cache; ///< For questions that ask for it.
  /// What a caller means by a name, exactly as an evaluation finds it; fails for models that cannot be asked.
  std::function<result<model_profile>(const std::string&)> find_model;
  /// Questions open at a time, in all and of one tenant; more are refused as errc::rate_limited.
  size_t max_open = 4096;
  size_t max_open_per_tenant = 512;
  /// Share of what a provider takes, against other tenants; empty: all alike.
  std::function<uint32_t(const user_id&)> tenant_weight;
  /// Lanes at a time; idle ones make room.
  size_t max_lanes = 1024;
  /// A lane without questions is closed after this.
  std::chrono::milliseconds idle_lane{60'000};
  std::chrono::milliseconds tick_interval{100};
  wall_clock wall = wall_now;
  uint64_t seed = 0;
};

/// @relates gateway
struct gateway_state {
  static inline const char* name = "gateway";

  /// What questions must have in common to share a lane.
  struct lane_key {
    user_id tenant;
    std::string api_key;
    std::string model; ///< As asked for.
    cache_use cache = cache_use::off;

    auto operator<=>(const lane_key&) const = default;
  };

  struct lane_state {
    lane_key key;
    lane where;
    model_profile model;
    uint32_t credit = 0;         ///< Said by the target.
    uint32_t out = 0;            ///< Calls that the target has.
    std::string why;             ///< Why they do not go out at the moment, said by the target.
    uint32_t on_the_wire = 0;    ///< Of them, said by the target twice a second at most.
    std::deque<call_id> waiting; ///< For credit. Some may have been withdrawn meanwhile.
    std::chrono::steady_clock::time_point idle_since{};

    bool idle() const noexcept { return out == 0 && waiting.empty(); }
  };

  struct open_question {
    run_id run; ///< Of its lane.
    /// Invalid once nobody waits any more: then only its end is waited for.
    answer_sink_actor sink;
    std::optional<call> waiting; ///< Until there is credit.
    control::deadline_wheel<call_id>::handle deadline;
    std::chrono::milliseconds timeout{0};
    bool streaming = false; ///< Pieces of its answer have come.
  };

  std::map<lane_key, run_id> lanes_by_key;
  std::unordered_map<run_id, lane_state> lanes;
  std::unordered_map<call_id, open_question> questions;
  std::map<user_id, size_t> open_by_tenant;
  std::map<caf::actor_addr, size_t> watched_sinks; ///< With how many questions of theirs are open.
  std::optional<control::deadline_wheel<call_id>> wheel;
  dice chance{0};
  uint64_t asked = 0;
  uint64_t refused = 0;
  uint64_t withdrawn = 0;
  bool ticking = false;
};

/// Puts questions to the router, or to the response cache where the caller allows it, and gives the answers
/// back. Questions of one tenant to one model share a lane, which looks like a run to the fleet and is closed
/// when it has been idle for a while. A question that nobody waits for any more is withdrawn, and one whose
/// time is up is answered and withdrawn. When router or cache end, so does the gateway: its open questions
/// fail as errc::actor_lost, and its supervisor starts it again with the new ones.
gateway_actor::behavior_type gateway(gateway_actor::stateful_pointer<gateway_state> self,
                                     gateway_config config);

} // namespace assay
