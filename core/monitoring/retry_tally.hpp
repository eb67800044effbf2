#pragma once

#include "core/control/retry_rules.hpp"
#include "core/values/ids.hpp"
#include "core/values/time.hpp"

#include <array>
#include <compare>
#include <cstdint>
#include <map>
#include <vector>

namespace assay::monitoring {

/// Which half of the waits that its rule could have drawn a retry waited.
enum class wait_half : uint8_t { unknown = 0, shorter = 1, longer = 2 };

/// One failed try of a call that has ended.
struct failed_try_seen {
  errc error = errc::internal;
  control::retry_strategy strategy = control::retry_strategy::exponential; ///< Of the rule that decided.
  milliseconds waited{0};                                                  ///< Before the next try.
  wait_half half = wait_half::unknown;

  bool operator==(const failed_try_seen&) const = default;
};

/// What retries are counted by.
struct retry_subject {
  provider_id provider;
  errc error = errc::internal;
  control::retry_strategy strategy = control::retry_strategy::exponential;

  auto operator<=>(const retry_subject&) const = default;
};

/// Retries, and how many of them ended with an answer.
struct retry_outcomes {
  uint64_t made = 0;
  uint64_t succeeded = 0;

  bool operator==(const retry_outcomes&) const = default;
};

/// What came of the tries that failed in one way.
struct retry_counts {
  static constexpr size_t numbers = control::retry_rules::most_attempts - 1;

  uint64_t failed = 0;    ///< Tries.
  retry_outcomes retries; ///< The tries that came right after them.
  uint64_t given_up = 0;  ///< Calls that ended there, without an answer.
  milliseconds waited{0}; ///< Before the retries, in sum.
  /// The call's first retry, its second, ...; the last place has all further ones too.
  std::array<retry_outcomes, numbers> by_number{};
  /// After waits in the shorter and in the longer half of what the rule draws. A draw decides which, so a
  /// difference between the two is the wait's.
  retry_outcomes after_shorter;
  retry_outcomes after_longer;

  bool operator==(const retry_counts&) const = default;
};

/// Ended calls of one provider.
struct retried_calls {
  uint64_t calls = 0;
  uint64_t at_once = 0;   ///< Answered at the first try.
  uint64_t recovered = 0; ///< Answered after a retry.
  uint64_t given_up = 0;

  bool operator==(const retried_calls&) const = default;
};

/// Counts what retries bring. Bounded by providers times errors times strategies.
class retry_tally {
public:
  /// @param forget_at So many failed tries of one subject halve its counts, so that the newer ones decide; 0
  /// never forgets.
  explicit retry_tally(uint64_t forget_at = 0) : forget_at_(forget_at) {}

  /// One call that has ended, with its failed tries in order. @param answered Whether the try after them
  /// brought an answer.
  void add(const provider_id& provider, const std::vector<failed_try_seen>& failed, bool answered);

  /// Begins anew for one error: what was seen under another rule says nothing about this one.
  void forget(const provider_id& provider, errc error);

  const std::map<retry_subject, retry_counts>& subjects() const noexcept { return subjects_; }
  const std::map<provider_id, retried_calls>& providers() const noexcept { return providers_; }

private:
  uint64_t forget_at_;
  std::map<retry_subject, retry_counts> subjects_;
  std::map<provider_id, retried_calls> providers_;
};

} // namespace assay::monitoring
