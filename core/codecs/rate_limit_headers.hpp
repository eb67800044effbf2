#pragma once

#include "core/codecs/http_message.hpp"
#include "core/values/time.hpp"

#include <cstdint>
#include <optional>
#include <string_view>

namespace assay::codecs {

/// One dimension of a key's limit as the provider reports it. Every member may be missing.
struct rate_limit_reading {
  std::optional<uint64_t> limit;     ///< Per window; never 0.
  std::optional<uint64_t> remaining; ///< In the present window.
  std::optional<milliseconds> reset; ///< Until the bucket is full again, not until one slot is free.
  /// Of limit and remaining, where the answer lets it be known; a minute is usual.
  std::optional<seconds> window = std::nullopt;

  bool empty() const noexcept { return !limit && !remaining && !reset; }
  bool operator==(const rate_limit_reading&) const = default;
};

/// What an answer says about the key's limits.
struct rate_limit_report {
  rate_limit_reading requests;
  rate_limit_reading tokens;
  rate_limit_reading input_tokens = {}; ///< Where the two directions are limited apart (Anthropic).
  rate_limit_reading output_tokens = {};

  bool empty() const noexcept {
    return requests.empty() && tokens.empty() && input_tokens.empty() && output_tokens.empty();
  }
  bool operator==(const rate_limit_report&) const = default;
};

/// Reads one dimension from the values of its three headers; see read_rate_limits.
rate_limit_reading read_rate_limit(std::string_view limit, std::string_view remaining, std::string_view reset,
                                   wall_time now);

/// Reads `x-ratelimit-{limit,remaining,reset}-{requests,tokens}`, and the form without a suffix as requests.
/// Resets come as Go durations (OpenAI), whole seconds (Azure), RFC 3339 or Unix time. A limit that is not a
/// positive number makes its whole dimension absent: some gateways send -1 and 0 when they know nothing.
/// The window is what Azure calls renewal period. Groq, and OpenAI for small accounts, count requests per day
/// under the same names; the only sign is a reset that is further away than any minute could put it.
/// @param now calendar time, for resets that name a point in time.
rate_limit_report read_rate_limits(const http_headers& headers, wall_time now);

} // namespace assay::codecs
