#pragma once

#include "actors/clocks.hpp"
#include "actors/supervision/children.hpp"
#include "core/control/purse.hpp"
#include "core/control/route_changes.hpp"
#include "core/control/route_choice.hpp"
#include "protocol/actors.hpp"

#include <caf/typed_event_based_actor.hpp>

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
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
  /// Leases the money that calls cost. Without it none is held back.
  budget_keeper_actor budgets = {};
  /// The longest answer that a model can give, in tokens; 0 when unknown. Empty: of no model it is known.
  std::function<uint32_t(const model_id&)> longest_answer = {};
  /// Taken for models of which it is not known, by calls that name no max_tokens.
  uint32_t assumed_answer = 8'192;
  /// How often one call may be charged at most: tries that may have been billed, and the last one.
  uint32_t charged_tries = 2;
  /// Calls that wait for their budget for less are no news.
  std::chrono::milliseconds untold_wait{1'000};
  std::vector<control::named_route> routes{}; ///< As configured, those of models with fallbacks too.
  journal_actor journal{};                    ///< Without one, changes of routes last as long as the router.
  /// What the store kept of changes of routes: the document `router.routes` of `settings`. Asked at the
  /// start.
  std::function<std::optional<std::string>()> recall_changes{};
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
    std::string why;             ///< Said by the provider: why its calls do not go out.
    uint32_t on_the_wire = 0;    ///< Said by the provider.
    uint32_t wire_at_most = 0;   ///< Said by the provider.
    bool pays = false;           ///< It has a lane in the purse.
    uint32_t longest_answer = 0; ///< Tokens; taken for calls that name no max_tokens.
    /// Its own budget is spent: other targets get the calls until then.
    std::optional<wall_time> spent_until{};
    std::string spent_why{};
  };

  struct open_lane_state {
    lane where;
    call_sink_actor sink;
    std::vector<lane_target> targets;                   ///< At least one. Their weights are those in force.
    route_strategy strategy = route_strategy::in_order; ///< In force; `where` has the one that was pinned.
    uint64_t turn = 0;
    uint32_t open = 0;
    uint32_t held = 0; ///< Of the open ones: they wait here for money.
    std::optional<std::chrono::steady_clock::time_point> held_since;
    bool waits_for_budget = false; ///< As told.
    // Said to the sink; repeated when the lane is announced again.
    uint32_t credit = 0;
    std::string why;
    uint32_t on_the_wire = 0;
    uint32_t wire_at_most = 0;
  };

  /// A call that a provider has. Kept whole, because it is sent again when the provider falls.
  struct open_call {
    run_id run;
    call request;
    size_t target = 0;      ///< Of its lane.
    uint64_t failed_at = 0; ///< Bits of the targets that have failed it.
    bool withdrawn = false; ///< Ends when its provider falls instead of being sent again.
    bool streaming = false; ///< Pieces of its answer have gone to the sink: no other answer may follow.
    bool held = false;      ///< Waits for money: no provider has it.
    uint32_t charged = 0;   ///< Of its tries that may have been billed, those that are settled already.
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
  control::route_changes changes;                ///< Made at run time, over all runs.
  bool changing = false;                         ///< A change is on its way to the store.
  dice chance{0};
  std::optional<control::purse> purse; ///< Nothing when no budgets are kept.
  bool ticking = false;
};

/// Finds a target for each call among the models of its lane, by the lane's strategy, and keeps every call
/// that is out: it is sent again when its provider falls, and goes on to the lane's next model when one fails
/// it for a reason that another may not have, or when that one's own budget is spent. A lane with one model
/// waits for that one. A call goes only when
/// the most that it can cost is reserved from a lease of the budget keeper; until then it waits here, within
/// the credit of its lane. Strategies and weights may be changed while it runs, durably.
model_router_actor::behavior_type model_router(model_router_actor::stateful_pointer<model_router_state> self,
                                               model_router_config config);

} // namespace assay
