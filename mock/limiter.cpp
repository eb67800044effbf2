#include "mock/limiter.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace assay::mock {

namespace {

using cause = limit_verdict::cause;
using nlohmann::json;

/// Counters beyond these share one, so that made-up keys cannot fill the memory.
constexpr size_t max_counters = 100'000;

constexpr int64_t ceil_div(int64_t a, int64_t b) noexcept { return (a + b - 1) / b; }

bool limits_anything(const key_limits& l) noexcept {
  return l.requests_per_second != 0 || l.requests_per_minute != 0 || l.tokens_per_minute != 0
         || l.input_tokens_per_minute != 0 || l.output_tokens_per_minute != 0 || l.concurrent_requests != 0;
}

json limits_json(const key_limits& l) {
  return {{"requests_per_second", l.requests_per_second},
          {"requests_per_minute", l.requests_per_minute},
          {"tokens_per_minute", l.tokens_per_minute},
          {"input_tokens_per_minute", l.input_tokens_per_minute},
          {"output_tokens_per_minute", l.output_tokens_per_minute},
          {"concurrent_requests", l.concurrent_requests},
          {"burst", l.burst.count()},
          {"per_model", l.per_model}};
}

} // namespace

/// Size and speed of one bucket. A level counts units of 1/period, so that a limit of L units a period gains
/// L level points a nanosecond.
struct limiter::shape {
  int64_t limit = 0;
  int64_t period = 0;
  int64_t full = 0;

  static shape of(const key_limits& l, dimension d) noexcept {
    constexpr int64_t minute = 60'000'000'000;
    constexpr int64_t second = 1'000'000'000;
    const auto per_minute = [&](uint32_t limit) {
      // Never less than one unit: else no call would ever pass.
      return shape{limit, minute, std::max(int64_t{limit} * l.burst.count() * second, minute)};
    };
    switch (d) {
    case per_second:
      return {l.requests_per_second, second, std::max(int64_t{l.requests_per_second} * second, second)};
    case requests:
      return per_minute(l.requests_per_minute);
    case tokens:
      return per_minute(l.tokens_per_minute);
    case input:
      return per_minute(l.input_tokens_per_minute);
    default:
      return per_minute(l.output_tokens_per_minute);
    }
  }

  void refill(bucket& b, nanoseconds now) const noexcept {
    if (limit == 0 || now <= b.at)
      return;
    const auto passed = (now - b.at).count();
    b.level = passed >= ceil_div(full - b.level, limit) ? full : b.level + passed * limit;
    b.at = now;
  }

  int64_t units(const bucket& b) const noexcept { return b.level / period; }

  limit_view view(const bucket& b) const noexcept {
    return limit == 0 ? limit_view{}
                      : limit_view{limit, units(b), nanoseconds(ceil_div(full - b.level, limit))};
  }
};

std::string_view to_string(cause value) noexcept {
  switch (value) {
  case cause::none:
    return "none";
  case cause::requests:
    return "requests";
  case cause::tokens:
    return "tokens";
  case cause::concurrent:
    return "concurrent";
  case cause::request_too_large:
    return "request_too_large";
  case cause::requests_per_second:
    return "requests_per_second";
  case cause::input_tokens:
    return "input_tokens";
  case cause::output_tokens:
    return "output_tokens";
  }
  return "none";
}

limiter::limiter(key_limits defaults, std::vector<limit_rule> rules)
    : defaults_(defaults), first_rules_(std::move(rules)), rules_(first_rules_) {
  note_activity();
}

void limiter::note_activity() {
  active_ = limits_anything(defaults_)
            || std::any_of(rules_.begin(), rules_.end(),
                           [](const limit_rule& rule) { return limits_anything(rule.limits); });
}

const key_limits& limiter::limits_of(const counter& c) const noexcept {
  return c.rule < rules_.size() ? rules_[c.rule].limits : defaults_;
}

limiter::counter& limiter::counter_of(std::string_view key, std::string_view model) {
  uint32_t rule = 0;
  while (rule < rules_.size()
         && ((!rules_[rule].key_hash.empty() && rules_[rule].key_hash != key)
             || (!rules_[rule].model.empty() && rules_[rule].model != model)))
    ++rule;
  const auto per_model = rule < rules_.size() ? rules_[rule].limits.per_model || !rules_[rule].model.empty()
                                              : defaults_.per_model;
  if (!per_model)
    model = {};
  auto name = std::to_string(rule).append(1, '\0').append(key).append(1, '\0').append(model);
  if (counters_.size() >= max_counters && !counters_.contains(name)) {
    name.assign(1, '\0');
    rule = static_cast<uint32_t>(rules_.size());
    key = model = "(others)";
  }
  auto& found = counters_[name];
  if (found.key.empty() && found.model.empty()) {
    found.rule = rule;
    found.key = key;
    found.model = model;
  }
  return found;
}

