#pragma once

#include "core/stats/stopping.hpp"
#include "core/values/early_stopping.hpp"

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

namespace assay {

/// Watches the scores of a run of one task, prompt type and epoch, in the order of its rows, until enough is
/// known.
class stop_watch {
public:
  /// @param baseline The scores of the run that it is compared with, by row; empty without one.
  stop_watch(const early_stopping& wish, std::vector<std::optional<float>> baseline)
      : watch_(rule_of(wish)), compares_(!wish.against.empty()), baseline_(std::move(baseline)) {}

  /// @param score Nothing for a sample that does not count.
  void add(uint32_t row, std::optional<double> score) {
    if (compares_) {
      const auto other = row < baseline_.size() ? baseline_[row] : std::nullopt;
      score = score && other ? std::optional{*score - *other} : std::nullopt;
    }
    watch_.add(row, score);
  }

  const stats::stop_decision& decision() const noexcept { return watch_.decision(); }

private:
  static stats::stopping_rule rule_of(const early_stopping& wish) {
    stats::stopping_rule rule;
    rule.level = wish.against.empty() ? 0.95 : 1 - wish.alpha;
    rule.half_width = wish.interval;
    rule.against_baseline = !wish.against.empty();
    rule.equivalence_margin = wish.margin;
    rule.min_samples = wish.min_samples;
    return rule;
  }

  stats::stopping_watch watch_;
  bool compares_;
  std::vector<std::optional<float>> baseline_;
};

} // namespace assay
