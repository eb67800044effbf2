#pragma once

#include "core/stats/running_stats.hpp"
#include "core/stats/sequential_tests.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>

namespace assay::experiments {

/// Whether two means differ, from differences that arrive one after the other: a bet on each, by what the
/// ones before were like. Fair where the expected difference is 0, so the capital reaches 1 / alpha with a
/// chance of at most alpha (Ville), whenever one looks. The bet is the aGRAPA of Waudby-Smith and Ramdas,
/// "Estimating means of bounded random variables by betting", JRSS-B 2024, appendix B.3:
///
///     capital = product of 1 + b_i d_i,   b_i = m / (v + m^2) within -1/2..1/2
///
/// with m and v the mean and variance before, shrunk towards 0 and 1/4.
class betting_difference {
public:
  /// @param difference Inside -1..1.
  void add(double difference) noexcept;
  double p() const noexcept { return p_; }

private:
  uint64_t count_ = 0;
  double sum_ = 0;
  double squares_ = 0;
  double capital_ = 0; ///< Logarithm.
  double p_ = 1;
};

/// The same for differences without bounds, by the central limit: the p at which the interval of
/// stats::asymptotic_sequence_interval() would just reach 0. Says nothing before `least` differences.
class asymptotic_difference {
public:
  static constexpr uint64_t least = 100;

  void add(double difference) noexcept;
  double p() const noexcept { return p_; }

private:
  stats::running_stats differences_;
  double p_ = 1;
};

/// What speaks against two variants being equally good, valid whenever one looks. Where they saw the same
/// units, by the pairs; otherwise in blocks, one of each, as large as the split makes them, in the order of
/// arrival. Memory is bounded: what is more than `most_waiting` blocks ahead of the other variant is set
/// aside.
class pair_evidence {
public:
  static constexpr size_t most_waiting = 1'000;

  enum class values : uint8_t {
    binary,    ///< 0 or 1.
    bounded,   ///< 0..1
    unbounded, ///< Any.
  };

  /// @param first_share, second_share Of the traffic, both above 0.
  pair_evidence(values kind, double first_share, double second_share) noexcept;

  void add_pair(double first, double second);
  void add_first(double value) { add(first_, second_, true, value); }
  void add_second(double value) { add(second_, first_, false, value); }

  /// Never rises.
  double p() const noexcept;
  /// first - second, of pairs or blocks.
  const stats::running_stats& differences() const noexcept { return differences_; }
  uint64_t set_aside() const noexcept { return set_aside_; }
  uint64_t only_first() const noexcept { return pairs_.only_first(); }
  uint64_t only_second() const noexcept { return pairs_.only_second(); }

private:
  struct side {
    uint32_t block = 1;
    uint32_t gathered = 0;
    double sum = 0;
    std::deque<double> waiting;
  };

  void add(side& mine, side& other, bool is_first, double value);
  void take(double first, double second);

  values kind_;
  side first_;
  side second_;
  stats::running_stats differences_;
  betting_difference bets_;
  asymptotic_difference limits_;
  stats::sequential_mcnemar pairs_;
  stats::sequential_two_proportions shares_;
  bool paired_ = false;
  uint64_t set_aside_ = 0;
};

} // namespace assay::experiments
