#include "server/auth/attempt_limiter.hpp"

#include <algorithm>

namespace assay::server {

std::optional<seconds> attempt_limiter::take(const std::string& key) {
  const auto now = now_();
  auto it = buckets_.find(key);
  if (it == buckets_.end()) {
    if (buckets_.size() >= limits_.most_keys)
      forget_recovered(now);
    if (buckets_.size() >= limits_.most_keys)
      return limits_.refill;
    it = buckets_.emplace(key, now).first;
  }
  const auto full = std::max(it->second, now) + limits_.refill;
  const auto allowed = now + limits_.refill * limits_.burst;
  if (full > allowed)
    return std::chrono::ceil<seconds>(full - allowed);
  it->second = full;
  return std::nullopt;
}

void attempt_limiter::forgive(const std::string& key) {
  const auto it = buckets_.find(key);
  if (it == buckets_.end())
    return;
  it->second -= limits_.refill;
  if (it->second <= now_())
    buckets_.erase(it);
}

void attempt_limiter::forget_recovered(std::chrono::steady_clock::time_point now) {
  std::erase_if(buckets_, [&](const auto& entry) { return entry.second <= now; });
}

} // namespace assay::server
