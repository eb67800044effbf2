#pragma once

#include "core/values/errors.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// Lists of assertions about one answer, as promptfoo's test files have them
/// (https://www.promptfoo.dev/docs/configuration/expected-outputs). A list is JSON text:
///
///     {"threshold": 0.5, "assert": [{"type": "contains", "value": "Paris", "weight": 2, "metric": "facts"},
///                                   {"type": "assert-set", "threshold": 0.5, "assert": [...]}]}
namespace assay::scoring {

/// What a list of assertions says of an answer.
struct assertion_verdict {
  double score = 0;   ///< Mean of the assertions' scores by their weights, 0..1; 1 for an empty list.
  bool pass = false;  ///< The score is at or above the list's threshold; without one: every assertion holds.
  std::string reason; ///< Which do not hold, for people.
  std::vector<std::pair<std::string, double>> metrics; ///< Means by `metric`, in order of their first use.
};

/// Time is that of the scorers of the same names. Fails with errc::scorer_failed when @p list is no such
/// list.
result<assertion_verdict> judge_assertions(std::string_view answer, std::string_view list);

/// @returns what is wrong with a list, errc::invalid_argument with the place in it, such as
/// `assert[1].value`; for a type that is not known, which are.
std::optional<fault> check_assertions(std::string_view list);

/// @returns texts of which one probably passes, the likeliest first; for simulated models.
std::vector<std::string> answers_for(std::string_view list);

/// @returns every type that a list may have, without `not-`.
std::vector<std::string_view> assertion_types();

} // namespace assay::scoring
