#include "core/control/limit_set.hpp"

#include <algorithm>
#include <cmath>

namespace assay::control {

namespace {

using std::chrono::hours;
using std::chrono::minutes;

gcra_options options_for(limit_dimension dimension, uint64_t limit, bool start_empty) {
  gcra_options options;
  options.limit = limit;
  options.start_empty = start_empty;
  switch (dimension) {
  case limit_dimension::requests_per_second:
    options.window = seconds{1};
    // With 0.95 of the rate, no second sees more than the limit; and a timer of 10 ms still uses all of it.
    options.burst_window = milliseconds{50};
    break;
  case limit_dimension::requests_per_day:
    options.window = hours{24};
    // A day's quota is to be used when there is work, not spread over the day.
    options.burst_window = hours{24};
    break;
  case limit_dimension::requests_per_minute:
  case limit_dimension::tokens_per_minute:
  case limit_dimension::input_tokens_per_minute:
  case limit_dimension::output_tokens_per_minute:
    options.window = minutes{1};
    options.burst_window = seconds{1};
    break;
  }
  return options;
}

uint64_t units(limit_dimension dimension, const call_demand& demand) noexcept {
  switch (dimension) {
  case limit_dimension::requests_per_second:
  case limit_dimension::requests_per_minute:
  case limit_dimension::requests_per_day:
    return demand.requests;
  case limit_dimension::tokens_per_minute:
    return demand.input_tokens + demand.output_tokens;
  case limit_dimension::input_tokens_per_minute:
    return demand.input_tokens;
  case limit_dimension::output_tokens_per_minute:
    return demand.output_tokens;
  }
  return 0;
}

uint64_t configured(const rate_limits& limits, limit_dimension dimension) noexcept {
  switch (dimension) {
  case limit_dimension::requests_per_second:
    return limits.requests_per_second;
  case limit_dimension::requests_per_minute:
    return limits.requests_per_minute;
  case limit_dimension::tokens_per_minute:
    return limits.tokens_per_minute;
  case limit_dimension::input_tokens_per_minute:
  case limit_dimension::output_tokens_per_minute:
  case limit_dimension::requests_per_day:
    return 0;
  }
  return 0;
}

} // namespace

std::string_view to_string(limit_dimension dimension) noexcept {
  switch (dimension) {
  case limit_dimension::requests_per_second:
    return "requests_per_second";
  case limit_dimension::requests_per_minute:
    return "requests_per_minute";
  case limit_dimension::tokens_per_minute:
    return "tokens_per_minute";
  case limit_dimension::input_tokens_per_minute:
    return "input_tokens_per_minute";
  case limit_dimension::output_tokens_per_minute:
    return "output_tokens_per_minute";
  case limit_dimension::requests_per_day:
    return "requests_per_day";
  }
  return "unknown";
}

limit_set::limit_set(const rate_limits& limits, bool start_empty, steady_time now)
    : slots_(limits.concurrent_requests) {
  for (size_t i = 0; i < limit_dimensions; ++i) {
    const auto dimension = static_cast<limit_dimension>(i);
    if (const auto limit = configured(limits, dimension); limit != 0)
      buckets_[i].emplace(options_for(dimension, limit, start_empty), now);
  }
}

limit_set::limit_set(const rate_limits& limits, const limit_set_state& state, steady_time now,
                     nanoseconds elapsed)
    : limit_set(limits, true, now) {
  for (size_t i = 0; i < limit_dimensions; ++i) {
    if (!state.buckets[i])
      continue;
    const auto dimension = static_cast<limit_dimension>(i);
    const auto options = options_for(dimension, configured(limits, dimension), true);
    buckets_[i].emplace(options, *state.buckets[i], now, elapsed);
  }
  if (state.closed_for > elapsed)
    closed_until_ = now + (state.closed_for - elapsed);
  if (state.pace && !knows_a_limit()) {
    taught_ = refusal_pace{*state.pace, now, elapsed};
    follow_pace(now);
  }
}

bool limit_set::knows_a_limit() const noexcept {
  return std::ranges::any_of(buckets_, [](const auto& bucket) { return bucket.has_value(); });
}

void limit_set::follow_pace(steady_time now) {
  const auto pace = taught_.per_second(now);
  if (!pace) {
    pace_.reset();
    return;
  }
  constexpr double seconds_per_minute = 60;
  const auto limit = static_cast<uint64_t>(std::max(1.0, std::round(*pace * seconds_per_minute)));
  if (pace_)
    return pace_->set_limit(limit, now);
  gcra_options options;
  options.limit = limit;
  options.window = minutes{1};
  // Evenly: a whole window of calls at once is what was refused.
  options.burst_window = milliseconds{100};
  pace_.emplace(options, now);
  pace_->confirm();
  pace_->spend_burst(now);
}

void limit_set::spend_burst(steady_time now) noexcept {
  for (auto& bucket : buckets_)
    if (bucket)
      bucket->spend_burst(now);
  if (pace_)
    pace_->spend_burst(now);
}

admission limit_set::acquire(const call_demand& demand, steady_time now) noexcept {
  if (slots_ != 0 && in_use_ >= slots_)
    return {admission_kind::no_slot, nanoseconds{0}, std::nullopt};
  admission answer;
  if (closed_until_ > now)
    answer.wait = closed_until_ - now;
  if (pace_ && !taught_.per_second(now))
    pace_.reset();
  if (pace_)
    answer.wait = std::max(answer.wait, pace_->wait_for(demand.requests, now));
  for (size_t i = 0; i < limit_dimensions; ++i) {
    const auto dimension = static_cast<limit_dimension>(i);
    if (!buckets_[i])
      continue;
    if (const auto wait = buckets_[i]->wait_for(units(dimension, demand), now); wait > answer.wait) {
      answer.wait = wait;
      answer.blocked_by = dimension;
    }
  }
  if (answer.wait > nanoseconds{0}) {
    answer.kind = admission_kind::wait;
    return answer;
  }
  for (size_t i = 0; i < limit_dimensions; ++i)
    if (buckets_[i])
      buckets_[i]->take(units(static_cast<limit_dimension>(i), demand), now);
  if (pace_)
    pace_->take(demand.requests, now);
  ++in_use_;
  return answer;
}

nanoseconds limit_set::wait_for(const call_demand& demand, steady_time now) const noexcept {
  nanoseconds longest{0};
  if (closed_until_ > now)
    longest = closed_until_ - now;
  for (size_t i = 0; i < limit_dimensions; ++i)
    if (buckets_[i])
      longest = std::max(longest, buckets_[i]->wait_for(units(static_cast<limit_dimension>(i), demand), now));
  if (pace_ && taught_.per_second(now))
    longest = std::max(longest, pace_->wait_for(demand.requests, now));
  return longest;
}

void limit_set::release() noexcept {
  if (in_use_ != 0)
    --in_use_;
}

void limit_set::settle(const call_demand& estimate, const call_demand& actual, steady_time now) noexcept {
  for (size_t i = 0; i < limit_dimensions; ++i) {
    const auto dimension = static_cast<limit_dimension>(i);
    const auto difference = static_cast<int64_t>(units(dimension, estimate) - units(dimension, actual));
    if (buckets_[i] && difference != 0)
      buckets_[i]->refund(difference, now);
  }
}

void limit_set::learn(limit_dimension dimension, std::optional<uint64_t> limit,
                      std::optional<uint64_t> remaining, steady_time now) {
  auto& bucket = buckets_[static_cast<size_t>(dimension)];
  // Some gateways send zeros for "unlimited" or "unknown"; nothing in such an answer can be believed.
  if (limit && *limit == 0)
    return;
  if (limit) {
    // What was sent before is unknown, unless the same answer says how much is left.
    if (!bucket)
      bucket.emplace(options_for(dimension, *limit, !remaining), now);
    bucket->set_limit(*limit, now);
    bucket->confirm();
    // What a provider says of itself goes before what was guessed.
    taught_ = {};
    pace_.reset();
  }
  if (bucket && remaining)
    bucket->sync(*remaining, now);
}

void limit_set::close_until(steady_time until) noexcept { closed_until_ = std::max(closed_until_, until); }

void limit_set::distrust(steady_time now) noexcept {
  for (auto& bucket : buckets_)
    if (bucket)
      bucket->distrust(now);
}

void limit_set::answered(uint64_t calls, steady_time now) {
  if (knows_a_limit())
    return;
  taught_.answered(calls, now);
  if (pace_)
    follow_pace(now);
}

void limit_set::refused(steady_time now, nanoseconds closed_for) {
  distrust(now);
  if (knows_a_limit())
    return;
  taught_.refused(now, closed_for);
  follow_pace(now);
}

const gcra_bucket* limit_set::bucket(limit_dimension dimension) const noexcept {
  const auto& bucket = buckets_[static_cast<size_t>(dimension)];
  return bucket ? &*bucket : nullptr;
}

limit_set_state limit_set::export_state(steady_time now) const noexcept {
  limit_set_state state;
  for (size_t i = 0; i < limit_dimensions; ++i)
    if (buckets_[i])
      state.buckets[i] = buckets_[i]->export_state(now);
  if (closed_until_ > now)
    state.closed_for = closed_until_ - now;
  state.pace = taught_.export_state(now);
  return state;
}

} // namespace assay::control
