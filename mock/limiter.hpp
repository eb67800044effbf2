#pragma once

#include "mock/options.hpp"

#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

namespace assay::mock {

/// One limit as the headers show it.
struct limit_view {
  int64_t limit = 0;     ///< Per minute.
  int64_t remaining = 0; ///< Whole units free now.
  nanoseconds reset{0};  ///< Until the bucket is full again.
};

/// What the limiter says about one call.
struct limit_verdict {
  enum class cause : uint8_t { none = 0, requests = 1, tokens = 2, concurrent = 3, request_too_large = 4 };
  cause refused = cause::none;
  limit_view requests; ///< limit 0: no such limit.
  limit_view tokens;
  int64_t limit = 0; ///< Of the dimension that refused, per minute (concurrent: calls).
  int64_t used = 0;
  int64_t requested = 0;
  nanoseconds retry_after{0}; ///< Until the same call would pass, if nobody else calls.
};

/// Token buckets and calls in flight per key. A bucket of limit L holds L * burst / 60 s units, starts full
/// and gains L units a minute, continuously; integer arithmetic, so every header is exact. A refused call
/// takes nothing. Thread-safe.
class limiter {
public:
  explicit limiter(key_limits limits) : limits_(limits) {}

  /// Asks for one request of @p tokens tokens. When allowed, a call in flight is counted until release().
  limit_verdict acquire(std::string_view key, std::string_view model, uint64_t tokens, nanoseconds now);
  void release(std::string_view key, std::string_view model);
  /// Fills every bucket. Calls in flight stay counted.
  void reset();

private:
  struct bucket {
    int64_t level = 0; ///< Units times 60e9.
    nanoseconds at{0};
  };
  struct key_state {
    bucket requests, tokens;
    uint64_t in_flight = 0;
    bool fresh = true;
  };

  int64_t capacity(uint32_t limit) const noexcept;
  void refill(bucket& b, uint32_t limit, nanoseconds now) const noexcept;
  limit_view view(const bucket& b, uint32_t limit) const noexcept;
  key_state& state_of(std::string_view key, std::string_view model);

  key_limits limits_;
  std::mutex mutex_;
  std::unordered_map<std::string, key_state> keys_;
};

/// Writes a duration as the provider does: `0s`, `100ms`, `8.64s`, `6m0s`, `1h2m3s`; rounded up to
/// milliseconds.
std::string go_duration(nanoseconds duration);

} // namespace assay::mock
