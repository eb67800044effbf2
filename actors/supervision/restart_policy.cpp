#include "actors/supervision/restart_policy.hpp"

#include <algorithm>

namespace assay {

std::optional<std::chrono::milliseconds> restart_policy::on_fall(std::chrono::steady_clock::time_point now,
                                                                 double random01) {
  while (!falls_.empty() && now - falls_.front() > limits_.period)
    falls_.pop_front();
  if (falls_.size() >= limits_.intensity)
    return std::nullopt;
  falls_.push_back(now);
  auto wait = limits_.base;
  for (size_t i = 1; i < falls_.size() && wait < limits_.cap; ++i)
    wait *= 2;
  wait = std::min(wait, limits_.cap);
  const double jittered = static_cast<double>(wait.count()) * (1.0 + 0.2 * random01);
  return std::chrono::milliseconds{static_cast<std::chrono::milliseconds::rep>(jittered)};
}

} // namespace assay
