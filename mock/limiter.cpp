#include "mock/limiter.hpp"

#include <algorithm>

namespace assay::mock {

namespace {

/// A level counts units of 1/60e9, so that L units a minute are L level points a nanosecond.
constexpr int64_t scale = 60'000'000'000;
/// Keys beyond this share one state, so that made-up keys cannot fill the memory.
constexpr size_t max_keys = 100'000;

constexpr int64_t ceil_div(int64_t a, int64_t b) noexcept { return (a + b - 1) / b; }

} // namespace

int64_t limiter::capacity(uint32_t limit) const noexcept {
  // limit * burst seconds / 60 units, but never less than one: else no call would ever pass.
  return std::max<int64_t>(int64_t{limit} * limits_.burst.count() * 1'000'000'000, scale);
}

void limiter::refill(bucket& b, uint32_t limit, nanoseconds now) const noexcept {
  if (limit == 0 || now <= b.at)
    return;
  const auto full = capacity(limit);
  const auto needed = ceil_div(full - b.level, limit);
  const auto passed = (now - b.at).count();
  b.level = passed >= needed ? full : b.level + passed * limit;
  b.at = now;
}

limit_view limiter::view(const bucket& b, uint32_t limit) const noexcept {
  if (limit == 0)
    return {};
  return {limit, b.level / scale, nanoseconds(ceil_div(capacity(limit) - b.level, limit))};
}

limiter::key_state& limiter::state_of(std::string_view key, std::string_view model) {
  std::string name(key);
  if (limits_.per_model)
    name.append(1, '\0').append(model);
  if (keys_.size() >= max_keys && !keys_.contains(name))
    name.assign(1, '\0');
  return keys_[name];
}

limit_verdict limiter::acquire(std::string_view key, std::string_view model, uint64_t tokens,
                               nanoseconds now) {
  using cause = limit_verdict::cause;
  if (limits_.requests_per_minute == 0 && limits_.tokens_per_minute == 0 && limits_.concurrent_requests == 0)
    return {};
  const std::lock_guard guard(mutex_);
  auto& state = state_of(key, model);
  const auto rpm = limits_.requests_per_minute;
  const auto tpm = limits_.tokens_per_minute;
  if (state.fresh) {
    state.requests = {capacity(rpm), now};
    state.tokens = {capacity(tpm), now};
    state.fresh = false;
  }
  refill(state.requests, rpm, now);
  refill(state.tokens, tpm, now);

  const auto wanted = static_cast<int64_t>(std::min<uint64_t>(tokens, UINT32_MAX));
  const auto full_tokens = capacity(tpm) / scale;
  limit_verdict verdict;
  const auto refuse = [&](cause why, int64_t limit, int64_t used, int64_t requested, nanoseconds wait) {
    verdict.refused = why;
    verdict.limit = limit;
    verdict.used = used;
    verdict.requested = requested;
    verdict.retry_after = wait;
  };
  const auto missing = [](const bucket& b, int64_t units, uint32_t limit) {
    return nanoseconds(ceil_div(units * scale - b.level, limit));
  };
  if (limits_.concurrent_requests != 0 && state.in_flight >= limits_.concurrent_requests)
    refuse(cause::concurrent, limits_.concurrent_requests, static_cast<int64_t>(state.in_flight), 1,
           seconds(1));
  else if (tpm != 0 && wanted > full_tokens)
    refuse(cause::request_too_large, tpm, 0, wanted, nanoseconds(0));
  else if (rpm != 0 && state.requests.level < scale)
    refuse(cause::requests, rpm, capacity(rpm) / scale - state.requests.level / scale, 1,
           missing(state.requests, 1, rpm));
  else if (tpm != 0 && state.tokens.level < wanted * scale)
    refuse(cause::tokens, tpm, full_tokens - state.tokens.level / scale, wanted,
           missing(state.tokens, wanted, tpm));

  if (verdict.refused == cause::none) {
    if (rpm != 0)
      state.requests.level -= scale;
    if (tpm != 0)
      state.tokens.level -= wanted * scale;
    ++state.in_flight;
  }
  verdict.requests = view(state.requests, rpm);
  verdict.tokens = view(state.tokens, tpm);
  return verdict;
}

void limiter::release(std::string_view key, std::string_view model) {
  if (limits_.concurrent_requests == 0)
    return;
  const std::lock_guard guard(mutex_);
  auto& state = state_of(key, model);
  if (state.in_flight > 0)
    --state.in_flight;
}

void limiter::reset() {
  const std::lock_guard guard(mutex_);
  for (auto& [name, state] : keys_)
    state.fresh = true;
}

std::string go_duration(nanoseconds duration) {
  const auto ms = ceil_div(std::max<int64_t>(duration.count(), 0), 1'000'000);
  if (ms == 0)
    return "0s";
  if (ms < 1000)
    return std::to_string(ms) + "ms";
  std::string text;
  if (ms >= 3'600'000)
    text += std::to_string(ms / 3'600'000) + "h";
  if (ms >= 60'000)
    text += std::to_string(ms / 60'000 % 60) + "m";
  text += std::to_string(ms / 1000 % 60);
  if (ms % 1000 != 0) {
    auto fraction = std::to_string(1000 + ms % 1000);
    fraction[0] = '.';
    fraction.erase(fraction.find_last_not_of('0') + 1);
    text += fraction;
  }
  return text + "s";
}

} // namespace assay::mock
