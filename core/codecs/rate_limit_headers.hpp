#pragma once

#include "core/codecs/http_message.hpp"
#include "core/values/time.hpp"

#include <cstdint>
#include <optional>

namespace assay::codecs {

/// One dimension of a key's limit as the provider reports it. Every member may be missing.
struct rate_limit_reading {
  std::optional<uint64_t> limit;     ///< Per window; never 0.
  std::optional<uint64_t> remaining; ///< In the present window.
  std::optional<milliseconds> reset; ///< Until the bucket is full again, not until one slot is free.

  bool empty() const noexcept { return !limit && !remaining && !reset; }
  bool operator==(const rate_limit_reading&) const = default;
};

/// What an answer says about the key's limits.
struct rate_limit_report {
  rate_limit_reading requests;
  rate_limit_reading tokens;

  bool empty() const noexcept { return requests.empty() && tokens.empty(); }
  bool operator==(const rate_limit_report&) const = default;
};

/// Reads `x-ratelimit-{limit,remaining,reset}-{requests,tokens}`, and the form without a suffix as requests.
/// Resets come as Go durations (OpenAI), whole seconds (Azure), RFC 3339 or Unix time. A limit that is not a
/// positive number makes its whole dimension absent: some gateways send -1 and 0 when they know nothing.
/// @param now calendar time, for resets that name a point in time.
rate_limit_report read_rate_limits(const http_headers& headers, wall_time now);

} // namespace assay::codecs
