#pragma once

#include "core/values/errors.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// Whether a run is good enough: rules in a file, their verdicts, and reports that CI systems read.
namespace assay::gate {

enum class rule_kind : uint8_t {
  at_least = 1,       ///< A score reaches a bound.
  not_worse_than = 2, ///< A score is not below the baseline's by more than a margin, on the same samples.
  max_cost = 3,       ///< The run cost at most so many dollars.
  max_error_rate = 4, ///< At most this share of the samples failed.
};

/// One rule of a policy.
struct rule {
  std::string name;
  rule_kind kind = rule_kind::at_least;
  double bound = 0;             ///< Score, margin, dollars or share.
  std::string metric = "score"; ///< `score`, the task's own, or the name of a scorer.
  std::string task;             ///< Empty: the mean over all tasks.
  std::string prompt_type;      ///< Empty: all of them.
  /// How sure a verdict about a score has to be, one-sided; 0: the number itself decides.
  double confidence = 0.95;
  uint64_t min_samples = 0; ///< With fewer nothing is concluded.
};

struct policy {
  std::string name;
  std::vector<rule> rules; ///< At least one.

  bool needs_baseline() const noexcept;
};

/// Reads a policy. @param file_name For messages. Fails with errc::malformed_input (no YAML) or
/// errc::invalid_argument (unknown or repeated keys, wrong types, values out of range, a rule without or with
/// several checks). `where` is `file:line: key`.
result<policy> parse_policy(std::string_view yaml, std::string_view file_name);

} // namespace assay::gate
