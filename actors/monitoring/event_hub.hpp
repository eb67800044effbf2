#pragma once

#include "actors/clocks.hpp"
#include "protocol/actors.hpp"

#include <caf/typed_event_based_actor.hpp>

#include <chrono>
#include <map>
#include <set>
#include <unordered_map>
#include <vector>

namespace assay {

struct event_hub_config {
  /// The least time between two progress frames of one run to one subscriber.
  std::chrono::milliseconds progress_interval{500};
  /// Progress goes out in turns this far apart, to so many subscribers each that all have had theirs within
  /// the interval: a thousand frames at once would delay each other and everything else.
  std::chrono::milliseconds progress_turn{25};
  /// Subscribers over all runs; more are refused with errc::busy.
  size_t max_subscribers = 20'000;
  wall_clock wall = wall_now;
};

/// @relates event_hub
struct event_hub_state {
  static inline const char* name = "event-hub";

  struct listener {
    event_sink_actor sink;
    uint64_t shown = 0; ///< The number of the newest progress that it has been sent.
    std::chrono::steady_clock::time_point shown_at{};
  };

  struct channel {
    std::vector<listener> listeners;
    uint64_t last_seq = 0;            ///< Of what was published since somebody listens.
    bool ended = false;               ///< The newest event of the run's life was its end.
    std::optional<run_record> newest; ///< Progress; a newer one replaces it.
    uint64_t progress = 0;            ///< The number of `newest`.
    size_t next = 0;                  ///< Whose turn it is.
  };

  std::unordered_map<run_id, channel> channels;
  std::set<caf::actor_addr> watched; ///< Living sinks, however often they come and go.
  size_t subscribers = 0;
  uint64_t frames_sent = 0;
  bool ticking = false;
};

/// Hands durable events to the subscribers of their run. Each event is serialised once. Progress is
/// conflated, and none follows the end of a run. A sink that dies is forgotten. Of a run that nobody listens
/// to the hub knows nothing: how far its past reaches, the store says.
event_hub_actor::behavior_type event_hub(event_hub_actor::stateful_pointer<event_hub_state> self,
                                         event_hub_config config);

} // namespace assay
