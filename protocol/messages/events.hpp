#pragma once

#include "protocol/inspect.hpp"

#include <vector>

namespace assay {

/// Durable events, in order, to be handed to who listens.
struct publish_events {
  std::vector<event> events;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, publish_events& x) {
  return f(caf::meta::type_name("publish_events"), x.events);
}

/// The newest state of a run; replaces an older one that has not gone out yet.
struct publish_progress {
  run_record record;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, publish_progress& x) {
  return f(caf::meta::type_name("publish_progress"), x.record);
}

/// A serialised event, shared by all who get it.
struct frame {
  run_id run;
  uint64_t seq = 0;
  event_type type = event_type::log;
  shared_text text;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, frame& x) {
  return f(caf::meta::type_name("frame"), x.run, x.seq, x.type, x.text);
}

struct frame_batch {
  std::vector<frame> frames;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, frame_batch& x) {
  return f(caf::meta::type_name("frame_batch"), x.frames);
}

/// Answers a subscription: live frames with a higher seq follow; up to it, the store has everything.
struct subscribed {
  run_id run;
  uint64_t last_seq = 0; ///< 0 when nobody listened before: the store may know newer ones.
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, subscribed& x) {
  return f(caf::meta::type_name("subscribed"), x.run, x.last_seq);
}

} // namespace assay
