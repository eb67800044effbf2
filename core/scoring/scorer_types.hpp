#pragma once

#include "core/scoring/pattern.hpp"
#include "core/scoring/scorer.hpp"

#include <memory>

// What scorer.cpp builds a scorer from; nobody else includes this.
namespace assay::scoring {

result<std::unique_ptr<scorer>> make_exact_match(const scorer_definition& definition);
result<std::unique_ptr<scorer>> make_contains(const scorer_definition& definition);
result<std::unique_ptr<scorer>> make_regex(const scorer_definition& definition);
result<std::unique_ptr<scorer>> make_numeric(const scorer_definition& definition);
result<std::unique_ptr<scorer>> make_multiple_choice(const scorer_definition& definition);
result<std::unique_ptr<scorer>> make_json_equal(const scorer_definition& definition);

/// @returns the outcome of a target that cannot be judged against.
score_outcome unusable_target(std::string message, std::string hint);

} // namespace assay::scoring
