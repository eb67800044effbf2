#pragma once

#include "mock/options.hpp"

#include <nlohmann/json_fwd.hpp>

#include <array>
#include <atomic>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace assay::mock {

/// One limit as the headers show it.
struct limit_view {
  int64_t limit = 0;     ///< Per minute (requests_per_second: per second); 0: no such limit.
  int64_t remaining = 0; ///< Whole units free now.
  nanoseconds reset{0};  ///< Until the bucket is full again.
};

/// What one call takes.
struct token_demand {
  uint64_t total = 0;  ///< Of tokens_per_minute.
  uint64_t input = 0;  ///< Of input_tokens_per_minute.
  uint64_t output = 0; ///< Of output_tokens_per_minute.
};

/// What the limiter says about one call.
struct limit_verdict {
  enum class cause : uint8_t {
    none = 0,
    requests = 1,
    tokens = 2,
    concurrent = 3,
    request_too_large = 4, ///< More tokens than the bucket can ever hold: waiting does not help.
    requests_per_second = 5,
    input_tokens = 6,
    output_tokens = 7,
  };
  cause refused = cause::none;
  limit_view requests;
  limit_view tokens;
  limit_view input_tokens;
  limit_view output_tokens;
  int64_t limit = 0; ///< Of the dimension that refused, per its period (concurrent: calls).
  int64_t used = 0;
  int64_t requested = 0;
  nanoseconds retry_after{0}; ///< Until the same call would pass, if nobody else calls.
};

std::string_view to_string(limit_verdict::cause cause) noexcept;

/// Token buckets and calls in flight per key, or per key and model. A bucket of limit L per minute holds
/// L * burst / 60 s units, starts full and gains L units a minute, continuously; one of requests per second
/// holds one second's worth. This is the generic cell rate algorithm, seen from its other side, and what
/// OpenAI and Anthropic say they do. Integer arithmetic, so every header is exact. A refused call takes
/// nothing. Thread-safe.
class limiter {
public:
  /// @param rules the first that fits key and model decides; else @p defaults.
  explicit limiter(key_limits defaults, std::vector<limit_rule> rules = {});

  /// Asks for one request. When allowed, a call in flight is counted until release().
  limit_verdict acquire(std::string_view key, std::string_view model, const token_demand& demand,
                        nanoseconds now);
  void release(std::string_view key, std::string_view model);
  /// The first rules again, every bucket full, and nothing counted but calls in flight (unless the rules were
  /// others).
  void reset();
  /// Other rules from now on; every counter begins anew.
  void replace(std::vector<limit_rule> rules);
  /// {algorithm, defaults, rules, counters: [{key_hash, model, requests: {limit, remaining, reset_ms}, ...,
  /// in_flight, admitted, refused: {cause: n}}]}
  nlohmann::json to_json(nanoseconds now) const;

private:
  /// What a bucket counts; the order is the order of the checks.
  enum dimension : uint8_t { per_second, requests, tokens, input, output, dimensions };
  struct bucket {
    int64_t level = 0; ///< Units times the period in nanoseconds.
    nanoseconds at{0};
  };
  struct counter {
    std::array<bucket, dimensions> buckets;
    uint32_t rule = 0; ///< Index into rules_; rules_.size(): the defaults.
    std::string key;
    std::string model; ///< Empty when all models count together.
    uint64_t in_flight = 0;
    uint64_t admitted = 0;
    std::array<uint64_t, 8> refused{};
    bool fresh = true;
  };
  struct shape;

  const key_limits& limits_of(const counter& c) const noexcept;
  counter& counter_of(std::string_view key, std::string_view model);
  void note_activity();

  const key_limits defaults_;
  const std::vector<limit_rule> first_rules_;
  std::atomic<bool> active_{false}; ///< Spares the lock when nothing is limited.
  mutable std::mutex mutex_;
  std::vector<limit_rule> rules_;
  std::unordered_map<std::string, counter> counters_;
};

/// Writes a duration as OpenAI does: `0s`, `100ms`, `8.64s`, `6m0s`, `1h2m3s`; rounded up to milliseconds.
std::string go_duration(nanoseconds duration);

} // namespace assay::mock
