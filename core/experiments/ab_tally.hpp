#pragma once

#include "core/experiments/observation.hpp"
#include "core/experiments/pair_evidence.hpp"
#include "core/stats/confidence_sequence.hpp"

#include <nlohmann/json_fwd.hpp>

#include <string>
#include <unordered_map>
#include <vector>

namespace assay::experiments {

/// How two variants compare at this moment. Differences are first - second.
struct pair_comparison {
  size_t first = 0;
  size_t second = 0;
  double difference = 0;                   ///< Of the metric's means.
  std::optional<stats::interval> interval; ///< Holds whenever one looks; nothing before 100 pairs or blocks.
  double p = 1;                            ///< Holds whenever one looks.
  double adjusted_p = 1;                   ///< For having compared all pairs of variants (Holm).
  double fixed_p = 1;                      ///< For a single look, planned beforehand.
  std::optional<double> effect_size;       ///< Cohen's h of shares, d of means, d_z of pairs.
  double power = 0;      ///< Of a single look, to find minimum_effect, or else the difference seen.
  uint64_t compared = 0; ///< Pairs or blocks.
};

/// What is known of a test at this moment.
struct ab_verdict {
  std::optional<size_t> winner;
  std::optional<size_t> leader; ///< Best so far; nothing before every variant has a value.
  double confidence = 0;        ///< 1 - the largest adjusted p of the leader against another.
  std::string undecided_because;
  std::vector<pair_comparison> pairs;
  double sample_ratio_p = 1;
  bool sample_ratio_mismatch = false;
};

/// All observations of a test, as far as they are needed. The same observations in the same order give the
/// same tally. Memory: constant but for the units of those that name one, whose number is bounded by
/// most_observations.
class ab_tally {
public:
  /// Chi-square's p below which the assignment is taken to be broken (Fabijan et al. 2019).
  static constexpr double mismatch_below = 0.0005;

  explicit ab_tally(const ab_test& test);

  /// @returns errc::conflict when the test is paired and the unit has been observed under this variant, or
  /// errc::too_large when the test has all it takes. Nothing is changed then.
  result<void> add(const observation& value);

  /// What add() would answer.
  result<void> check(const observation& value) const;

  uint64_t count() const noexcept { return count_; }
  uint64_t count_of(size_t variant) const noexcept { return arms_[variant].samples; }

  /// @param full Also what the decision does not need: effect sizes, power, single looks.
  ab_verdict verdict(bool full) const;

  /// The answer of GET /ab-tests/{id}/analysis, without what only the test's keeper knows.
  nlohmann::json analysis() const;

private:
  struct arm {
    uint64_t samples = 0;
    uint64_t successes = 0;
    stats::running_stats quality;
    stats::running_stats response_time;
    stats::running_stats cost;
    stats::running_stats performance;
    stats::running_stats metric;
    stats::bounded_mean_sequence bounds;
  };

  /// Of one unit in a paired test.
  struct seen_unit {
    uint32_t variants = 0; ///< One bit each.
    std::vector<std::optional<double>> values;
  };

  void note_unit(const observation& value, std::optional<double> metric);
  void compare(const observation& value, double metric);
  stats::interval interval_of(const arm& one) const;
  pair_comparison compare_now(size_t pair, bool full) const;
  void fill_single_look(pair_comparison& out, const pair_evidence& evidence) const;
  nlohmann::json variant_json(size_t index) const;

  ab_test test_;
  bool binary_;
  uint64_t count_ = 0;
  std::vector<arm> arms_;
  std::vector<pair_evidence> evidence_; ///< By pair, as pairs_ lists them.
  std::vector<std::pair<size_t, size_t>> pairs_;
  std::unordered_map<std::string, seen_unit> units_; ///< Only of a paired test.
};

} // namespace assay::experiments
