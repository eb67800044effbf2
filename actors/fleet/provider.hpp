#pragma once

#include "actors/clocks.hpp"
#include "actors/fleet/model_directory.hpp"
#include "actors/fleet/transport.hpp"
#include "actors/supervision/children.hpp"
#include "actors/supervision/restart_policy.hpp"
#include "core/codecs/token_estimate.hpp"
#include "core/control/aimd.hpp"
#include "core/control/breaker.hpp"
#include "core/control/deadline_wheel.hpp"
#include "core/control/fair_queue.hpp"
#include "core/control/key_choice.hpp"
#include "core/control/retry_budget.hpp"
#include "core/control/retry_rules.hpp"
#include "core/control/token_calibration.hpp"
#include "core/control/usage_bound.hpp"
#include "protocol/actors.hpp"

#include <caf/typed_event_based_actor.hpp>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <unordered_map>
#include <unordered_set>
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
  /// The profile as it is by now: its keys may have changed. Empty: they never do.
  std::function<std::optional<provider_profile>(const provider_id&)> find_profile;
  /// Calls that may wait in one model's line.
  size_t queue_capacity = 200'000;
  /// What the predecessor sent as provider_memory; empty when there was none.
  std::string memory;
  /// There was a predecessor in this process: with or without memory, its last calls are unknown.
  bool restarted = false;
  restart_limits limits;
  std::chrono::milliseconds tick_interval{20};
  /// A key that is out is tried again with one call after this, and sooner when all keys are out.
  milliseconds key_probe_interval{300'000};
  milliseconds last_key_probe_interval{5'000};
  /// Credit comes back when somebody pays, so tries of a key without it that fail are followed by pauses that
  /// double: up to this, or up to key_probe_interval when all keys are out.
  milliseconds longest_key_probe_interval{3'600'000};
  /// How long the sockets' own deadline may be overdue before the call is taken back.
  milliseconds overdue{15'000};
  /// A provider without traffic for so long is asked for its list of models, which costs nothing; 0 never.
  milliseconds health_check_interval{0};
  control::usage_belief belief; ///< How far the provider's counts of tokens are believed.
  wall_clock wall = wall_now;
  uint64_t seed = 0;
};

/// @relates provider
struct provider_state {
  static inline const char* name = "provider";

  using steady_time = control::steady_time;

  enum class call_phase : uint8_t { waiting, deferred, acquiring, exchanging };

  /// What a key has done in one day, UTC.
  struct key_use {
    wall_time day{};
    uint64_t requests = 0;
    uint64_t tokens = 0;
    money cost;
  };

  /// One key of the pool: its sockets, and whether it may be used.
  struct key_state {
    key_state(provider_key which, const restart_limits& limits)
        : key(std::move(which)), wire_policy(limits) {}

    provider_key key;
    connection_actor wire; ///< Invalid between restarts.
    std::optional<steady_time> wire_restart_at;
    restart_policy wire_policy;
    /// Why the key is out: the provider has rejected it, or it has no credit left. Now and then one call
    /// tries it again.
    std::optional<fault> out;
    steady_time out_since{};
    bool probing = false;
    uint32_t failed_probes = 0; ///< Tries since it is out.
    key_use used;
    /// The configuration has it no more: it takes no calls, and goes when those that it has are over.
    bool retired = false;
  };

  /// What one key may do for one model.
  struct gate_state {
    /// @param learnt What the predecessor's window was; nothing when that is 0.
    gate_state(const control::aimd_options& options, const control::aimd_state& learnt,
               const restart_limits& limits)
        : window(options, learnt), configured_cap(options.cap), limiter_policy(limits) {}

    control::aimd_limit window;
    uint32_t configured_cap;    ///< The window's own may be lower for a while.
    rate_limiter_actor limiter; ///< Invalid between restarts.
    std::optional<steady_time> limiter_restart_at;
    restart_policy limiter_policy;
    std::string limiter_memory;
    steady_time closed_until{};  ///< After a 429; told again to a new limiter.
    steady_time delayed_until{}; ///< As the limiter has told: before that its next call does not go out.
    std::string delayed_by;      ///< By which limit, in words.
    limits_observed told_limits; ///< By the provider's headers, as far as it has said them.
    uint32_t most_acquiring = 0; ///< Calls that may lie before the limiter while it grants at once.
    uint32_t acquiring = 0;
    uint32_t exchanging = 0;
    bool throttled = false; ///< The limiter has made calls wait.
    bool retired = false;   ///< As its key.

    uint32_t in_use() const noexcept { return acquiring + exchanging; }
  };

  /// Where calls wait that the same keys may serve.
  struct line_state {
    std::string prompt_type;  ///< Empty: the common line.
    std::vector<size_t> keys; ///< That may serve it, by their place in the pool.
    control::fair_queue<call_id> queue;
    uint32_t in_use = 0; ///< Acquiring and exchanging.
    /// The end of the wait that its calls with a deadline have been held against last.
    steady_time looked_until{};
  };

  struct model_state {
    model_profile profile;
    std::vector<std::unique_ptr<line_state>> lines;
    std::vector<gate_state> gates; ///< By key.
    control::breaker breaker;
    control::token_calibration tokens;     ///< What estimates of prompts are corrected by.
    std::optional<double> told_log_factor; ///< Of it, as it stands in the memory.
    uint64_t answered = 0;
    uint64_t retried = 0; ///< Failed tries that were repeated; deferrals are none.
    uint64_t failed = 0;
    uint64_t overcounted = 0; ///< Answers whose counts were not possible.
    std::string last_failure; ///< What the last call failed of, limits aside.

    size_t waiting() const noexcept;
    uint32_t exchanging() const noexcept;
    /// Calls that all gates together may have out.
    uint32_t window() const noexcept;
  };

  /// What a run has pinned of its model: two runs may have pinned a model of one name differently.
  struct pinned_model {
    std::string wire_model;
    std::optional<token_prices> prices;
    const codecs::token_rates* rates = nullptr; ///< What its tokens are estimated by; never null.
  };

  struct lane_state {
    lane where;
    std::shared_ptr<const pinned_model> pinned;
    call_sink_actor sink;
    model_state* model = nullptr;
    uint32_t credit = 0;
    bool available = true; ///< As the sink was told.
    std::string why;       ///< As the sink was told.
    /// Its calls that a connection has; shared with them, because they may outlive the lane.
    std::shared_ptr<uint32_t> on_the_wire = std::make_shared<uint32_t>(0);
    uint32_t told_on_the_wire = 0;
    uint32_t told_at_most = 0; ///< Of its calls, what the windows let onto the wire.
    steady_time wire_told_at{};
    bool movable = false; ///< Some of its waiting calls may be.
  };

  /// A run has a lane for each of the models that it uses here.
  using lane_id = std::pair<run_id, model_id>;

  /// A call from its arrival until its outcome has been sent.
  struct open_call {
    call request;
    run_id run;
    model_state* model = nullptr;
    std::shared_ptr<const pinned_model> pinned;
    line_state* line = nullptr;
    std::shared_ptr<uint32_t> on_the_wire; ///< The count of its lane.
    size_t key = 0;                        ///< Meaningful while acquiring and exchanging.
    call_phase phase = call_phase::waiting;
    control::deadline_wheel<call_id>::handle deadline;
    control::breaker_permit permit;
    steady_time entered{}; ///< Came into its present phase.
    call_timing timing;
    std::optional<uint32_t> prompt_estimate; ///< Before correction; made when it is needed.
    uint32_t reserved = 0;                   ///< Tokens that the limiter holds for it.
    uint16_t attempts = 0;
    uint16_t deferrals = 0;
    milliseconds deferred{0};
    std::optional<uint32_t> max_retries;     ///< The run's own; unset leaves it to the model.
    uint32_t answer_tokens = 0;              ///< Of the estimate, those of the answer.
    std::optional<milliseconds> retry_after; ///< As the provider has asked last.
    bool billed = false;                     ///< One of its tries here may have been paid for.
    uint32_t received = 0;                   ///< Tokens of the pieces that have come, estimated.
    std::optional<token_usage> counted;      ///< By the provider, with the last piece.
    bool streamed = false;    ///< Pieces of an answer have gone out: no other answer may follow.
    bool overcounted = false; ///< The provider's count was not possible, and was lowered.
    bool withdrawn = false;   ///< Not tried again; `deadline` is when it is given up, when there is a grace.
  };

  /// What is asked of a provider while nobody uses it.
  struct health_state {
    steady_time last_traffic{};
    std::optional<std::pair<call_id, size_t>> open; ///< The question that is out, and its key.
    std::optional<bool> healthy;                    ///< By the last answer.
    bool unsupported = false;                       ///< There is no list of models.
    uint64_t probes = 0;
    size_t next_key = 0;
  };

  ~provider_state();

  provider_id id;
  std::vector<key_state> keys;
  std::map<model_id, std::unique_ptr<model_state>> models;
  std::map<lane_id, lane_state> lanes;
  std::set<caf::actor_addr> watched_sinks; ///< One sink may stand behind many lanes.
  std::unordered_map<call_id, open_call> calls;
  std::unordered_set<call_id> impatient; ///< Calls with a deadline for being sent; some may have ended.
  /// Deadlines of exchanges and ends of deferrals.
  std::optional<control::deadline_wheel<call_id>> wheel;
  control::retry_budget budget;
  control::retry_rules retries; ///< In force: the configuration's, and what `tuning` says.
  provider_tuning tuning;
  health_state health;
  provider_supervisor_actor parent;
  children family;
  dice chance{0};
  bool counts_tokens = true; ///< The provider has a call for it.
  bool ticking = false;
  bool memory_changed = false;
  steady_time memory_sent{};
  std::vector<control::key_load> loads; ///< Scratch of the choice of keys.
};

/// Owns the waiting lines of one configured provider, fair between tenants and runs, and takes calls from
/// them as fast as the breaker of each model and the adaptive window and rate limiter of each key allow.
/// Retries by rule, with another key where that helps. Every call that enters leaves as exactly one outcome.
/// A count of tokens that the provider cannot give, or not now, is answered with an estimate.
/// When it falls with calls, its last word says which of them may have been paid for.
provider_actor::behavior_type provider(provider_actor::stateful_pointer<provider_state> self,
                                       provider_config config, provider_supervisor_actor parent);

} // namespace assay
