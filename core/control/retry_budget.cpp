#include "core/control/retry_budget.hpp"

#include <algorithm>
#include <numeric>

namespace assay::control {

void retry_budget::advance(steady_time now) noexcept {
  const int64_t second = std::chrono::floor<seconds>(now.time_since_epoch()).count();
  if (second <= newest_)
    return;
  const auto passed = std::min(second - newest_, slices);
  for (int64_t i = 0; i < passed; ++i)
    credits_[static_cast<size_t>((second - i) % slices)] = 0;
  newest_ = second;
}

double retry_budget::available(steady_time now) noexcept {
  advance(now);
  const double reserve = minimum_per_second_ * static_cast<double>(slices);
  return std::max(0.0, reserve + std::accumulate(credits_.begin(), credits_.end(), 0.0));
}

void retry_budget::request_sent(steady_time now) noexcept {
  advance(now);
  credits_[static_cast<size_t>(newest_ % slices)] += share_;
}

bool retry_budget::try_retry(steady_time now) noexcept {
  // The sum of many fifths falls just short of a whole number.
  constexpr double rounding = 1e-6;
  if (available(now) + rounding < 1.0)
    return false;
  credits_[static_cast<size_t>(newest_ % slices)] -= 1.0;
  return true;
}

} // namespace assay::control
