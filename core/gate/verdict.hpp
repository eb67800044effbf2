#pragma once

#include "core/gate/policy.hpp"
#include "core/stats/comparison.hpp"
#include "core/values/run.hpp"

#include <nlohmann/json_fwd.hpp>

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace assay::gate {

enum class verdict : uint8_t {
  pass = 1,
  fail = 2,
  inconclusive = 3, ///< Too little is known to say.
};

std::string_view to_string(verdict value) noexcept;

/// What the rules are applied to.
struct judged_run {
  std::string id;
  run_state state = run_state::completed;
  std::optional<money> cost;
  uint64_t done = 0;
  uint64_t failed = 0;                             ///< Part of done.
  std::map<std::string, stats::run_scores> scores; ///< By metric; those that the rules name.
};

struct rule_outcome {
  std::string name;
  verdict outcome = verdict::inconclusive;
  std::string message;         ///< "0.81 [0.77, 0.85], wanted at least 0.8".
  std::optional<double> value; ///< What was measured.
  /// One-sided bounds of it, each with the rule's confidence.
  std::optional<stats::interval> bounds;
  uint64_t samples = 0;
};

struct gate_report {
  std::string policy;
  std::string run;
  std::string baseline; ///< Empty without one.
  std::vector<rule_outcome> rules;

  /// fail when a rule fails, else inconclusive when one is, else pass.
  verdict outcome() const noexcept;
};

/// Judges a run. The first outcome is always whether it has come to its end: a failed run fails, one that
/// did not end is inconclusive. A score rule passes when its lower bound satisfies it, fails when even its
/// upper bound does not, and is inconclusive between.
/// @param baseline Null without one; then not_worse_than is inconclusive.
gate_report judge(const policy& rules, const judged_run& run, const judged_run* baseline);

/// {policy, evaluation_id, baseline_id, verdict, rules: [{name, verdict, message, value, low, high,
/// samples}]}
nlohmann::json to_json(const gate_report& report);

/// JUnit's XML: a test case a rule. `fail` is a failure; `inconclusive` an error, so that nothing that was
/// not shown is green.
std::string to_junit(const gate_report& report);

} // namespace assay::gate
