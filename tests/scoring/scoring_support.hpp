#pragma once

#include "core/scoring/scorer.hpp"

#include <gtest/gtest.h>

#include <utility>

namespace assay::scoring {

inline scorer_definition of_type(scorer_type type) {
  scorer_definition d;
  d.type = type;
  return d;
}

/// @returns the verdict; fails the test when the scorer cannot be made or the target cannot be judged.
inline double judged(const scorer_definition& definition, std::string_view answer, std::string_view target) {
  const auto made = make_scorer(definition);
  if (made.has_error()) {
    ADD_FAILURE() << to_string(made.error());
    return -1;
  }
  const score_outcome outcome = (*made)->score(answer, target);
  EXPECT_FALSE(outcome.problem) << to_string(*outcome.problem);
  return outcome.value;
}

inline std::string extracted(const scorer_definition& definition, std::string_view answer,
                             std::string_view target) {
  const auto made = make_scorer(definition);
  return made.has_error() ? to_string(made.error()) : (*made)->score(answer, target).extracted;
}

} // namespace assay::scoring
