#pragma once

#include "core/stats/intervals.hpp"

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace assay::stats {

/// One score of one epoch of a sample.
struct sample_score {
  uint32_t sample = 0;  ///< Row of the dataset.
  uint16_t variant = 0; ///< Index in run_scores::variants.
  uint16_t epoch = 0;
  double score = 0;
};

/// What a row asked with one prompt, to find it in another dataset.
struct row_content {
  uint32_t sample = 0;
  uint16_t variant = 0;
  uint64_t hash = 0; ///< Of the first prompt and the target.
};

struct task_scores {
  std::string task;
  std::string dataset_hash; ///< Rows of other datasets are other samples. Empty: not known, and not compared.
  std::vector<sample_score> scores; ///< Samples that count, in any order.
  uint64_t samples = 0;             ///< All that are finished.
  uint64_t errors = 0;              ///< Failed ones among them, whether they count or not.
  /// By row. Empty: not known, and then tasks of other datasets are not compared.
  std::vector<row_content> contents = {};
};

/// What a comparison needs to know of a run.
struct run_scores {
  std::string name;  ///< Its id.
  std::string model; ///< For people.
  std::vector<std::string> variants;
  std::vector<task_scores> tasks;
};

struct comparison_options {
  double level = 0.95; ///< Of every interval; findings are judged at 1 - level.
  double power = 0.8;  ///< Of the minimum detectable effect.
  uint32_t resamples = 2000;
  uint64_t seed = 1;
};

enum class paired_test : uint8_t {
  none = 0,          ///< Fewer than two pairs, or no spread in their differences.
  mcnemar_exact = 1, ///< Every score is 0 or 1.
  paired_t = 2,
  normal = 3, ///< Over several tasks.
};

std::string_view to_string(paired_test test) noexcept;

enum class finding : uint8_t {
  unclear = 0, ///< No difference could be shown.
  better = 1,  ///< The second run is.
  worse = 2,
};

std::string_view to_string(finding value) noexcept;

/// Two runs on the samples that both of them scored. Epochs of a sample count as one value, their mean. All
/// differences are second - first.
struct paired_comparison {
  std::string first;
  std::string second;
  std::string task;    ///< Empty over all tasks.
  std::string variant; ///< Empty over all variants; "a / b" where the runs have one each, of other names.
  uint64_t pairs = 0;
  uint64_t unmatched_first = 0;       ///< Samples that only the first run scored.
  uint64_t unmatched_second = 0;      ///< Samples that only the second run scored.
  std::vector<std::string> unmatched; ///< The first of them: TASK:VARIANT:ROW.
  double first_mean = 0;              ///< Of the pairs.
  double second_mean = 0;
  double difference = 0;
  double standard_error = 0; ///< Of the difference.
  /// Of the difference: paired_proportions_interval() for scores of 0 and 1, else Student's t; by the normal
  /// distribution over several tasks and where all differences are the same.
  interval confidence{-1, 1};
  std::optional<interval> bootstrap; ///< BCa; nothing above
  /// most_resampled_pairs, without spread, and over several tasks.
  paired_test test = paired_test::none;
  double p = 1;
  double p_adjusted = 1; ///< Holm, over all rows of the comparison or over all of its totals.
  /// Of scores of 0 and 1: pairs that only one run got right.
  std::optional<uint64_t> only_first_right;
  std::optional<uint64_t> only_second_right;
  std::optional<double> odds_ratio;  ///< Of those two.
  std::optional<double> effect_size; ///< Cohen's d of pairs; nothing without spread.
  std::optional<double> detectable;  ///< The smallest difference that so many pairs find with the power.
  finding found = finding::unclear;  ///< By p_adjusted.
};

/// Two or more runs, each against each.
struct comparison {
  std::vector<std::string> runs;
  std::vector<std::string> models;
  std::vector<paired_comparison> rows; ///< By task, variant and pair of runs.
  std::vector<paired_comparison>
      totals;                     ///< Over the tasks, one a pair; empty when there is but one row a pair.
  std::vector<std::string> notes; ///< What could not be compared, and why.
  comparison_options options;
  uint64_t draws = 0; ///< That the bootstrap has made.
};

/// Above it the bootstrap tells nothing that the other interval does not, and costs seconds.
inline constexpr uint64_t most_resampled_pairs = 20'000;
/// Draws of one comparison: some seconds. The rows after that have no bootstrap interval.
inline constexpr uint64_t most_draws = 400'000'000;

/// Compares @p runs, the earlier of a pair being its first. A total is the mean of the tasks' differences,
/// each the mean over its samples of their variants' mean; its error follows from the tasks' errors, whose
/// samples are independent.
comparison compare_runs(std::span<const run_scores> runs, const comparison_options& options = {});

/// The API's form.
nlohmann::json to_json(const comparison& value);

} // namespace assay::stats
