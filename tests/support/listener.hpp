#pragma once

#include "protocol/actors.hpp"

#include <caf/all.hpp>

#include <vector>

namespace assay::test {

/// Stands for a subscriber: keeps what it hears, in order.
struct listener_state {
  std::vector<frame> frames;
};

inline event_sink_actor::behavior_type listener(event_sink_actor::stateful_pointer<listener_state> self) {
  return {[self](const frame_batch& batch) {
    self->state.frames.insert(self->state.frames.end(), batch.frames.begin(), batch.frames.end());
  }};
}

} // namespace assay::test
