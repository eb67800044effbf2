#include "core/control/gcra.hpp"

#include <algorithm>
#include <cmath>

namespace assay::control {

namespace {

/// Longer waits than a year are not told apart; the cap keeps the arithmetic far from overflow.
constexpr double longest_cost = 365.0 * 24 * 3600 * 1e9;

nanoseconds debt_of(steady_time arrival, steady_time now) noexcept {
  return arrival > now ? nanoseconds{arrival - now} : nanoseconds{0};
}

steady_time after(steady_time now, nanoseconds debt, nanoseconds elapsed) noexcept {
  return now + std::max(debt - elapsed, nanoseconds{0});
}

nanoseconds scaled(nanoseconds debt, double factor) noexcept {
  return nanoseconds{
      static_cast<int64_t>(std::min(static_cast<double>(debt.count()) * factor, longest_cost))};
}

} // namespace

gcra_bucket::gcra_bucket(const gcra_options& options, steady_time now)
    : options_(options), pace_(now), provider_(now), synced_(now) {
  if (options_.start_empty)
    empty_out(now);
}

gcra_bucket::gcra_bucket(const gcra_options& options, const gcra_state& state, steady_time now,
                         nanoseconds elapsed)
    : options_(options), pace_(after(now, state.pace_debt, elapsed)),
      provider_(after(now, state.provider_debt, elapsed)), synced_(now), confirmed_(state.confirmed) {
  if (state.limit != 0)
    options_.limit = state.limit;
  if (state.distrust_left > elapsed)
    distrust_until_ = now + (state.distrust_left - elapsed);
}

double gcra_bucket::burst() const noexcept {
  const auto share = std::chrono::duration<double>(options_.burst_window) / options_.window;
  return std::max(1.0, static_cast<double>(options_.limit) * share);
}

double gcra_bucket::safety_factor(steady_time now) const noexcept {
  return confirmed_ && now >= distrust_until_ ? 1.0 : options_.safety_factor;
}

nanoseconds gcra_bucket::cost(double units, double safety) const noexcept {
  if (options_.limit == 0)
    return nanoseconds{0};
  const double interval =
      static_cast<double>(options_.window.count()) / (static_cast<double>(options_.limit) * safety);
  // Rounded up: the sum of many costs must not exceed the limit.
  return nanoseconds{static_cast<int64_t>(std::ceil(std::min(units * interval, longest_cost)))};
}

void gcra_bucket::empty_out(steady_time now) noexcept {
  pace_ = now + pace_cost(burst(), now);
  provider_ = now + provider_cost(static_cast<double>(options_.limit));
}

void gcra_bucket::spend_burst(steady_time now) noexcept {
  pace_ = std::max(pace_, now + pace_cost(burst(), now));
}

nanoseconds gcra_bucket::wait_for(uint64_t n, steady_time now) const noexcept {
  const auto wait = [&](steady_time arrival, nanoseconds price, nanoseconds tolerance) {
    return debt_of(arrival, now) + price - std::max(tolerance, price);
  };
  const auto units = static_cast<double>(n);
  auto longest = wait(provider_, provider_cost(units), provider_cost(static_cast<double>(options_.limit)));
  if (is_paced())
    longest = std::max(longest, wait(pace_, pace_cost(units, now), pace_cost(burst(), now)));
  return std::max(longest, nanoseconds{0});
}

void gcra_bucket::take(uint64_t n, steady_time now) noexcept {
  const auto units = static_cast<double>(n);
  pace_ = std::max(pace_, now) + pace_cost(units, now);
  provider_ = std::max(provider_, now) + provider_cost(units);
}

void gcra_bucket::refund(int64_t n, steady_time now) noexcept {
  if (n < 0)
    return take(uint64_t{0} - static_cast<uint64_t>(n), now);
  const auto units = static_cast<double>(n);
  // Nothing before now counts, so a refund can fill the bucket but never overfill it.
  pace_ = now + std::max(debt_of(pace_, now) - pace_cost(units, now), nanoseconds{0});
  provider_ = now + std::max(debt_of(provider_, now) - provider_cost(units), nanoseconds{0});
}

void gcra_bucket::tighten(uint64_t remaining, steady_time now) noexcept {
  if (remaining < options_.limit)
    provider_ = std::max(provider_, now + provider_cost(static_cast<double>(options_.limit - remaining)));
}

void gcra_bucket::sync(uint64_t remaining, steady_time now) noexcept {
  constexpr double relaxed_per_second = 0.1;
  constexpr double longest_gap = 10; // Seconds in which the whole limit is given back.
  const double gap = std::clamp(std::chrono::duration<double>(now - synced_).count(), 0.0, longest_gap);
  synced_ = std::max(synced_, now);
  tighten(remaining, now);
  const auto used = options_.limit - std::min(remaining, options_.limit);
  const auto claimed = now + provider_cost(static_cast<double>(used));
  const auto given_back = provider_cost(static_cast<double>(options_.limit) * relaxed_per_second * gap);
  provider_ = std::max(std::min(claimed, provider_), provider_ - given_back);
}

void gcra_bucket::set_limit(uint64_t limit, steady_time now) noexcept {
  if (limit == options_.limit)
    return;
  const auto former = options_.limit;
  options_.limit = limit;
  if (former == 0)
    return empty_out(now);
  if (limit == 0) {
    pace_ = provider_ = now;
    return;
  }
  const double factor = static_cast<double>(former) / static_cast<double>(limit);
  pace_ = now + scaled(debt_of(pace_, now), factor);
  provider_ = now + scaled(debt_of(provider_, now), factor);
}

gcra_state gcra_bucket::export_state(steady_time now) const noexcept {
  return {options_.limit, debt_of(pace_, now), debt_of(provider_, now), confirmed_,
          debt_of(distrust_until_, now)};
}

} // namespace assay::control
