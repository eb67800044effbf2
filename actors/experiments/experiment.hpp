#pragma once

#include "actors/clocks.hpp"
#include "actors/experiments/experiment_reader.hpp"
#include "actors/supervision/worker_pool.hpp"
#include "core/experiments/experiment.hpp"
#include "protocol/actors.hpp"

#include <caf/typed_event_based_actor.hpp>

#include <chrono>
#include <deque>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace assay {

struct experiment_config {
  std::string head; ///< As the store has it.
  std::string id;
  experiment_reader read;
  std::shared_ptr<executor> workers;
  journal_actor journal;
  run_supervisor_actor runs;
  event_hub_actor event_hub; ///< Hears of what is new, at most once in news_interval; may be invalid.
  std::chrono::milliseconds news_interval{1'000};
  std::chrono::milliseconds tick_interval{100}; ///< How often the runs of children are looked at.
  size_t max_waiting = 64;                      ///< Questions that may wait while the children are read.
  wall_clock wall = wall_now;
};

/// @relates experiment_keeper
struct experiment_actor_state {
  static inline const char* name = "experiment";

  using promise = caf::typed_response_promise<experiment_answer>;

  std::optional<experiments::experiment> what;            ///< Nothing until the children have been read.
  std::deque<std::pair<ask_experiment, promise>> waiting; ///< Until then.
  std::set<size_t> changed; ///< Children whose present state is in no write yet.
  bool head_changed = false;
  bool news = false; ///< Durable, and nobody has been told yet.
  std::chrono::steady_clock::time_point told_at{};
  bool writing = false; ///< One at a time, so that the newest comes last.
  std::vector<std::pair<promise, experiment_answer>> answers; ///< Owed when the next write is durable.
  std::set<size_t> may_start;                                 ///< `starting` children whose grant is durable.
  std::set<size_t> asking; ///< Children about which the run supervisor has been asked something.
};

/// Keeps one experiment that has not ended: starts its children's runs, follows them, and writes down what
/// came of them. What a child may cost is durable before its run is submitted, and a run is submitted under a
/// key of its child's, so that no restart starts one twice or spends more. Ends when the experiment does.
experiment_actor::behavior_type
experiment_keeper(experiment_actor::stateful_pointer<experiment_actor_state> self, experiment_config config,
                  experiment_supervisor_actor parent);

} // namespace assay
