#pragma once

#include "core/scoring/run_aggregate.hpp"
#include "core/stats/summary.hpp"
#include "core/values/sample.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace assay::stats {

/// What a failed sample does to the task's score.
enum class failed_samples : uint8_t {
  exclude = 1, ///< Counted as an error, and nothing else.
  zero = 2,    ///< Counted as an error, and as 0 for every scorer.
};

/// What the aggregation needs to know of a scorer.
struct scorer_weight {
  double weight = 1;   ///< >= 0
  bool primary = true; ///< Others are reported but do not count.
  /// An empty aggregate, when the scorer's value over a run is not the mean of the samples' values.
  std::shared_ptr<const scoring::run_aggregate> own = nullptr;
};

/// @returns the weighted mean of the primary scorers' values of one sample, which is what progress shows; or
/// nothing when a primary scorer with a weight has no value. @param scorers Indexed by score_value::scorer.
std::optional<double> primary_score(std::span<const score_value> scores,
                                    std::span<const scorer_weight> scorers) noexcept;

/// @returns what @p sample brings into the score of its task: its primary score, or 0 where a failure counts
/// as 0; nothing for a sample that does not count. The mean of these over a task's samples is
/// task_score::score, unless a primary scorer has an aggregate of its own.
std::optional<double> counted_score(const sample_record& sample, std::span<const scorer_weight> scorers,
                                    failed_samples rule) noexcept;

/// The outcome of one task of a run.
struct task_score {
  /// Weighted mean of the primary scorers' values over the run (metric_of()); nothing while no sample counts.
  std::optional<double> score;
  summary primary;              ///< Of the samples' primary scores: the error of `score`.
  std::vector<summary> scorers; ///< One for each scorer, of its samples' values.
  /// One for each scorer: its value over the run where that is not the mean of its samples' values.
  std::vector<std::optional<scoring::aggregate_value>> own;
  uint64_t samples = 0; ///< All that are finished.
  uint64_t errors = 0;  ///< Failed ones among them.
};

/// @returns the value over the run of scorer number @p scorer: its own aggregate, or the mean; nothing when
/// no sample counts.
std::optional<double> metric_of(const task_score& score, size_t scorer) noexcept;

/// Adds the samples of one task up, in constant memory and in any order; parts can be merged.
class task_accumulator {
public:
  task_accumulator(std::vector<scorer_weight> scorers, failed_samples rule);

  /// A sample with a primary scorer's value missing counts as failed.
  void add(std::span<const score_value> scores);
  void add_failed();
  /// An answer that nobody was to score.
  void add_unscored() { ++samples_; }
  /// @param other Of the same scorers and rule.
  void merge(const task_accumulator& other);
  task_score finish() const;

private:
  std::vector<scorer_weight> scorers_;
  failed_samples rule_;
  std::vector<score_accumulator> values_;
  std::vector<std::optional<scoring::run_aggregate>> own_;
  score_accumulator primary_;
  uint64_t samples_ = 0;
  uint64_t errors_ = 0;
};

/// @returns the plain mean of the scores that exist, or nothing when none does.
std::optional<double> overall_score(std::span<const std::optional<double>> task_scores) noexcept;

} // namespace assay::stats
