#pragma once

#include "core/control/clock.hpp"
#include "core/values/errors.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace assay::control {

enum class breaker_state : uint8_t {
  closed = 1,    ///< Calls pass and are counted.
  open = 2,      ///< Nothing passes.
  half_open = 3, ///< A few probes pass.
};

std::string_view to_string(breaker_state state) noexcept;

/// What a call says about the health of its target.
enum class breaker_outcome : uint8_t {
  success = 1,     ///< The target answered, be it with a refusal of this request.
  failure = 2,     ///< 5xx, 529, time-outs, broken answers.
  neutral = 3,     ///< Says nothing: 429, key problems, cancelled calls, our own failures.
  unreachable = 4, ///< A failure: no connection comes about, so nothing was asked.
};

/// @returns what a call that ended with @p code says.
breaker_outcome breaker_outcome_of(errc code) noexcept;

struct breaker_options {
  double failure_share = 0.5;  ///< Trips at this share ...
  uint32_t minimum_calls = 20; ///< ... of at least so many calls ...
  seconds window{30};          ///< ... in this time, at most 60 s.
  /// Trips also when so many calls one after another found no connection: a long good past must not keep it
  /// closed while each new call is lost.
  uint32_t unreachable_in_a_row = 20;
  nanoseconds first_open = std::chrono::seconds{5};
  nanoseconds longest_open = std::chrono::seconds{60}; ///< Each failed probing doubles the time up to this.
  double jitter = 0.2;                                 ///< Up to this share is added to the time.
  /// A probing without a result for so long has failed: its caller is gone. Longer than any call's deadline.
  nanoseconds probe_deadline = std::chrono::minutes{11};
};

/// What survives a restart. Half open is kept as open with nothing left to wait.
struct breaker_record {
  bool open = false;
  nanoseconds open_for{0}; ///< The present length of the open state, before jitter.
  nanoseconds left{0};     ///< Until the first probe.

  bool operator==(const breaker_record&) const = default;
};

/// Leave for one call, to be handed back with its outcome.
struct breaker_permit {
  uint64_t phase = 0; ///< Outcomes from an earlier phase no longer count.
};

/// Circuit breaker of one (provider, model). Trips at >= 50 % failures of >= 20 calls in 30 s, and when 20
/// calls one after another found no connection; is open for 5 s doubling to 60 s, then lets 1, 2 and 4 probes
/// through; when all of a stage have succeeded the next begins, after the last it closes. One failed probe
/// opens it again. A 429 never trips it.
class breaker {
public:
  explicit breaker(const breaker_options& options = {}) noexcept;
  breaker(const breaker_options& options, const breaker_record& record, steady_time now,
          nanoseconds elapsed = {}) noexcept;

  /// @returns leave to make one call, or nothing while it must not be made. Each permit is handed back by
  /// record().
  std::optional<breaker_permit> try_acquire(steady_time now) noexcept;

  /// @param random01 Uniform in [0, 1), for the jitter of the open time.
  void record(breaker_permit permit, breaker_outcome outcome, steady_time now, double random01) noexcept;

  breaker_state state() const noexcept { return state_; }

  /// @returns how long until a probe may be made; zero when calls pass or probes are out.
  nanoseconds retry_in(steady_time now) const noexcept;

  breaker_record export_state(steady_time now) const noexcept;

private:
  static constexpr size_t most_slices = 60;
  static constexpr std::array<uint32_t, 3> stages{1, 2, 4};

  struct slice {
    int64_t second = -1;
    uint32_t calls = 0;
    uint32_t failures = 0;
  };

  void count(bool failed, steady_time now) noexcept;
  bool should_trip(steady_time now) const noexcept;
  void open(nanoseconds length, steady_time now, double random01) noexcept;
  void begin_stage(size_t stage, steady_time now) noexcept;
  void close() noexcept;

  breaker_options options_;
  breaker_state state_ = breaker_state::closed;
  uint64_t phase_ = 1;
  std::array<slice, most_slices> slices_{};
  uint32_t unreachable_ = 0; ///< Calls without a connection since the last that had one.
  nanoseconds open_for_{0};
  steady_time open_until_{};
  size_t stage_ = 0;
  uint32_t probes_out_ = 0;
  uint32_t probes_passed_ = 0;
  steady_time last_probe_{};
};

} // namespace assay::control
