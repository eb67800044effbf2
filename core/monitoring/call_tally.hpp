#pragma once

#include "core/stats/latency_histogram.hpp"
#include "core/values/errors.hpp"
#include "core/values/model.hpp"
#include "core/values/money.hpp"
#include "core/values/sample.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

/// What is known of calls to models: counted in windows, judged by thresholds, turned into advice.
namespace assay::monitoring {

/// One ended call as it is counted.
struct counted_call {
  std::optional<errc> error;
  microseconds duration{0};          ///< As the caller of the provider saw it.
  std::optional<call_timing> timing; ///< Nothing for calls that were made elsewhere.
  token_usage usage;
  std::optional<money> cost;     ///< Nothing when prices are unknown.
  std::optional<double> quality; ///< 0..1
  uint16_t tries = 1;            ///< The last one included.
  bool external = false;         ///< Made elsewhere and reported.
  bool batched = false;          ///< Answered by a batch: has no duration that could be compared.
};

/// Counts of many calls; tallies of parts of a time add up to that of the whole.
struct call_tally {
  uint64_t calls = 0;
  uint64_t failures = 0;
  uint64_t retries = 0;
  uint64_t external = 0;
  std::map<errc, uint64_t> errors;
  uint64_t prompt_tokens = 0;
  uint64_t completion_tokens = 0;
  money cost;
  uint64_t unpriced = 0; ///< Answered calls whose cost is unknown.
  uint64_t judged = 0;   ///< Calls with a quality.
  double quality_sum = 0;
  uint64_t judged_priced = 0; ///< Those of them whose cost is known:
  double priced_quality_sum = 0;
  money judged_cost;
  uint64_t timed = 0; ///< Calls whose way is known in parts, and the sums of these:
  call_timing time_spent;
  stats::latency_histogram latency; ///< Of every call that was not batched.

  void add(const counted_call& call);
  /// A verdict on an answer that was counted before.
  void add_quality(double quality, std::optional<money> call_cost);
  void merge(const call_tally& other);
  bool empty() const noexcept { return calls == 0 && judged == 0; }
};

/// The stored form: JSON text.
std::string to_text(const call_tally& tally);
/// @returns nothing for a text that to_text() has not written.
std::optional<call_tally> tally_from_text(std::string_view text);

} // namespace assay::monitoring
