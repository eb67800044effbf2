#include "core/monitoring/retry_advice.hpp"

#include "core/stats/intervals.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <optional>

namespace assay::monitoring {

namespace {

using json = nlohmann::json;
using control::retry_rule;
using control::retry_strategy;

constexpr double useless = 0.05;          ///< A retry that succeeds more rarely is not worth a call.
constexpr double useful = 0.2;            ///< One that succeeds more often deserves another one after it.
constexpr double certain = 0.8;           ///< Retries that succeed so often need not wait longer.
constexpr double same = 0.05;             ///< Shares that differ by less are the same.
constexpr int change_of_wait = 2;         ///< One step of the first wait.
constexpr milliseconds worth_saving{100}; ///< Shorter waits are not looked at.

struct measured {
  double share = 0;
  double low = 0;
  double high = 1;
};

measured measure(const retry_outcomes& seen) {
  if (seen.made == 0)
    return {};
  const auto bounds = stats::wilson_interval(seen.succeeded, seen.made);
  return {static_cast<double>(seen.succeeded) / static_cast<double>(seen.made), bounds.low, bounds.high};
}

std::string percent(double share) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f %%", share * 100);
  return text;
}

bool grows_slowly(const retry_rule& rule) {
  return rule.strategy == retry_strategy::linear || rule.strategy == retry_strategy::immediate;
}

/// What one error of one provider calls for.
class adviser {
public:
  adviser(const retry_subject& subject, const retry_counts& seen, const retry_rule& configured,
          const retry_rule& now, const retry_bounds& bounds)
      : subject_(subject), seen_(seen), configured_(configured), now_(now), bounds_(bounds) {}

  std::optional<retry_proposal> advise() const {
    if (auto found = fewer_attempts())
      return found;
    if (auto found = longer_wait())
      return found;
    if (auto found = more_attempts())
      return found;
    return shorter_wait();
  }

private:
  retry_proposal about(std::string action, uint64_t samples) const {
    retry_proposal out;
    out.provider = subject_.provider;
    out.error = subject_.error;
    out.action = std::move(action);
    out.now = now_;
    out.proposed = now_;
    out.samples = samples;
    return out;
  }

  static void expect(retry_proposal& out, double gain, double low, double high, std::string unit) {
    out.gain = gain;
    out.gain_low = std::min(low, gain);
    out.gain_high = std::max(high, gain);
    out.gain_unit = std::move(unit);
  }

  uint16_t least_attempts() const { return std::min(bounds_.least_attempts, configured_.attempts); }

  /// The call's retries from the one at @p first on.
  retry_outcomes from(size_t first) const {
    retry_outcomes out;
    for (size_t k = first; k < seen_.by_number.size(); ++k) {
      out.made += seen_.by_number[k].made;
      out.succeeded += seen_.by_number[k].succeeded;
    }
    return out;
  }

  std::optional<retry_proposal> fewer_attempts() const {
    for (size_t k = 0; k + 1 < now_.attempts && k < seen_.by_number.size(); ++k) {
      const auto later = from(k);
      const auto success = measure(later);
      if (seen_.by_number[k].made < bounds_.least_samples || success.high >= useless)
        continue;
      // The first retry is the second try.
      const auto attempts = std::max(static_cast<uint16_t>(k + 1), least_attempts());
      if (attempts >= now_.attempts)
        return std::nullopt;
      auto out = about("fewer_attempts", later.made);
      out.reason = std::to_string(later.succeeded) + " of " + std::to_string(later.made)
                   + " retries from number " + std::to_string(k + 1) + " on succeeded";
      out.proposed.attempts = attempts;
      out.evidence = {{"retry_number", static_cast<double>(k + 1)},
                      {"retries", static_cast<double>(later.made)},
                      {"succeeded", static_cast<double>(later.succeeded)},
                      {"success_rate_high", success.high}};
      const auto spared = from(attempts - 1U).made;
      const auto share = stats::wilson_interval(spared, seen_.retries.made);
      expect(out, static_cast<double>(spared) / static_cast<double>(seen_.retries.made), share.low,
             share.high, "share of retries spared");
      return out;
    }
    return std::nullopt;
  }

  std::optional<retry_proposal> longer_wait() const {
    const auto shorter = measure(seen_.after_shorter);
    const auto longer = measure(seen_.after_longer);
    if (!enough_of_both(1) || longer.low <= shorter.high)
      return std::nullopt;
    auto out = about("longer_wait", seen_.after_shorter.made + seen_.after_longer.made);
    if (grows_slowly(now_)) {
      out.action = "faster_growth";
      out.proposed.strategy = retry_strategy::exponential;
      out.proposed.base = std::max(now_.base, bounds_.least_base);
    } else {
      out.proposed.base = bounded(now_.base * change_of_wait, now_.base);
    }
    out.proposed.cap = std::max(now_.cap, out.proposed.base);
    if (out.proposed == now_)
      return std::nullopt;
    out.reason = percent(longer.share) + " of retries succeed after a longer wait, " + percent(shorter.share)
                 + " after a shorter one";
    out.evidence = halves(shorter, longer);
    const auto all = measure(seen_.retries);
    expect(out, longer.share - all.share, longer.low - all.high, longer.high - all.low,
           "share of retries that succeed in addition");
    return out;
  }

