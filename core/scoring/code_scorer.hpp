#pragma once

#include "core/scoring/scorer.hpp"
#include "core/values/sandbox.hpp"

#include <span>
#include <string>
#include <string_view>

namespace assay::scoring {

/// @returns the last fenced block of @p language in @p answer; else the last fenced block, else the whole
/// answer. `text` is always the whole answer. The names that models use are known: py, js, c++, bash, ...
std::string_view find_code(std::string_view answer, std::string_view language);

/// What the hidden tests of one answer run on.
struct code_question {
  std::string_view answer;
  std::string_view tests;             ///< The sample's target: Python source.
  std::span<const std::string> turns; ///< All answers of the conversation, in order; may be empty.
  std::string_view token;             ///< Random text that the answer cannot know; marks the verdict.
};

/// @returns the program that runs the tests. One result serves the scorers code and completeness.
sandbox_job make_code_job(const scorer_definition& definition, const code_question& question, uint64_t id);

/// The tests' verdict.
struct code_verdict {
  uint32_t passed = 0;
  uint32_t total = 0;
  /// `name: reason` of each failed test; or how the program ended when it gave no verdict.
  std::string report;
  /// Why there is no verdict and the answer is not to blame: no sandbox, or tests that cannot be read.
  std::optional<fault> problem;
};

/// @param token As in the question. A program that ended without a verdict (a limit, a crash) passed nothing.
code_verdict read_code_verdict(const sandbox_result& result, std::string_view token);

/// @returns the score of @p type: code (1 when all tests passed) or completeness (the share that did).
score_outcome code_outcome(scorer_type type, const code_verdict& verdict);

/// Static measures of code, each 0..1, and their mean. docs/scoring.md has the formulas.
struct code_measures {
  double comments = 0;
  double line_length = 0;
  double function_length = 0;
  double nesting = 0;
  double naming = 0;
  double total = 0;
};

/// @param language As in scorer_definition. Code without any line has nothing to measure: all 0.
code_measures measure_code(std::string_view code, std::string_view language);

/// The test harness as Python source.
std::string_view code_harness() noexcept;

} // namespace assay::scoring