limit_verdict limiter::acquire(std::string_view key, std::string_view model, const token_demand& demand,
                               nanoseconds now) {
  if (!active_.load(std::memory_order_relaxed))
    return {};
  const std::lock_guard guard(mutex_);
  auto& state = counter_of(key, model);
  const auto& limits = limits_of(state);
  const auto asked = [](uint64_t n) { return static_cast<int64_t>(std::min<uint64_t>(n, UINT32_MAX)); };
  const std::array<int64_t, dimensions> wanted{1, 1, asked(demand.total), asked(demand.input),
                                               asked(demand.output)};
  constexpr std::array<cause, dimensions> causes{cause::requests_per_second, cause::requests, cause::tokens,
                                                 cause::input_tokens, cause::output_tokens};
  std::array<shape, dimensions> shapes;
  for (size_t d = 0; d < dimensions; ++d) {
    shapes[d] = shape::of(limits, static_cast<dimension>(d));
    if (state.fresh)
      state.buckets[d] = {shapes[d].full, now};
    shapes[d].refill(state.buckets[d], now);
  }
  state.fresh = false;

  limit_verdict verdict;
  const auto refuse = [&](cause why, int64_t limit, int64_t used, int64_t requested, nanoseconds wait) {
    verdict.refused = why;
    verdict.limit = limit;
    verdict.used = used;
    verdict.requested = requested;
    verdict.retry_after = wait;
  };
  if (limits.concurrent_requests != 0 && state.in_flight >= limits.concurrent_requests)
    refuse(cause::concurrent, limits.concurrent_requests, static_cast<int64_t>(state.in_flight), 1,
           seconds(1));
  for (size_t d = tokens; d < dimensions && verdict.refused == cause::none; ++d)
    if (shapes[d].limit != 0 && wanted[d] > shapes[d].full / shapes[d].period)
      refuse(cause::request_too_large, shapes[d].limit, 0, wanted[d], nanoseconds(0));
  for (size_t d = 0; d < dimensions && verdict.refused == cause::none; ++d) {
    const auto& b = state.buckets[d];
    const auto& s = shapes[d];
    if (s.limit != 0 && b.level < wanted[d] * s.period)
      refuse(causes[d], s.limit, s.full / s.period - s.units(b), wanted[d],
             nanoseconds(ceil_div(wanted[d] * s.period - b.level, s.limit)));
  }
  if (verdict.refused == cause::none) {
    for (size_t d = 0; d < dimensions; ++d)
      if (shapes[d].limit != 0)
        state.buckets[d].level -= wanted[d] * shapes[d].period;
    ++state.in_flight;
    ++state.admitted;
  } else {
    ++state.refused[static_cast<size_t>(verdict.refused)];
  }
  verdict.requests = shapes[requests].view(state.buckets[requests]);
  verdict.tokens = shapes[tokens].view(state.buckets[tokens]);
  verdict.input_tokens = shapes[input].view(state.buckets[input]);
  verdict.output_tokens = shapes[output].view(state.buckets[output]);
  return verdict;
}

void limiter::release(std::string_view key, std::string_view model) {
  if (!active_.load(std::memory_order_relaxed))
    return;
  const std::lock_guard guard(mutex_);
  auto& state = counter_of(key, model);
  if (state.in_flight > 0)
    --state.in_flight;
}

void limiter::reset() {
  const std::lock_guard guard(mutex_);
  if (rules_ != first_rules_) {
    rules_ = first_rules_;
    counters_.clear();
    note_activity();
  }
  for (auto& [name, state] : counters_) {
    state.fresh = true;
    state.admitted = 0;
    state.refused = {};
  }
}

void limiter::replace(std::vector<limit_rule> rules) {
  const std::lock_guard guard(mutex_);
  rules_ = std::move(rules);
  counters_.clear();
  note_activity();
}

json limiter::to_json(nanoseconds now) const {
  constexpr std::array<const char*, dimensions> names{"requests_per_second", "requests", "tokens",
                                                      "input_tokens", "output_tokens"};
  const std::lock_guard guard(mutex_);
  auto rules = json::array();
  for (const auto& rule : rules_) {
    auto shown = limits_json(rule.limits);
    shown["key_hash"] = rule.key_hash;
    shown["model"] = rule.model;
    rules.push_back(std::move(shown));
  }
  auto list = json::array();
  for (const auto& [name, state] : counters_) {
    json shown{{"key_hash", state.key},
               {"model", state.model},
               {"in_flight", state.in_flight},
               {"admitted", state.admitted}};
    for (size_t d = 0; d < dimensions; ++d) {
      const auto s = shape::of(limits_of(state), static_cast<dimension>(d));
      if (s.limit == 0)
        continue;
      auto copy = state.fresh ? bucket{s.full, now} : state.buckets[d];
      s.refill(copy, now);
      const auto view = s.view(copy);
      shown[names[d]] = {{"limit", view.limit},
                         {"remaining", view.remaining},
                         {"reset_ms", static_cast<double>(view.reset.count()) / 1e6}};
    }
    auto refused = json::object();
    for (size_t c = 1; c < state.refused.size(); ++c)
      if (state.refused[c] != 0)
        refused[std::string(to_string(static_cast<cause>(c)))] = state.refused[c];
    shown["refused"] = std::move(refused);
    list.push_back(std::move(shown));
  }
  return {{"algorithm", "token bucket with continuous refill (GCRA)"},
          {"defaults", limits_json(defaults_)},
          {"rules", std::move(rules)},
          {"counters", std::move(list)}};
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
