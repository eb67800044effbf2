#pragma once

#include "core/stats/intervals.hpp"
#include "core/stats/running_stats.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace assay::stats {

/// An interval for the mean of bounded values that holds at all times at once: with probability `level` the
/// true mean is inside every interval from the first value to the last, so one may look after each value and
/// stop whenever one likes. Nothing is assumed of the values but their bounds and that each has the same mean
/// given those before it.
///
/// Waudby-Smith and Ramdas, "Estimating means of bounded random variables by betting", JRSS-B 2024, the
/// hedged capital process (theorem 3). For each candidate mean m on a grid two gamblers bet on the values
/// being above and below it, and m is refuted once either has 2 / alpha times what he began with:
///
///     K+(m) = product of 1 + min(b_i, c / m)       * (x_i - m)
///     K-(m) = product of 1 - min(b_i, c / (1 - m)) * (x_i - m)
///     b_i   = sqrt(2 ln(2 / alpha) / (v_(i-1) * i * ln(1 + i)))
///
/// with c = 1/2 and v the variance of the values before, shrunk towards 1/4. What lies between a refuted and
/// an open point of the grid counts as open.
class bounded_mean_sequence {
public:
  static constexpr size_t usual_grid = 1000;

  /// @param level Inside (0, 1). @param low, high Bounds of the values, low < high. @param grid Steps between
  /// them: the interval is wider than the exact one by at most two of these steps.
  explicit bounded_mean_sequence(double level = 0.95, double low = 0, double high = 1,
                                 size_t grid = usual_grid);

  /// @param value Values outside the bounds count as the bound.
  void add(double value);
  uint64_t count() const noexcept { return values_.count(); }
  /// The plain mean of the values. 0 for none. May lie outside confidence() by bad luck.
  double mean() const noexcept;
  /// Never grows. All there is between the bounds for no values.
  interval confidence() const noexcept;

private:
  struct capital {
    double above = 1; ///< Of who bets that the mean is above this point.
    double below = 1;
  };

  double point(size_t index) const noexcept;
  double next_bet() const noexcept;

  double alpha_;
  double low_;
  double scale_;
  std::vector<capital> capital_; ///< By point of the grid, ends included.
  size_t first_ = 0;             ///< Points that are not refuted.
  size_t last_;
  running_stats values_; ///< Scaled to 0..1.
  double squares_ = 0;   ///< Of the distances from the shrunk means.
};

/// An interval for a mean that holds at all times at once when there are enough values for the central limit
/// theorem: for values without bounds. Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, "Time-uniform central
/// limit theory and asymptotic confidence sequences", Annals of Statistics 2024, theorem 2.2:
///
///     mean -/+ s * sqrt(2 (n r^2 + 1) / (n^2 r^2) * ln(sqrt(n r^2 + 1) / alpha))
///
/// with s the standard deviation (divided by n) and r chosen so that it is narrowest near @p tightest_at
/// values (equation 61 there, Howard et al.'s rule). Not to be looked at before some dozens of values.
interval asymptotic_sequence_interval(double mean, double standard_deviation, uint64_t count,
                                      double level = 0.95, double tightest_at = 500) noexcept;

} // namespace assay::stats
