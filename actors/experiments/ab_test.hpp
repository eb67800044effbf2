#pragma once

#include "actors/clocks.hpp"
#include "actors/experiments/ab_test_reader.hpp"
#include "actors/supervision/worker_pool.hpp"
#include "core/experiments/ab_record.hpp"
#include "protocol/actors.hpp"

#include <caf/typed_event_based_actor.hpp>

#include <chrono>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>

namespace assay {

struct ab_test_config {
  experiments::ab_record record; ///< As the store has it.
  ab_test_reader read;
  std::shared_ptr<executor> workers; ///< Reads the observations; empty: there are none to read.
  journal_actor journal;
  run_supervisor_actor runs; ///< For tests that run by themselves; may be invalid.
  event_hub_actor event_hub; ///< Hears of what is new, at most once a tick; may be invalid.
  std::chrono::milliseconds tick_interval{1'000};
  size_t max_waiting = 256; ///< Questions that may wait while the observations are read.
  wall_clock wall = wall_now;
};

/// @relates ab_test_keeper
struct ab_test_state {
  static inline const char* name = "ab-test";

  using promise = caf::typed_response_promise<ab_answer>;

  experiments::ab_record record;
  std::optional<experiments::ab_tally> tally;
  bool recalled = false;
  bool ticking = false;
  bool news = false;                                   ///< Durable, and nobody has been told yet.
  std::deque<std::pair<ask_ab_test, promise>> waiting; ///< Until the observations have been read.
  /// By write: who is answered when it is durable, and with what.
  std::map<uint64_t, std::pair<promise, ab_answer>> writing;
  uint64_t next_write = 1;
  bool checking = false;      ///< It is looked whether the wish to run by itself can be met.
  bool submitting = false;    ///< A run is on its way to the run supervisor.
  std::set<uint64_t> reading; ///< Variants whose runs a worker is looking at.
};

/// @returns whether the store can still be read, but takes nothing any more, for @p reason.
inline bool takes_nothing_more(const fault& reason) {
  return reason.code == errc::store_full || reason.code == errc::store_failed;
}

/// Keeps one A/B test that has not ended: its state, its tally, and the time it has. Answers changes when
/// they are durable. A write that fails ends it, and its supervisor starts it again from the store. Ends when
/// the test does.
ab_test_actor::behavior_type ab_test_keeper(ab_test_actor::stateful_pointer<ab_test_state> self,
                                            ab_test_config config, ab_test_supervisor_actor parent);

} // namespace assay