  std::optional<retry_proposal> shorter_wait() const {
    const auto shorter = measure(seen_.after_shorter);
    const auto longer = measure(seen_.after_longer);
    constexpr uint64_t more_samples = 4;
    if (!enough_of_both(more_samples) || shorter.low < certain || longer.low < certain
        || std::abs(longer.share - shorter.share) >= same || seen_.retries.made == 0)
      return std::nullopt;
    const auto mean = seen_.waited / static_cast<int64_t>(seen_.retries.made);
    if (mean < worth_saving)
      return std::nullopt;
    auto out = about("shorter_wait", seen_.after_shorter.made + seen_.after_longer.made);
    out.proposed.base = bounded(now_.base / change_of_wait, now_.base);
    if (out.proposed.base >= now_.base)
      return std::nullopt;
    out.reason = percent(shorter.share) + " of retries succeed after a short wait already";
    out.evidence = halves(shorter, longer);
    const double saved = std::chrono::duration<double>(mean).count() * (1 - 1.0 / change_of_wait);
    out.evidence.emplace_back("wait_avg", std::chrono::duration<double>(mean).count());
    // Of the waits' length it is certain; of a retry that fails, the next wait is on top.
    expect(out, saved * shorter.share, saved * shorter.low, saved * shorter.high, "seconds a retry");
    return out;
  }

  std::optional<retry_proposal> more_attempts() const {
    if (now_.attempts < 2 || now_.attempts >= control::retry_rules::most_attempts
        || seen_.given_up < bounds_.least_samples)
      return std::nullopt;
    const auto& last = seen_.by_number[now_.attempts - 2U];
    const auto success = measure(last);
    if (last.made < bounds_.least_samples || success.low <= useful)
      return std::nullopt;
    auto out = about("more_attempts", last.made);
    ++out.proposed.attempts;
    out.reason = "the last retry still succeeded in " + percent(success.share) + " of cases, and "
                 + std::to_string(seen_.given_up) + " calls were given up after it";
    out.evidence = {{"retry_number", now_.attempts - 1.0},
                    {"retries", static_cast<double>(last.made)},
                    {"succeeded", static_cast<double>(last.succeeded)},
                    {"success_rate_low", success.low},
                    {"given_up", static_cast<double>(seen_.given_up)}};
    expect(out, success.share, success.low, success.high, "share of given up calls that are answered");
    return out;
  }

  bool enough_of_both(uint64_t times) const {
    return seen_.after_shorter.made >= times * bounds_.least_samples
           && seen_.after_longer.made >= times * bounds_.least_samples;
  }

  std::vector<std::pair<std::string, double>> halves(const measured& shorter, const measured& longer) const {
    return {{"after_shorter_waits", static_cast<double>(seen_.after_shorter.made)},
            {"after_shorter_waits_success_rate", shorter.share},
            {"after_shorter_waits_success_rate_high", shorter.high},
            {"after_longer_waits", static_cast<double>(seen_.after_longer.made)},
            {"after_longer_waits_success_rate", longer.share},
            {"after_longer_waits_success_rate_low", longer.low}};
  }

  /// Between the bounds, unless the present wait is outside of them already.
  milliseconds bounded(milliseconds wished, milliseconds present) const {
    const auto configured = static_cast<double>(configured_.base.count());
    const auto low =
        std::max(bounds_.least_base, milliseconds{std::llround(configured / bounds_.most_factor)});
    const auto high =
        std::min(bounds_.most_base, milliseconds{std::llround(configured * bounds_.most_factor)});
    return low > high ? present : std::clamp(wished, std::min(low, present), std::max(high, present));
  }

  const retry_subject& subject_;
  const retry_counts& seen_;
  retry_rule configured_;
  retry_rule now_;
  const retry_bounds& bounds_;
};

} // namespace

json rule_json(const retry_rule& rule) {
  const auto in_seconds = [](milliseconds time) { return std::chrono::duration<double>(time).count(); };
  return {{"strategy", control::to_string(rule.strategy)},
          {"base", in_seconds(rule.base)},
          {"cap", in_seconds(rule.cap)},
          {"factor", grows_slowly(rule) ? json(nullptr) : json(2)},
          {"max_attempts", std::min(rule.attempts, control::retry_rules::most_attempts)}};
}

void to_json(json& out, const retry_proposal& value) {
  json evidence = json::object();
  for (const auto& [name, number] : value.evidence)
    evidence[name] = number;
  out = json{{"provider", value.provider.value},
             {"error", to_string(value.error)},
             {"action", value.action},
             {"reason", value.reason},
             {"now", rule_json(value.now)},
             {"proposed", rule_json(value.proposed)},
             {"samples", value.samples},
             {"evidence", std::move(evidence)},
             {"expected_gain",
              {{"value", value.gain},
               {"low", value.gain_low},
               {"high", value.gain_high},
               {"confidence", 0.95},
               {"unit", value.gain_unit}}}};
}

std::vector<retry_proposal> retry_proposals(const retry_tally& seen, const rule_lookup& configured,
                                            const rule_lookup& in_force, const retry_bounds& bounds) {
  std::vector<retry_proposal> out;
  for (const auto& [subject, counts] : seen.subjects()) {
    if (retry_class_of(subject.error) != retry_class::transient)
      continue;
    auto now = in_force(subject.provider, subject.error);
    now.attempts = std::min(now.attempts, control::retry_rules::most_attempts);
    if (now.strategy != subject.strategy)
      continue;
    const adviser one(subject, counts, configured(subject.provider, subject.error), now, bounds);
    if (auto found = one.advise())
      out.push_back(std::move(*found));
  }
  return out;
}

} // namespace assay::monitoring
