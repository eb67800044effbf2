#include "core/stats/running_stats.hpp"

#include <algorithm>
#include <cmath>

namespace assay::stats {

void running_stats::add(double value) noexcept {
  minimum_ = count_ == 0 ? value : std::min(minimum_, value);
  maximum_ = count_ == 0 ? value : std::max(maximum_, value);
  ++count_;
  const double before = value - mean_;
  mean_ += before / static_cast<double>(count_);
  squares_ += before * (value - mean_);
}

void running_stats::merge(const running_stats& other) noexcept {
  if (other.count_ == 0)
    return;
  if (count_ == 0) {
    *this = other;
    return;
  }
  const auto mine = static_cast<double>(count_);
  const auto theirs = static_cast<double>(other.count_);
  const double distance = other.mean_ - mean_;
  mean_ += distance * theirs / (mine + theirs);
  squares_ += other.squares_ + distance * distance * mine * theirs / (mine + theirs);
  count_ += other.count_;
  minimum_ = std::min(minimum_, other.minimum_);
  maximum_ = std::max(maximum_, other.maximum_);
}

double running_stats::variance() const noexcept {
  return count_ < 2 ? 0 : std::max(0.0, squares_ / static_cast<double>(count_ - 1));
}

double running_stats::standard_deviation() const noexcept { return std::sqrt(variance()); }

double running_stats::standard_error() const noexcept {
  return count_ < 2 ? 0 : std::sqrt(variance() / static_cast<double>(count_));
}

} // namespace assay::stats
