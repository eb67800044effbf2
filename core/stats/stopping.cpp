#include "core/stats/stopping.hpp"

#include <cmath>

namespace assay::stats {
namespace {

double low_of(const stopping_rule& rule) noexcept {
  return rule.against_baseline ? rule.lowest_score - rule.highest_score : rule.lowest_score;
}

double high_of(const stopping_rule& rule) noexcept {
  return rule.against_baseline ? rule.highest_score - rule.lowest_score : rule.highest_score;
}

} // namespace

std::string_view to_string(stop_reason reason) noexcept {
  switch (reason) {
  case stop_reason::none:
    return "none";
  case stop_reason::narrow_enough:
    return "narrow_enough";
  case stop_reason::better:
    return "better";
  case stop_reason::worse:
    return "worse";
  case stop_reason::equivalent:
    return "equivalent";
  }
  return "unknown";
}

stopping_watch::stopping_watch(const stopping_rule& rule)
    : rule_(rule), low_(low_of(rule)), high_(high_of(rule)), sequence_(rule.level, low_, high_) {
  decision_.confidence = sequence_.confidence();
}

const stop_decision& stopping_watch::add(uint64_t position, std::optional<double> value) {
  if (decision_.stop() || position < next_)
    return decision_;
  early_.emplace(position, value);
  while (!decision_.stop() && !early_.empty() && early_.begin()->first == next_) {
    const auto known = early_.begin()->second;
    early_.erase(early_.begin());
    ++next_;
    if (known)
      take(*known);
  }
  if (decision_.stop())
    early_.clear();
  return decision_;
}

void stopping_watch::take(double value) {
  // Differences of scores may leave their bounds by a rounding error.
  constexpr double rounding = 1e-9;
  if (!(value >= low_ - rounding && value <= high_ + rounding))
    decision_.out_of_bounds = true;
  if (decision_.out_of_bounds)
    return;
  sequence_.add(value);
  decision_.samples = sequence_.count();
  decision_.mean = sequence_.mean();
  decision_.confidence = sequence_.confidence();
  if (decision_.samples >= rule_.min_samples)
    decision_.reason = judge();
}

stop_reason stopping_watch::judge() const noexcept {
  const interval& now = decision_.confidence;
  if (rule_.against_baseline) {
    if (now.low > 0)
      return stop_reason::better;
    if (now.high < 0)
      return stop_reason::worse;
    if (rule_.equivalence_margin && now.low > -*rule_.equivalence_margin
        && now.high < *rule_.equivalence_margin)
      return stop_reason::equivalent;
  }
  if (rule_.half_width && (now.high - now.low) / 2 <= *rule_.half_width)
    return stop_reason::narrow_enough;
  return stop_reason::none;
}

} // namespace assay::stats
