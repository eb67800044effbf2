#include "core/control/token_calibration.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace assay::control {

namespace {

constexpr double newest_share = 0.05;
/// Nobody's tokens are so many times, or so small a part of, what the characters say.
constexpr double most_log_factor = 3.5; // 33 times
/// How far a count may be from the mean and still pull by all of its distance.
constexpr double wide_bound = 1.4;    // Four times, as long as little is known.
constexpr double narrow_bound = 0.35; // One and a half times.
constexpr uint32_t little_known = 8;
constexpr double largest_error = 5;

/// The mean of all at first, and then of the newest.
double share_of_newest(uint32_t observations) noexcept {
  return std::max(newest_share, 1.0 / static_cast<double>(observations));
}

} // namespace

token_calibration::token_calibration(const token_calibration_record& past) noexcept : record_(past) {
  const bool possible = std::isfinite(past.log_factor) && std::abs(past.log_factor) <= most_log_factor
                        && std::isfinite(past.error) && past.error >= 0;
  if (!possible || past.observations == 0)
    record_ = {};
}

void token_calibration::observe(uint32_t estimated, uint32_t counted) noexcept {
  if (estimated == 0 || counted == 0)
    return;
  const double guess = factor() * estimated;
  const double error = std::min(std::abs(guess - counted) / counted, largest_error);
  const bool settled = record_.observations >= little_known;
  if (record_.observations < std::numeric_limits<uint32_t>::max())
    ++record_.observations;
  const double share = share_of_newest(record_.observations);
  record_.error += share * (error - record_.error);
  const double bound = settled ? narrow_bound : wide_bound;
  const double distance = std::log(static_cast<double>(counted) / estimated) - record_.log_factor;
  record_.log_factor += share * std::clamp(distance, -bound, bound);
  record_.log_factor = std::clamp(record_.log_factor, -most_log_factor, most_log_factor);
}

double token_calibration::factor() const noexcept { return std::exp(record_.log_factor); }

uint32_t token_calibration::apply(uint32_t estimated) const noexcept {
  if (estimated == 0)
    return 0;
  constexpr double most = std::numeric_limits<uint32_t>::max();
  return static_cast<uint32_t>(std::clamp(std::round(factor() * estimated), 1.0, most));
}

std::optional<double> token_calibration::error() const noexcept {
  if (record_.observations == 0)
    return std::nullopt;
  return record_.error;
}

} // namespace assay::control
