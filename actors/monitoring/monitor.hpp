#pragma once

#include "core/stats/latency_histogram.hpp"
#include "protocol/actors.hpp"

#include <caf/typed_event_based_actor.hpp>

#include <map>

namespace assay {

/// @relates monitor
struct monitor_state {
  static inline const char* name = "monitor";

  struct model_counters {
    model_statistics totals; ///< Without the latencies, which are computed when asked for.
    stats::latency_histogram latency;
  };

  std::map<model_id, model_counters> models;
};

/// Counts calls, failures by class, tokens, cost and latency per model. Memory is bounded by the number of
/// models.
monitor_actor::behavior_type monitor(monitor_actor::stateful_pointer<monitor_state> self);

} // namespace assay
