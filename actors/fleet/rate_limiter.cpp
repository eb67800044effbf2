#include "actors/fleet/rate_limiter.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <unordered_set>
#include <utility>

namespace assay {

namespace {

using self_pointer = rate_limiter_actor::stateful_pointer<rate_limiter_state>;
using control::limit_dimension;

control::call_demand demand_of(uint32_t tokens, uint32_t output) {
  const auto of_answer = std::min(output, tokens);
  return {1, tokens - of_answer, of_answer};
}

// -- memory ------------------------------------------------------------------------------------------------

std::string to_memory(const control::limit_set_state& state, wall_time now) {
  nlohmann::json buckets = nlohmann::json::array();
  for (const auto& bucket : state.buckets) {
    if (!bucket) {
      buckets.push_back(nullptr);
      continue;
    }
    buckets.push_back({bucket->limit, bucket->pace_debt.count(), bucket->provider_debt.count(),
                       bucket->confirmed, bucket->distrust_left.count()});
  }
  nlohmann::json out{{"at", now.time_since_epoch().count()},
                     {"closed_for", state.closed_for.count()},
                     {"buckets", std::move(buckets)}};
  if (state.pace)
    out["pace"] = {state.pace->per_second, state.pace->since_refusal.count()};
  return out.dump();
}

struct remembered {
  control::limit_set_state state;
  nanoseconds elapsed{0};
};

std::optional<remembered> from_memory(const std::string& text, wall_time now) {
  const auto parsed = nlohmann::json::parse(text, nullptr, false);
  if (!parsed.is_object() || !parsed.contains("buckets"))
    return std::nullopt;
  try {
    remembered out;
    const wall_time at{milliseconds{parsed.at("at").get<int64_t>()}};
    // A wall clock that was set back must not lengthen the memory.
    out.elapsed = std::max(milliseconds{0}, now - at);
    out.state.closed_for = nanoseconds{parsed.at("closed_for").get<int64_t>()};
    if (const auto pace = parsed.find("pace"); pace != parsed.end())
      out.state.pace =
          control::refusal_pace_state{pace->at(0).get<double>(), nanoseconds{pace->at(1).get<int64_t>()}};
    const auto& buckets = parsed.at("buckets");
    for (size_t i = 0; i < std::min(buckets.size(), out.state.buckets.size()); ++i) {
      const auto& bucket = buckets[i];
      if (bucket.is_null())
        continue;
      out.state.buckets[i] =
          control::gcra_state{bucket.at(0).get<uint64_t>(), nanoseconds{bucket.at(1).get<int64_t>()},
                              nanoseconds{bucket.at(2).get<int64_t>()}, bucket.at(3).get<bool>(),
                              nanoseconds{bucket.at(4).get<int64_t>()}};
    }
    return out;
  } catch (const nlohmann::json::exception&) {
    // Written by another version: starting empty is the safe reading.
    return std::nullopt;
  }
}

void remember(self_pointer self, const rate_limiter_config& config, const slot_sink_actor& owner) {
  auto& state = self->state;
  const auto now = self->clock().now();
  if (!state.changed)
    return;
  const auto due = state.remembered_at + config.memory_interval;
  if (now < due) {
    // The last change before a quiet time must not stay untold.
    if (!std::exchange(state.remember_at, due))
      self->delayed_send(self, due - now, tick{});
    return;
  }
  state.changed = false;
  state.remembered_at = now;
  self->send(owner, limiter_memory{config.model, config.key,
                                   to_memory(state.limits->export_state(now), config.wall())});
}

// -- granting ----------------------------------------------------------------------------------------------

void wake_in(self_pointer self, nanoseconds wait) {
  auto& state = self->state;
  const auto due = self->clock().now() + wait;
  if (state.wake_at && *state.wake_at <= due)
    return;
  state.wake_at = due;
  self->delayed_send(self, wait, tick{});
}

/// Waits that are shorter are no news.
constexpr seconds least_told_wait{1};
/// A wait that ends so much sooner or later than was told is another one.
constexpr milliseconds told_again{250};

std::string in_words(const std::optional<limit_dimension>& dimension) {
  if (!dimension)
    return "pause that the provider has asked for (429)";
  std::string out{to_string(*dimension)};
  std::ranges::replace(out, '_', '-');
  return out + " limit";
}

void tell_wait(self_pointer self, const rate_limiter_config& config, const slot_sink_actor& owner,
               const control::admission& verdict) {
  auto& state = self->state;
  const auto until = self->clock().now() + verdict.wait;
  if (verdict.wait < least_told_wait
      || (until - told_again < state.told_until && state.told_until < until + told_again))
    return;
  state.told_until = until;
  self->send(owner, slots_delayed{config.model, config.key, verdict.wait, in_words(verdict.blocked_by)});
}

void grant(self_pointer self, const rate_limiter_config& config, const slot_sink_actor& owner) {
  auto& state = self->state;
  slots_granted granted{config.model, config.key, {}};
  const auto now = self->clock().now();
  std::optional<control::admission> waits;
  while (!state.waiting.empty()) {
    const auto& next = state.waiting.front();
    const auto verdict = state.limits->acquire(demand_of(next.tokens, next.output_tokens), now);
    if (verdict.kind == control::admission_kind::wait) {
      wake_in(self, verdict.wait);
      waits = verdict;
    }
    if (verdict.kind != control::admission_kind::admitted)
      break;
    granted.calls.push_back(state.waiting.front().id);
    state.waiting.pop_front();
  }
  if (!granted.calls.empty()) {
    state.changed = true;
    state.told_until = {};
    self->send(owner, std::move(granted));
  }
  if (waits)
    tell_wait(self, config, owner, *waits);
  remember(self, config, owner);
}

void settle(self_pointer self, const slots_settled& message) {
  const auto now = self->clock().now();
  self->state.limits->answered(
      static_cast<uint64_t>(std::ranges::count_if(message.slots, &slot_settlement::answered)), now);
  for (const auto& slot : message.slots) {
    self->state.limits->release();
    self->state.limits->settle(demand_of(slot.estimated_tokens, slot.estimated_output_tokens),
                               demand_of(slot.actual_tokens, slot.actual_output_tokens), now);
  }
  self->state.changed = true;
}

void learn(self_pointer self, const limits_observed& seen) {
  const auto now = self->clock().now();
  const auto widen = [](const std::optional<uint32_t>& value) {
    return value ? std::optional<uint64_t>{*value} : std::nullopt;
  };
  const auto learn_requests = [&](limit_dimension dimension, const std::optional<uint32_t>& limit,
                                  const std::optional<uint32_t>& told) {
    auto remaining = widen(told);
    if (remaining)
      remaining = *remaining > seen.requests_sent_since ? *remaining - seen.requests_sent_since : 0;
    if (limit || remaining)
      self->state.limits->learn(dimension, widen(limit), remaining, now);
  };
  learn_requests(limit_dimension::requests_per_minute, seen.limit_requests, seen.remaining_requests);
  learn_requests(limit_dimension::requests_per_day, seen.limit_requests_per_day,
                 seen.remaining_requests_today);
  const auto learn_tokens = [&](limit_dimension dimension, const std::optional<uint32_t>& limit,
                                const std::optional<uint32_t>& told) {
    if (limit || told)
      self->state.limits->learn(dimension, widen(limit), widen(told), now);
  };
  learn_tokens(limit_dimension::tokens_per_minute, seen.limit_tokens, seen.remaining_tokens);
  learn_tokens(limit_dimension::input_tokens_per_minute, seen.limit_input_tokens,
               seen.remaining_input_tokens);
  learn_tokens(limit_dimension::output_tokens_per_minute, seen.limit_output_tokens,
               seen.remaining_output_tokens);
  self->state.changed = true;
}

void close(self_pointer self, const key_closed& message) {
  const auto now = self->clock().now();
  self->state.limits->close_until(now + message.for_duration);
  if (!message.announced)
    self->state.limits->refused(now, message.for_duration);
  self->state.changed = true;
}

void withdraw(self_pointer self, const slots_withdrawn& message) {
  const std::unordered_set<call_id> gone(message.calls.begin(), message.calls.end());
  std::erase_if(self->state.waiting, [&](const slot_request& request) { return gone.contains(request.id); });
  if (self->state.waiting.empty())
    self->state.told_until = {};
}

gauges read(self_pointer self, const rate_limiter_config& config) {
  const auto& provider = config.provider.value;
  const auto& model = config.model.value;
  const auto& limits = *self->state.limits;
  const std::chrono::duration<double> closed = limits.export_state(self->clock().now()).closed_for;
  gauges out;
  out.values.push_back({metric::limiter_waiting_calls,
                        {provider, model, config.key_name},
                        static_cast<double>(self->state.waiting.size())});
  out.values.push_back({metric::limiter_closed_seconds, {provider, model, config.key_name}, closed.count()});
  for (size_t i = 0; i < control::limit_dimensions; ++i) {
    const auto dimension = static_cast<limit_dimension>(i);
    if (const auto* bucket = limits.bucket(dimension); bucket != nullptr && bucket->limit() > 0)
      out.values.push_back({metric::limiter_limit,
                            {provider, model, config.key_name, std::string(to_string(dimension))},
                            static_cast<double>(bucket->limit())});
  }
  return out;
}

/// Two timers share one message.
void forget_past(self_pointer self) {
  const auto now = self->clock().now();
  for (auto* due : {&self->state.wake_at, &self->state.remember_at})
    if (*due && **due <= now)
      due->reset();
}

control::limit_set make_limits(const rate_limiter_config& config, control::steady_time now) {
  const auto past = from_memory(config.memory, config.wall());
  if (!past)
    return {config.limits, config.start_empty || !config.memory.empty(), now};
  control::limit_set out{config.limits, past->state, now, past->elapsed};
  // Memory is up to one interval old.
  out.spend_burst(now);
  return out;
}

} // namespace

rate_limiter_actor::behavior_type rate_limiter(self_pointer self, rate_limiter_config config,
                                               slot_sink_actor owner) {
  self->state.limits.emplace(make_limits(config, self->clock().now()));
  self->state.limits->set_slots(config.limits.concurrent_requests);
  return {
      [self, config, owner](const acquire_slots& wish) {
        self->state.waiting.insert(self->state.waiting.end(), wish.requests.begin(), wish.requests.end());
        grant(self, config, owner);
      },
      [self, config, owner](const slots_settled& message) {
        settle(self, message);
        grant(self, config, owner);
      },
      [self](const slots_withdrawn& message) { withdraw(self, message); },
      [self, config, owner](const limits_observed& seen) {
        learn(self, seen);
        remember(self, config, owner);
      },
      [self, config, owner](const key_closed& message) {
        close(self, message);
        remember(self, config, owner);
      },
      [self, config](const read_gauges&) { return read(self, config); },
      [self, config, owner](const tick&) {
        forget_past(self);
        grant(self, config, owner);
      },
  };
}

} // namespace assay
