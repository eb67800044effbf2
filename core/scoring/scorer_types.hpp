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

result<std::unique_ptr<scorer>> make_starts_with(const scorer_definition& definition);
result<std::unique_ptr<scorer>> make_token_f1(const scorer_definition& definition);
result<std::unique_ptr<scorer>> make_rouge(const scorer_definition& definition);
result<std::unique_ptr<scorer>> make_levenshtein(const scorer_definition& definition);
result<std::unique_ptr<scorer>> make_bleu(const scorer_definition& definition);
result<std::unique_ptr<scorer>> make_chrf(const scorer_definition& definition);
result<std::unique_ptr<scorer>> make_ter(const scorer_definition& definition);
/// accuracy, mcc, and f1 of classes.
result<std::unique_ptr<scorer>> make_label(const scorer_definition& definition);
/// is_json, contains_json and json_schema.
result<std::unique_ptr<scorer>> make_json_schema(const scorer_definition& definition);
result<std::unique_ptr<scorer>> make_code_quality(const scorer_definition& definition);
result<std::unique_ptr<scorer>> make_assertions(const scorer_definition& definition);
/// The types that something outside has to run.
result<std::unique_ptr<scorer>> make_outside(const scorer_definition& definition);

/// @returns the outcome of a target that cannot be judged against.
score_outcome unusable_target(std::string message, std::string hint);

} // namespace assay::scoring
