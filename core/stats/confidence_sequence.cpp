#include "core/stats/confidence_sequence.hpp"

#include <algorithm>
#include <cmath>

namespace assay::stats {
namespace {

// The part of his capital that a gambler risks at most.
constexpr double largest_risk = 0.5;
// Below it a capital counts as lost: it could not come back, and tiny numbers make arithmetic slow.
constexpr double smallest_capital = 1e-250;

double alpha_of(double level) noexcept { return 1 - std::clamp(level, 0.001, 0.999999); }

} // namespace

bounded_mean_sequence::bounded_mean_sequence(double level, double low, double high, size_t grid)
    : alpha_(alpha_of(level)), low_(low), scale_(high > low ? high - low : 1),
      capital_(std::max<size_t>(grid, 2) + 1), last_(capital_.size() - 1) {}

double bounded_mean_sequence::point(size_t index) const noexcept {
  return static_cast<double>(index) / static_cast<double>(capital_.size() - 1);
}

double bounded_mean_sequence::next_bet() const noexcept {
  const auto next = static_cast<double>(values_.count() + 1);
  const double variance = (0.25 + squares_) / next;
  return std::sqrt(2 * std::log(2 / alpha_) / (variance * next * std::log1p(next)));
}

void bounded_mean_sequence::add(double value) {
  const double x = std::clamp((value - low_) / scale_, 0.0, 1.0);
  const double bet = next_bet();
  const double refuted = 2 / alpha_;
  for (size_t i = first_; i <= last_; ++i) {
    const double m = point(i);
    capital& at = capital_[i];
    at.above *= 1 + std::min(bet, m > 0 ? largest_risk / m : bet) * (x - m);
    at.below *= 1 - std::min(bet, m < 1 ? largest_risk / (1 - m) : bet) * (x - m);
    if (!(at.above > smallest_capital))
      at.above = 0;
    if (!(at.below > smallest_capital))
      at.below = 0;
  }
  // The capital of who bets above falls with m, that of the other rises: what is refuted lies at the ends.
  while (first_ < last_ && capital_[first_].above >= refuted)
    ++first_;
  while (last_ > first_ && capital_[last_].below >= refuted)
    --last_;
  values_.add(x);
  const double shrunk = (0.5 + values_.mean() * static_cast<double>(values_.count()))
                        / static_cast<double>(values_.count() + 1);
  squares_ += (x - shrunk) * (x - shrunk);
}

double bounded_mean_sequence::mean() const noexcept {
  return values_.count() == 0 ? 0 : low_ + scale_ * values_.mean();
}

interval bounded_mean_sequence::confidence() const noexcept {
  const size_t below = first_ == 0 ? 0 : first_ - 1;
  const size_t above = std::min(last_ + 1, capital_.size() - 1);
  return {low_ + scale_ * point(below), low_ + scale_ * point(above)};
}

interval asymptotic_sequence_interval(double mean, double standard_deviation, uint64_t count, double level,
                                      double tightest_at) noexcept {
  if (count < 2 || !(standard_deviation > 0))
    return {mean, mean};
  const double alpha = alpha_of(level);
  const auto n = static_cast<double>(count);
  const double logs = -2 * std::log(alpha);
  const double rho_squared = (logs + std::log1p(logs)) / std::max(tightest_at, 1.0);
  const double spread = n * rho_squared + 1;
  const double half = standard_deviation
                      * std::sqrt(2 * spread / (n * n * rho_squared) * std::log(std::sqrt(spread) / alpha));
  return {mean - half, mean + half};
}

} // namespace assay::stats
