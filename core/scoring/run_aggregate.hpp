#pragma once

#include "core/scoring/scorer_definition.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace assay::scoring {

/// One number over a run.
struct aggregate_value {
  double score = 0; ///< 0..1, higher is better; -1..1 for mcc.
  double raw = 0;   ///< The metric as its source has it: the same, but the edit rate for ter.
};

/// Adds the samples of one scorer up. Memory is bounded, parts can be merged in any order. A copy is
/// independent.
///
/// A sample's part is its value and score_outcome::extracted, which for a scorer with an aggregate of its own
/// is the counts, or the two labels, that the aggregate is made of. So the stored scores suffice.
class run_aggregate {
public:
  explicit run_aggregate(const scorer_definition& definition);

  void add(double value, std::string_view extracted);
  /// @param other Of the same definition.
  void merge(const run_aggregate& other);
  /// @returns nothing when no sample counts, or the metric means nothing for these samples.
  std::optional<aggregate_value> value() const;

  /// @returns whether value() is anything but the mean of the samples' values.
  bool is_own() const noexcept { return how_ != aggregation::mean; }

private:
  void add_median(double value, uint64_t times);
  std::optional<double> median() const;
  std::optional<double> class_f1() const;
  std::optional<double> mcc() const;

  scorer_type type_;
  aggregation how_;
  f1_average average_;
  std::string positive_;
  double beta_ = 2;
  uint32_t orders_ = 4;
  uint64_t samples_ = 0;
  double sum_ = 0;
  std::vector<double> counts_;
  std::map<double, uint64_t> values_; ///< median.
  bool rounded_ = false;
  std::map<std::pair<std::string, std::string>, uint64_t> pairs_; ///< (predicted, wanted).
};

} // namespace assay::scoring
