#pragma once

#include "core/stats/intervals.hpp"
#include "core/stats/running_stats.hpp"

#include <cstdint>
#include <span>
#include <string_view>

namespace assay::stats {

/// How a summary's interval was made.
enum class interval_method : uint8_t {
  none = 0,      ///< Fewer than one value for a proportion, fewer than two for a mean.
  student_t = 1, ///< t_interval().
  wilson = 2,    ///< wilson_interval(): every value is 0 or 1.
};

std::string_view to_string(interval_method method) noexcept;

/// What a list of scores says about the mean behind it.
struct summary {
  uint64_t count = 0;
  double mean = 0;
  double standard_deviation = 0; ///< Of the sample, n - 1.
  double standard_error = 0;     ///< Of the mean, from the sample's deviation also for proportions.
  interval confidence;           ///< 95 %. Both ends are the mean when the method is none.
  interval_method method = interval_method::none;
  double minimum = 0;
  double maximum = 0;
};

/// Builds a summary of a stream in constant memory; parts can be merged.
class score_accumulator {
public:
  void add(double value) noexcept;
  void merge(const score_accumulator& other) noexcept;
  uint64_t count() const noexcept { return values_.count(); }
  double mean() const noexcept { return values_.mean(); }
  summary finish() const noexcept;

private:
  running_stats values_;
  uint64_t ones_ = 0;
  uint64_t zeros_ = 0;
};

summary summarise(std::span<const double> values) noexcept;

} // namespace assay::stats
