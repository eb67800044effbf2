#pragma once

#include "core/values/time.hpp"

#include <chrono>
#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <unordered_map>

namespace assay::server {

/// How many failures are forgiven.
struct attempt_limits {
  unsigned burst = 5;        ///< So many failures in a row cost nothing.
  seconds refill{30};        ///< After each such time one more is forgiven.
  size_t most_keys = 10'000; ///< Of which the state is kept.
};

/// Counts failures by key (an address, a user) as a leaking bucket and says how long a key that failed too
/// often has to wait. When too many keys are known, those that have recovered are forgotten; when none has,
/// every new key waits: an attacker with many addresses must not be able to flush the state of others.
class attempt_limiter {
public:
  using clock = std::function<std::chrono::steady_clock::time_point()>;

  attempt_limiter(attempt_limits limits, clock now) : limits_(limits), now_(std::move(now)) {}

  /// Takes one attempt in advance, so that parallel ones count too. @returns how long the key has to wait
  /// instead.
  std::optional<seconds> take(const std::string& key);

  /// Gives the attempt back: it succeeded.
  void forgive(const std::string& key);

private:
  /// When the bucket will be empty again.
  using empty_at = std::chrono::steady_clock::time_point;

  void forget_recovered(std::chrono::steady_clock::time_point now);

  attempt_limits limits_;
  clock now_;
  std::unordered_map<std::string, empty_at> buckets_;
};

} // namespace assay::server
