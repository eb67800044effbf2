#pragma once

#include "core/control/clock.hpp"

#include <cstdint>

namespace assay::control {

/// What one bucket limits: `limit` units per `window`.
struct gcra_options {
  uint64_t limit = 0; ///< Units per window; 0 means that no limit is known: everything is admitted.
  nanoseconds window = std::chrono::minutes{1};
  /// How much of the window may be spent at once: B = max(1, limit * burst_window / window) units.
  nanoseconds burst_window = std::chrono::seconds{1};
  /// A limiter that does not know what was sent before it must start empty, or a restart doubles the burst.
  bool start_empty = false;
  double safety_factor = 0.95; ///< Share of the limit that is used while the limit is not trusted.
  nanoseconds distrust_time = std::chrono::minutes{10}; ///< After a 429 that no header foretold.
};

/// What survives a restart of the limiter. Durations count from the moment of export, not from a clock's
/// origin.
struct gcra_state {
  uint64_t limit = 0;
  nanoseconds pace_debt{0};
  nanoseconds provider_debt{0};
  bool confirmed = false;
  nanoseconds distrust_left{0};

  bool operator==(const gcra_state&) const = default;
};

/// Rate limit over one dimension by the generic cell rate algorithm (ITU-T I.371, virtual scheduling form).
///
/// With T = window / (limit * safety) and the theoretical arrival time TAT, n units arrive at
/// new = max(TAT, now) + n*T and are admitted iff new - now <= max(B, n)*T. A request of more than B units is
/// thus admitted when the bucket is full, and what follows waits until its whole cost is paid off; it needs a
/// caller that lets nobody pass it while it waits.
///
/// Two arrival times are kept. The first paces our own calls with burst B and the safety factor. The second
/// mirrors the provider's bucket, whose burst is the whole limit and whose T has no safety factor; it is what
/// rate-limit headers move. Were both one, a provider with fixed windows that says "half of the minute's
/// requests are left" in the middle of the minute would halt us. When the burst window is the whole window,
/// only the second is used.
///
/// In any span of time t at most B + t * limit * safety / window units of requests up to B are admitted.
class gcra_bucket {
public:
  gcra_bucket(const gcra_options& options, steady_time now);

  /// Goes on from @p state, exported @p elapsed ago. A limit in the state (perhaps learned) replaces the
  /// options'.
  gcra_bucket(const gcra_options& options, const gcra_state& state, steady_time now,
              nanoseconds elapsed = {});

  /// @returns how long @p n units must wait from @p now on if nothing else is taken; zero means admitted.
  nanoseconds wait_for(uint64_t n, steady_time now) const noexcept;

  /// Charges @p n units, admitted or not.
  void take(uint64_t n, steady_time now) noexcept;

  /// Settles an estimate: @p n = estimated - actual gives units back, a negative @p n charges more.
  /// Settle an answer before its headers are passed to tighten().
  void refund(int64_t n, steady_time now) noexcept;

  /// The provider says that @p remaining units are left: TAT = max(TAT, now + (limit - remaining)*T).
  /// @param remaining The header's number minus what was sent after the request that brought it.
  void tighten(uint64_t remaining, steady_time now) noexcept;

  /// The provider says that @p remaining units are left, as for tighten(). When that is more than the mirror
  /// believes (a restarted limiter, a new day), the mirror gives way by at most a tenth of the limit per
  /// second since the last sync: one wrong header must not open the gate.
  void sync(uint64_t remaining, steady_time now) noexcept;

  /// The key's own headers have confirmed the limit: the safety factor is 1 from now on.
  void confirm() noexcept { confirmed_ = true; }

  /// A 429 came that no header foretold: the safety factor holds for the next distrust_time.
  void distrust(steady_time now) noexcept { distrust_until_ = now + options_.distrust_time; }

  /// What was sent a moment ago is unknown: our own pacing counts its burst as spent. The provider's bucket
  /// stays.
  void spend_burst(steady_time now) noexcept;

  /// Changes the limit; units already charged stay charged. A bucket whose limit was unknown starts empty.
  void set_limit(uint64_t limit, steady_time now) noexcept;

  uint64_t limit() const noexcept { return options_.limit; }
  double safety_factor(steady_time now) const noexcept;
  gcra_state export_state(steady_time now) const noexcept;

private:
  double burst() const noexcept;
  bool is_paced() const noexcept { return options_.burst_window < options_.window; }
  nanoseconds cost(double units, double safety) const noexcept;
  nanoseconds pace_cost(double units, steady_time now) const noexcept {
    return cost(units, safety_factor(now));
  }
  nanoseconds provider_cost(double units) const noexcept { return cost(units, 1.0); }
  void empty_out(steady_time now) noexcept;

  gcra_options options_;
  steady_time pace_;     ///< TAT of our own pacing.
  steady_time provider_; ///< TAT of the provider's bucket.
  steady_time synced_;   ///< When the provider last said what is left.
  bool confirmed_ = false;
  steady_time distrust_until_ = steady_time::min();
};

} // namespace assay::control
