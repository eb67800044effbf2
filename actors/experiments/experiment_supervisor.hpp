#pragma once

#include "actors/experiments/experiment.hpp"
#include "actors/supervision/children.hpp"
#include "actors/supervision/restart_policy.hpp"

#include <functional>
#include <map>
#include <set>
#include <string>

namespace assay {

struct experiment_supervisor_config {
  experiment_reader read;
  std::shared_ptr<executor> workers;
  journal_actor journal; ///< Filled in by the root at each start, as the next one.
  run_supervisor_actor runs;
  event_hub_actor event_hub;
  experiments::plan_limits plan_limits;
  /// Which of the experiments that an earlier process left unfinished go on now; the others stay as they are
  /// until somebody asks something of them. Empty: all.
  std::function<bool(const std::string& id)> goes_on;
  size_t most_experiments = 2'000;
  size_t most_experiments_of_one = 500; ///< Owner.
  size_t most_pricing = 8;              ///< Plans that are priced at once.
  size_t questions_at_once = 4;         ///< Dry runs of one plan.
  restart_limits limits;
  std::chrono::milliseconds tick_interval{100}; ///< Of the children.
  wall_clock wall = wall_now;
  uint64_t seed = 0;
};

/// @relates experiment_supervisor
struct experiment_supervisor_state {
  static inline const char* name = "experiment-supervisor";

  using promise = caf::typed_response_promise<experiment_answer>;

  struct entry {
    experiments::experiment_head head; ///< As last heard of.
    experiment_actor child;            ///< Invalid once the experiment has ended, and between restarts.
    restart_policy policy;
    std::optional<std::chrono::steady_clock::time_point> restart_at;
    bool erasing = false;
  };

  /// A plan whose price is being asked for.
  struct pricing {
    ask_experiment wish;
    std::string id; ///< Empty for a dry run.
    experiments::evaluation_plan plan;
    std::vector<experiments::child_request> requests;
    std::vector<experiments::pricing_request> questions;
    size_t next = 0;
    std::vector<experiments::priced> told;
    promise who;
  };

  std::map<std::string, entry> known;
  std::map<uint64_t, pricing> prices; ///< By ticket.
  uint64_t next_ticket = 1;
  children family;
  dice chance{0};
  bool recalled = false;
  uint64_t unreadable = 0;
};

/// Keeps every experiment: one child for each that has not ended, started again from the store when it falls
/// and when the farm starts. Prices and creates, lists and erases; everything else goes to the experiment's
/// child.
experiment_supervisor_actor::behavior_type
experiment_supervisor(experiment_supervisor_actor::stateful_pointer<experiment_supervisor_state> self,
                      experiment_supervisor_config config);

} // namespace assay
