#pragma once

#include "core/scoring/agreement.hpp"
#include "core/scoring/scorer_definition.hpp"
#include "core/values/sample.hpp"

#include <nlohmann/json_fwd.hpp>

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace assay::scoring {

/// How far the judges of a task agree, with each other and with its other scorers. What each judge said is
/// read from the `extracted` of its scorer; every answer that has a score counts, each epoch as one. Memory
/// does not grow with the samples.
class judge_agreement {
public:
  explicit judge_agreement(std::vector<scorer_definition> scorers);

  /// @param scores Of one sample.
  void add(std::span<const score_value> scores);

  /// @returns the API's form; null when the task has neither several judges nor a judge and another scorer.
  nlohmann::json finish() const;

private:
  struct pair_of_judges {
    size_t first = 0;
    size_t second = 0;
    rating_pairs ratings = {};
  };
  /// One scorer with several judges.
  struct panel {
    size_t scorer = 0;
    double steps = 1; ///< Between the least and the best rating.
    std::vector<pair_of_judges> pairs = {};
    alpha_tally alpha = {};
    uint64_t samples = 0; ///< That two judges or more have rated.
  };
  /// A judge and another scorer, each right or wrong.
  struct pair_of_scorers {
    size_t judge = 0;
    size_t other = 0;
    rating_pairs ratings = {};
  };

  static void add_verdicts(panel& of, const std::string& extracted);

  std::vector<scorer_definition> scorers_;
  std::vector<panel> panels_;
  std::vector<pair_of_scorers> pairs_;
};

/// @returns the verdicts as combine_verdicts() shows them, in the order of the judges; nothing where one gave
/// none. Of a text that was cut the last, which may be half, is left out.
std::vector<std::optional<double>> verdicts_in(std::string_view extracted);

} // namespace assay::scoring
