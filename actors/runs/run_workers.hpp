#pragma once

#include "actors/runs/epoch_board.hpp"
#include "actors/runs/outside_scorer.hpp"
#include "actors/runs/stop_watch.hpp"
#include "core/scoring/scorer.hpp"
#include "core/stats/aggregate.hpp"
#include "core/values/run.hpp"
#include "protocol/messages/runs.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <vector>

namespace assay {

/// How the samples of a task make its score.
struct score_rule {
  std::vector<stats::scorer_weight> scorers;
  stats::failed_samples failed = stats::failed_samples::exclude;
  /// How repeats become one value, where their mean would not do.
  std::optional<scoring::epochs_reduction> reduction{};
};

/// What an evaluation needs of one task to score its answers. Immutable, shared between threads.
struct task_plan {
  /// In the order of pinned_task::scorer_names; null where the value comes from outside.
  std::vector<std::unique_ptr<const scoring::scorer>> scorers;
  std::vector<std::unique_ptr<const outside_scorer>> outside; ///< For the others. Mostly none.
  size_t primary = 0; ///< The scorer whose value is a sample's quality.
  score_rule score;
};

using run_plan = std::vector<task_plan>;

/// The slow half of an evaluation: everything that reads files, scans the store or computes for long. Runs on
/// a worker thread, one call at a time.
class run_worker {
public:
  virtual ~run_worker() = default;

  /// Checks that the run's tasks and datasets are those that were pinned, and finds what the store already
  /// has.
  virtual run_recovered recover(const run_record& record) = 0;

  /// Scorers of every task. Valid once recover() has succeeded.
  virtual std::shared_ptr<const run_plan> plan() const = 0;

  /// The repeats that the store has, for tasks that need to know them. To be called once, after recover().
  virtual std::vector<std::optional<epoch_board>> take_boards() { return {}; }

  /// What watches whether the run may end early, with what the store has; null when nothing does. To be
  /// called once, after recover().
  virtual std::unique_ptr<stop_watch> take_watch() { return nullptr; }

  /// The next samples that have no outcome yet, in order; those whose answer is stored already come with it.
  virtual samples_loaded next_page(size_t limit) = 0;

  /// The result document of what is in the store now.
  virtual result_computed summarise(const run_record& record) = 0;
};

using run_worker_factory = std::function<std::shared_ptr<run_worker>()>;

} // namespace assay
