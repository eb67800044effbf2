#pragma once

#include "actors/clocks.hpp"
#include "core/control/limit_set.hpp"
#include "protocol/actors.hpp"

#include <caf/typed_event_based_actor.hpp>

#include <deque>
#include <optional>
#include <unordered_map>

namespace assay {

struct rate_limiter_config {
  provider_id provider; ///< For the gauges.
  model_id model;
  uint32_t key = 0;     ///< The key's place in the provider's pool.
  std::string key_name; ///< For the gauges.
  rate_limits limits;
  /// What the predecessor sent as limiter_memory; empty when there was none.
  std::string memory;
  /// Something may have been sent with this key before: without memory, start with empty buckets.
  bool start_empty = false;
  /// Least time between two reports of what a successor must know.
  std::chrono::milliseconds memory_interval{1'000};
  wall_clock wall = wall_now;
};

/// @relates rate_limiter
struct rate_limiter_state {
  static inline const char* name = "rate-limiter";

  std::optional<control::limit_set> limits;
  /// Who waits, first come first served; the provider bounds how many ask.
  std::deque<slot_request> waiting;
  std::optional<std::chrono::steady_clock::time_point> wake_at; ///< For who waits.
  std::chrono::steady_clock::time_point remembered_at{};
  std::optional<std::chrono::steady_clock::time_point> remember_at; ///< When a report was put off to.
  std::chrono::steady_clock::time_point told_until{}; ///< Of the wait that the owner was told last.
  bool changed = false;
};

/// Grants slots of one (key, model): requests per second and minute, tokens per minute, calls in flight.
/// Grants in the order of asking; nobody overtakes.
rate_limiter_actor::behavior_type rate_limiter(rate_limiter_actor::stateful_pointer<rate_limiter_state> self,
                                               rate_limiter_config config, slot_sink_actor owner);

} // namespace assay
