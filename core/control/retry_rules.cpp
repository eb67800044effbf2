#include "core/control/retry_rules.hpp"

#include <algorithm>
#include <cmath>

namespace assay::control {

namespace {

constexpr retry_rule transient_rule{};
constexpr retry_rule rate_limit_rule{.strategy = retry_strategy::equal_jitter,
                                     .base = milliseconds{1000},
                                     .cap = milliseconds{60'000},
                                     .attempts = retry_rules::most_attempts,
                                     .jitter = std::nullopt};

/// Errors that say something about the provider, so that another try may end differently.
bool is_about_the_provider(errc code) noexcept {
  return (code >= errc::rate_limited && code <= errc::quota_exhausted)
         || (code >= errc::connect_failed && code <= errc::breaker_open)
         || retry_class_of(code) != retry_class::never;
}

double jitter_of(const retry_rule& rule) noexcept {
  return rule.jitter.value_or(rule.strategy == retry_strategy::exponential ? 1.0 : 0.5);
}

double full_wait(const retry_rule& rule, unsigned retries) noexcept {
  const auto base = static_cast<double>(rule.base.count());
  switch (rule.strategy) {
  case retry_strategy::exponential:
  case retry_strategy::equal_jitter:
    return base * std::exp2(std::min(retries, 62U));
  case retry_strategy::linear:
    return base * (retries + 1.0);
  case retry_strategy::immediate:
    return base * retries;
  }
  return base;
}

retry_decision give_up(std::string_view reason) noexcept {
  return {false, milliseconds{0}, retry_class::never, false, reason};
}

} // namespace

std::string_view to_string(retry_strategy strategy) noexcept {
  switch (strategy) {
  case retry_strategy::exponential:
    return "exponential";
  case retry_strategy::equal_jitter:
    return "equal_jitter";
  case retry_strategy::linear:
    return "linear";
  case retry_strategy::immediate:
    return "immediate";
  }
  return "unknown";
}

std::optional<retry_strategy> retry_strategy_from_string(std::string_view name) noexcept {
  for (const auto strategy : {retry_strategy::exponential, retry_strategy::equal_jitter,
                              retry_strategy::linear, retry_strategy::immediate})
    if (to_string(strategy) == name)
      return strategy;
  return std::nullopt;
}

milliseconds backoff(const retry_rule& rule, unsigned retries, double random01) noexcept {
  const double longest = std::min(full_wait(rule, retries), static_cast<double>(rule.cap.count()));
  const double random_share = jitter_of(rule);
  return milliseconds{std::llround(longest * (1.0 - random_share + random_share * random01))};
}

milliseconds spread(milliseconds retry_after, double random01) noexcept {
  const auto asked = std::max(retry_after, milliseconds{0});
  const double range = std::max(250.0, 0.1 * static_cast<double>(asked.count()));
  return asked + milliseconds{std::llround(range * random01)};
}

result<void> retry_rules::set(errc code, const retry_rule& rule) {
  if (!is_about_the_provider(code))
    return fault{errc::invalid_argument, "no retry can help after " + std::string(to_string(code)),
                 "retry.rules." + std::string(to_string(code)), "remove the rule"};
  const auto field = [&](std::string_view name) {
    return "retry.rules." + std::string(to_string(code)) + "." + std::string(name);
  };
  if (rule.base < milliseconds{0})
    return fault{errc::invalid_argument, "a wait cannot be negative", field("base"), "use 0 or more"};
  if (rule.cap < rule.base)
    return fault{errc::invalid_argument, "the longest wait is shorter than the first", field("cap"),
                 "use at least the base"};
  if (rule.attempts == 0)
    return fault{errc::invalid_argument, "the first try is an attempt too", field("attempts"), "use 1 to 5"};
  if (rule.jitter && !(*rule.jitter >= 0.0 && *rule.jitter <= 1.0))
    return fault{errc::invalid_argument, "jitter is a share of the wait", field("jitter"), "use 0 to 1"};
  rules_[code] = rule;
  return {};
}

const retry_rule& retry_rules::rule_for(errc code) const noexcept {
  if (const auto it = rules_.find(code); it != rules_.end())
    return it->second;
  return retry_class_of(code) == retry_class::wait ? rate_limit_rule : transient_rule;
}

retry_decision retry_rules::defer(const failed_try& failed, double random01) const noexcept {
  // The hint is compared before it is spread, so that a long one is refused by its own length.
  if (failed.retry_after && *failed.retry_after > longest_deferral)
    return give_up("the provider asks to wait longer than a call may be deferred");
  const auto wait = failed.retry_after ? spread(*failed.retry_after, random01)
                                       : backoff(rule_for(failed.error), failed.deferrals, random01);
  if (failed.deferred + wait > longest_deferral)
    return give_up("the call was deferred for as long as it may be");
  const auto how = failed.error == errc::breaker_open ? retry_class::other_provider : retry_class::wait;
  return {true, wait, how, false,
          failed.retry_after ? "waits as long as the provider asks" : "waits for the limit to open"};
}

retry_decision retry_rules::decide(const failed_try& failed, double random01) const noexcept {
  auto how = retry_class_of(failed.error);
  if (how == retry_class::never) {
    if (!rules_.contains(failed.error))
      return give_up("the same call would fail again");
    how = retry_class::transient;
  }
  if (failed.possibly_billed_tries >= possibly_billed_tries && failed.possibly_billed_tries > 0)
    return give_up("another try might be paid for once more");
  if (how == retry_class::wait || failed.error == errc::breaker_open)
    return defer(failed, random01);
  const auto& rule = rule_for(failed.error);
  if (failed.attempts >= std::min(rule.attempts, most_attempts))
    return give_up("all attempts are used up");
  if (how == retry_class::other_key)
    return {true, milliseconds{0}, how, true, "another key may be accepted"};
  auto wait = backoff(rule, failed.attempts == 0 ? 0U : failed.attempts - 1U, random01);
  if (failed.retry_after) {
    if (*failed.retry_after > longest_deferral)
      return give_up("the provider asks to wait longer than a call may be deferred");
    wait = std::max(wait, spread(*failed.retry_after, random01));
  }
  return {true, wait, how, true, "the failure may pass"};
}

} // namespace assay::control
