#pragma once

#include "core/control/gcra.hpp"
#include "core/control/refusal_pace.hpp"
#include "core/values/model.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace assay::control {

/// What providers limit.
enum class limit_dimension : uint8_t {
  requests_per_second = 0,
  requests_per_minute = 1,
  tokens_per_minute = 2, ///< Input and output together.
  input_tokens_per_minute = 3,
  output_tokens_per_minute = 4,
  requests_per_day = 5,
};

inline constexpr size_t limit_dimensions = 6;

std::string_view to_string(limit_dimension dimension) noexcept;

/// What one call needs, estimated before it and counted after it.
struct call_demand {
  uint64_t requests = 1;
  uint64_t input_tokens = 0;
  uint64_t output_tokens = 0;

  bool operator==(const call_demand&) const = default;
};

enum class admission_kind : uint8_t {
  admitted = 1, ///< Charged and holding a slot: release() must follow.
  wait = 2,     ///< Nothing was charged; ask again after `wait`.
  no_slot = 3,  ///< Nothing was charged; ask again after the next release().
};

struct admission {
  admission_kind kind = admission_kind::admitted;
  nanoseconds wait{0};
  /// The dimension with the longest wait. Nothing when the set is closed by a Retry-After, or waits for the
  /// pace that refusals have taught it.
  std::optional<limit_dimension> blocked_by;
};

/// What survives a restart of the limiter.
struct limit_set_state {
  std::array<std::optional<gcra_state>, limit_dimensions> buckets;
  nanoseconds closed_for{0};
  std::optional<refusal_pace_state> pace;
};

/// All limits of one (key, model). A call is admitted iff every dimension admits it, and is then charged in
/// all of them; otherwise it is charged in none.
class limit_set {
public:
  /// @param start_empty Pass true unless nothing was sent with this key before.
  limit_set(const rate_limits& limits, bool start_empty, steady_time now);

  /// Goes on from @p state, exported @p elapsed ago. Calls in flight are not part of it.
  limit_set(const rate_limits& limits, const limit_set_state& state, steady_time now,
            nanoseconds elapsed = {});

  /// Between the export of the state that this set goes on from and now, something may have been sent: no
  /// burst is left for it.
  void spend_burst(steady_time now) noexcept;

  admission acquire(const call_demand& demand, steady_time now) noexcept;

  /// @returns how long @p demand would have to wait for the rates alone.
  nanoseconds wait_for(const call_demand& demand, steady_time now) const noexcept;

  /// Frees the slot of one admitted call.
  void release() noexcept;

  /// Replaces the estimate of one admitted call by what it really used.
  void settle(const call_demand& estimate, const call_demand& actual, steady_time now) noexcept;

  /// Rate-limit headers. A limit of an unknown dimension is learned; see gcra_bucket::sync for @p remaining,
  /// which is the header's number minus what was sent after the request that brought it.
  void learn(limit_dimension dimension, std::optional<uint64_t> limit, std::optional<uint64_t> remaining,
             steady_time now);

  /// Admits nothing before @p until (429 with Retry-After). Never shortens an earlier closure.
  void close_until(steady_time until) noexcept;

  /// A 429 came that no header foretold.
  void distrust(steady_time now) noexcept;

  /// Calls were answered. Where no limit is known, their number a second is what refusals are paced by.
  void answered(uint64_t calls, steady_time now);

  /// As distrust(). Where no limit is known, the set keeps to a pace from now on; see refusal_pace.
  /// @param closed_for The 429's Retry-After.
  void refused(steady_time now, nanoseconds closed_for);

  /// @returns the pace in force, in calls per second.
  std::optional<double> pace(steady_time now) const noexcept { return taught_.per_second(now); }

  /// @param slots Calls in flight; 0 means no cap.
  void set_slots(uint32_t slots) noexcept { slots_ = slots; }

  uint32_t slots_in_use() const noexcept { return in_use_; }
  const gcra_bucket* bucket(limit_dimension dimension) const noexcept;
  limit_set_state export_state(steady_time now) const noexcept;

private:
  bool knows_a_limit() const noexcept;
  void follow_pace(steady_time now);

  std::array<std::optional<gcra_bucket>, limit_dimensions> buckets_;
  refusal_pace taught_;
  std::optional<gcra_bucket> pace_; ///< Keeps to `taught_`.
  steady_time closed_until_ = steady_time::min();
  uint32_t slots_ = 0;
  uint32_t in_use_ = 0;
};

} // namespace assay::control
