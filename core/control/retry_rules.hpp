#pragma once

#include "core/values/errors.hpp"
#include "core/values/time.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string_view>

namespace assay::control {

/// How the wait grows from try to try. With k retries made before, base b and cap c:
enum class retry_strategy : uint8_t {
  exponential = 1,  ///< U(0, min(c, b*2^k)): full jitter.
  equal_jitter = 2, ///< t/2 + U(0, t/2) with t = min(c, b*2^k): never less than half.
  linear = 3,       ///< t/2 + U(0, t/2) with t = min(c, b*(k+1)).
  immediate = 4,    ///< Nothing before the first retry, then linear from t = min(c, b*k).
};

std::string_view to_string(retry_strategy strategy) noexcept;
std::optional<retry_strategy> retry_strategy_from_string(std::string_view name) noexcept;

/// One row of the table.
struct retry_rule {
  retry_strategy strategy = retry_strategy::exponential;
  milliseconds base{500};
  milliseconds cap{20'000};
  uint16_t attempts = 5; ///< Tries in all, the first included; 1 means no retry. More than 5 count as 5.
  /// Random share of the wait, 0..1, in place of the strategy's own (exponential 1, the others 0.5).
  std::optional<double> jitter;

  bool operator==(const retry_rule&) const = default;
};

/// What is known about a call when a try of it has failed.
struct failed_try {
  errc error = errc::internal;
  uint16_t attempts = 1;    ///< Tries made, this one included, deferrals not.
  uint16_t deferrals = 0;   ///< Times the call was sent back to the waiting line before (429, breaker).
  milliseconds deferred{0}; ///< The sum of those waits.
  uint16_t possibly_billed_tries =
      0; ///< Tries that ended after their request was written, this one included.
  std::optional<milliseconds> retry_after; ///< The provider's, from now on.
};

/// What to do about it.
struct retry_decision {
  bool retry = false;
  milliseconds wait{0};
  /// Where the next try goes. wait: back into the waiting line, holding nothing. other_key and
  /// other_provider: never to the same key or provider again; without another one the call has failed.
  retry_class how = retry_class::never;
  /// Whether the next try counts as an attempt. False for deferrals.
  bool burns_attempt = true;
  std::string_view reason; ///< A constant sentence for the record of the call.
};

/// Decides about failed tries from a table of rules by error class. Holds no state.
///
/// Defaults: transient errors exponential, 0.5 s, cap 20 s, 5 tries; 429 without Retry-After equal jitter, 1
/// s, cap 60 s (full jitter would burn through short waits against a limit per minute).
class retry_rules {
public:
  static constexpr uint16_t most_attempts = 5;

  /// Tries that may be possibly billed before one more would be refused: at most one after the first.
  uint16_t possibly_billed_tries = 2;

  /// How long one call may be deferred in all, and the longest Retry-After that is waited for.
  milliseconds longest_deferral = std::chrono::minutes{15};

  /// Replaces the rule for @p code. A rule also makes a provider error retryable that is not by default.
  /// Faults on codes that no retry can help (a cancelled run, a full disk, ...) and on waits or jitter out of
  /// range.
  result<void> set(errc code, const retry_rule& rule);

  /// @returns the rule in force for @p code.
  const retry_rule& rule_for(errc code) const noexcept;

  /// @param random01 Uniform in [0, 1).
  retry_decision decide(const failed_try& failed, double random01) const noexcept;

private:
  retry_decision defer(const failed_try& failed, double random01) const noexcept;

  std::map<errc, retry_rule> rules_;
};

/// @returns the wait before the next try. @param retries Made before, from 0.
milliseconds backoff(const retry_rule& rule, unsigned retries, double random01) noexcept;

/// @returns Retry-After plus U(0, max(0.25 s, 0.1 * Retry-After)), so that waiting calls do not come back as
/// one.
milliseconds spread(milliseconds retry_after, double random01) noexcept;

} // namespace assay::control
