#pragma once

#include "core/stats/hypothesis_tests.hpp"

#include <cstdint>
#include <deque>

namespace assay::stats {

/// Tests that one may look at after every observation: the chance that p ever falls to alpha where nothing
/// differs is at most alpha, however long the data comes in (Ville's inequality: evidence that starts at 1
/// and is not expected to grow reaches 1 / alpha with a chance of at most alpha). p never rises.

/// McNemar's test, exact at all times: of the pairs that disagree, each goes to the second with chance 1/2.
/// The evidence is the likelihood under a uniform share over that under 1/2: 2^n B(first + 1, second + 1)
/// (Robbins 1970; a beta mixture).
class sequential_mcnemar {
public:
  /// Pairs that agree say nothing and need not be told.
  void add(bool first_is_right, bool second_is_right) noexcept;
  double p() const noexcept { return p_; }
  uint64_t only_first() const noexcept { return only_first_; }
  uint64_t only_second() const noexcept { return only_second_; }

private:
  uint64_t only_first_ = 0;
  uint64_t only_second_ = 0;
  double p_ = 1;
};

/// Two independent streams of successes and failures, exact at all times. Turner, Ly and Gruenwald, "Generic
/// E-variables for exact sequential k-sample tests that allow for optional stopping" (2024): observations are
/// taken in blocks of one from each stream; the evidence grows by
///
///     f(x; a) f(y; b) / (f(x; (a + b) / 2) f(y; (a + b) / 2)),   f(x; s) = s^x (1 - s)^(1 - x)
///
/// with a and b the streams' shares so far, shrunk towards 1/2 by the beta prior 0.18 that the authors found
/// best.
class sequential_two_proportions {
public:
  void add_first(bool success);
  void add_second(bool success);
  double p() const noexcept { return p_; }
  /// As counted in whole blocks.
  const proportion& first() const noexcept { return first_; }
  const proportion& second() const noexcept { return second_; }
  uint64_t waiting() const noexcept { return early_.size(); }

private:
  void add(bool is_first, bool success);
  void take(bool first, bool second) noexcept;

  std::deque<bool> early_; ///< Of the stream that is ahead.
  bool first_is_ahead_ = false;
  proportion first_;
  proportion second_;
  double evidence_ = 0; ///< Logarithm.
  double p_ = 1;
};

/// The mixture sequential probability ratio test of two proportions (Johari, Koomen, Pekelis and Walsh,
/// "Always Valid Inference", Operations Research 2022): with d the difference of the shares, V its estimated
/// variance p1 (1 - p1) / n1 + p2 (1 - p2) / n2 and tau the deviation of the differences one expects,
///
///     evidence = sqrt(V / (V + tau^2)) * exp(tau^2 d^2 / (2 V (V + tau^2)))
///
/// For large counts: it says nothing before both streams have `least` observations and five successes and
/// five failures between them. Finds differences sooner than the exact test, and gives an interval.
class mixture_sprt {
public:
  /// @param tau > 0. @param least Of each stream.
  explicit mixture_sprt(double tau = 0.1, uint64_t least = 50) noexcept : tau_(tau), least_(least) {}

  /// @param first, second Everything so far.
  void update(const proportion& first, const proportion& second) noexcept;
  double p() const noexcept { return p_; }
  /// Of first - second, at this moment: d -/+ sqrt(2 V (V + tau^2) / tau^2 * ln(sqrt((V + tau^2) / V) /
  /// alpha)).
  /// [-1, 1] while nothing can be said.
  interval confidence(double level = 0.95) const noexcept;

private:
  double tau_;
  uint64_t least_;
  double difference_ = 0;
  double variance_ = 0; ///< 0 while nothing can be said.
  double p_ = 1;
};

} // namespace assay::stats
