#include "core/monitoring/advice.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdio>

namespace assay::monitoring {

namespace {

using json = nlohmann::json;

constexpr double success_weight = 0.4;
constexpr double quality_weight = 0.3;
constexpr double speed_weight = 0.2;
constexpr double price_weight = 0.1;

/// Quality this much lower counts as the same.
constexpr double quality_tolerance = 0.02;
/// A cheaper model is worth naming from this share of the price on.
constexpr double cheaper_share = 0.7;
constexpr double many_retries = 0.2;

double in_seconds(microseconds time) { return std::chrono::duration<double>(time).count(); }

std::string rounded(double value, int decimals) {
  char text[48];
  std::snprintf(text, sizeof text, "%.*f", decimals, value);
  return text;
}

std::string percent(double share) { return rounded(share * 100, 1) + " %"; }

uint64_t errors_named(const window_summary& seen, errc code) {
  const auto found = seen.errors.find(std::string(to_string(code)));
  return found == seen.errors.end() ? 0 : found->second;
}

std::optional<double> cost_per_call(const window_summary& seen) {
  if (seen.samples == 0 || seen.unpriced > 0 || seen.cost.nanodollars <= 0)
    return std::nullopt;
  return to_dollars(seen.cost) / static_cast<double>(seen.samples);
}

recommendation about(const model_view& model, window_span span, std::string action, std::string reason) {
  recommendation out;
  out.action = std::move(action);
  out.provider = model.provider;
  out.model = model.model;
  out.reason = std::move(reason);
  out.window = span;
  out.samples = over(model.windows, span).samples;
  return out;
}

/// What one model's last five minutes call for.
class model_adviser {
public:
  model_adviser(const thresholds& limits, const std::vector<model_view>& all, const model_view& model,
                std::vector<recommendation>& out)
      : limits_(limits), all_(all), model_(model), seen_(over(model.windows, span)), out_(out) {}

  void advise() {
    about_keys();
    const bool throttled = about_throttling();
    // What throttling explains is not said twice.
    const bool failing = !throttled && about_failures();
    const bool slow = about_time();
    about_local_lag();
    if (!throttled && !failing && !slow)
      about_room();
  }

private:
  static constexpr auto span = window_span::five_minutes;

  recommendation& add(std::string action, std::string reason) {
    return out_.emplace_back(about(model_, span, std::move(action), std::move(reason)));
  }

  double share(uint64_t count) const {
    return static_cast<double>(count) / static_cast<double>(seen_.samples);
  }

  void about_keys() {
    if (const auto count = errors_named(seen_, errc::credentials_rejected); count > 0)
      add("check_credentials", "the provider rejected a key " + std::to_string(count) + " times").evidence = {
          {"credentials_rejected", static_cast<double>(count)}};
    if (const auto count = errors_named(seen_, errc::quota_exhausted); count > 0)
      add("add_credit", "a key has no credit left").evidence = {
          {"quota_exhausted", static_cast<double>(count)}};
  }

  bool about_throttling() {
    const auto limited = share(errors_named(seen_, errc::rate_limited));
    if (limited <= limits_.scaling.error_rate_high)
      return false;
    auto& slower = add("reduce_concurrency", percent(limited) + " of calls ended with 429, more than "
                                                 + percent(limits_.scaling.error_rate_high));
    slower.evidence = {{"rate_limited_share", limited}, {"error_rate_high", limits_.scaling.error_rate_high}};
    slower.concurrency_factor = std::clamp(1.0 - limited, lowest_factor, 0.9);
    add("add_key", "the provider's limits are used up; another key brings another limit").evidence = {
        {"rate_limited_share", limited}};
    return true;
  }

  bool about_failures() {
    const auto wrong = *seen_.error_rate();
    const auto right = *seen_.success_rate();
    const bool many = wrong > limits_.scaling.error_rate_high;
    if (!many && right >= limits_.scaling.success_rate_low)
      return false;
    const auto reason =
        many
            ? percent(wrong) + " of calls failed, more than " + percent(limits_.scaling.error_rate_high)
            : percent(right) + " of calls succeeded, fewer than " + percent(limits_.scaling.success_rate_low);
    std::vector<std::pair<std::string, double>> numbers{
        {"error_rate", wrong},
        {"success_rate", right},
        {"error_rate_high", limits_.scaling.error_rate_high},
        {"success_rate_low", limits_.scaling.success_rate_low}};
    if (const auto* other = healthy_other())
      add("switch_model", reason + "; " + other->model.value + " at " + other->provider.value + " works")
          .evidence = numbers;
    auto& slower = add("reduce_concurrency", reason);
    slower.evidence = std::move(numbers);
    slower.concurrency_factor = std::clamp(right, lowest_factor, 0.9);
    return true;
  }

  bool about_time() {
    const auto mean = in_seconds(seen_.mean);
    const auto high = limits_.scaling.response_time_high;
    if (mean <= high || seen_.measured < limits_.minimum_samples)
      return false;
    auto& slower = add("reduce_concurrency", "calls take " + rounded(mean, 2) + " s on average, more than "
                                                 + rounded(high, 2) + " s");
    slower.evidence = {{"response_time_avg", mean}, {"response_time_high", high}};
    slower.concurrency_factor = std::clamp(high / mean, lowest_factor, 0.9);
    return true;
  }

  void about_local_lag() {
    const auto lag = in_seconds(seen_.phases.local_lag);
    if (seen_.timed == 0 || lag <= 0.05)
      return;
    add("reduce_local_load",
        "answers wait " + rounded(lag * 1000, 0) + " ms on average before this machine looks at them")
        .evidence = {{"local_lag_avg", lag}};
  }

  /// Calls wait here although the provider is quick and well.
  void about_room() {
    const auto waits = in_seconds(seen_.phases.queued);
    const auto mean = in_seconds(seen_.mean);
    if (seen_.timed == 0 || waits < 1 || mean > limits_.scaling.response_time_high / 2
        || *seen_.error_rate() > limits_.scaling.error_rate_high / 2)
      return;
    auto& faster = add("increase_concurrency", "calls wait " + rounded(waits, 2)
                                                   + " s in line while the provider answers in "
                                                   + rounded(mean, 2) + " s");
    faster.evidence = {
        {"queued_avg", waits}, {"response_time_avg", mean}, {"error_rate", *seen_.error_rate()}};
    faster.concurrency_factor = highest_factor;
  }

  const model_view* healthy_other() const {
    const model_view* best = nullptr;
    for (const auto& one : all_) {
      const auto& windows = over(one.windows, span);
      if (&one == &model_ || windows.samples < limits_.minimum_samples
          || *windows.success_rate() < limits_.scaling.success_rate_low
          || *windows.error_rate() > limits_.scaling.error_rate_high)
        continue;
      if (best == nullptr || *windows.success_rate() > *over(best->windows, span).success_rate())
        best = &one;
    }
    return best;
  }

  const thresholds& limits_;
  const std::vector<model_view>& all_;
  const model_view& model_;
  const window_summary& seen_;
  std::vector<recommendation>& out_;
};

/// @returns the cheapest model that judges as well as @p model; nothing when none is much cheaper.
const model_view* cheaper_equal(const model_view& model, const std::vector<model_view>& all, window_span span,
                                uint32_t minimum_samples) {
  const auto& seen = over(model.windows, span);
  const auto price = cost_per_call(seen);
  if (!price || !seen.quality || seen.judged < minimum_samples)
    return nullptr;
  const model_view* best = nullptr;
  double best_price = *price * cheaper_share;
  for (const auto& one : all) {
    const auto& other = over(one.windows, span);
    const auto other_price = cost_per_call(other);
    if (!other_price || !other.quality || other.judged < minimum_samples || *other_price > best_price
        || *other.quality < *seen.quality - quality_tolerance)
      continue;
    best = &one;
    best_price = *other_price;
  }
  return best;
}

} // namespace

void to_json(json& out, const recommendation& value) {
  json evidence = json::object();
  for (const auto& [name, number] : value.evidence)
    evidence[name] = number;
  evidence["window"] = to_string(value.window);
  evidence["samples"] = value.samples;
  out = json{
      {"action", value.action},
      {"provider", value.provider.value},
      {"model_id", value.model.value},
      {"reason", value.reason},
      {"evidence", std::move(evidence)},
      {"concurrency_factor", value.concurrency_factor ? json(*value.concurrency_factor) : json(nullptr)}};
}

std::vector<recommendation> recommendations_for(const thresholds& limits,
                                                const std::vector<model_view>& models) {
  std::vector<recommendation> out;
  for (const auto& one : models)
    if (over(one.windows, window_span::five_minutes).samples >= std::max(limits.minimum_samples, 1U))
      model_adviser(limits, models, one, out).advise();
  return out;
}

std::vector<model_score> rank(const std::vector<model_view>& models, window_span span) {
  std::optional<double> fastest;
  std::optional<double> cheapest;
  for (const auto& one : models) {
    const auto& seen = over(one.windows, span);
    if (const auto mean = in_seconds(seen.mean); seen.samples > 0 && mean > 0)
      fastest = std::min(mean, fastest.value_or(mean));
    if (const auto price = cost_per_call(seen))
      cheapest = std::min(*price, cheapest.value_or(*price));
  }
  std::vector<model_score> out;
  for (const auto& one : models) {
    const auto& seen = over(one.windows, span);
    if (seen.samples == 0)
      continue;
    model_score made{one.provider, one.model, seen.samples, 0, *seen.success_rate(), seen.quality, {}, {}};
    if (const auto mean = in_seconds(seen.mean); fastest && mean > 0)
      made.speed = *fastest / mean;
    if (const auto price = cost_per_call(seen); price && cheapest)
      made.price = *cheapest / *price;
    double sum = success_weight * made.success;
    double weights = success_weight;
    for (const auto& [part, weight] :
         {std::pair{made.quality, quality_weight}, std::pair{made.speed, speed_weight},
          std::pair{made.price, price_weight}})
      if (part) {
        sum += weight * *part;
        weights += weight;
      }
    made.score = 100 * sum / weights;
    out.push_back(std::move(made));
  }
  std::ranges::stable_sort(out, std::ranges::greater{}, &model_score::score);
  return out;
}

std::vector<recommendation> cost_suggestions(const std::vector<model_view>& models, window_span span,
                                             uint32_t minimum_samples) {
  std::vector<recommendation> out;
  for (const auto& one : models) {
    const auto& seen = over(one.windows, span);
    if (seen.samples == 0)
      continue;
    if (const auto* other = cheaper_equal(one, models, span, std::max(minimum_samples, 1U))) {
      const auto& theirs = over(other->windows, span);
      const auto saved = (*cost_per_call(seen) - *cost_per_call(theirs)) * static_cast<double>(seen.samples);
      auto& made = out.emplace_back(about(one, span, "use_cheaper_model",
                                          other->model.value + " at " + other->provider.value
                                              + " was as good and would have saved $" + rounded(saved, 4)));
      made.evidence = {{"quality", *seen.quality},
                       {"cost_per_call", *cost_per_call(seen)},
                       {"other_quality", *theirs.quality},
                       {"other_cost_per_call", *cost_per_call(theirs)},
                       {"saving", saved}};
    }
    const auto retries = static_cast<double>(seen.retries) / static_cast<double>(seen.samples);
    if (seen.samples >= minimum_samples && retries > many_retries)
      out.emplace_back(about(one, span, "reduce_retries",
                             rounded(retries, 2) + " retries a call; each may be charged again"))
          .evidence = {{"retries_per_call", retries}};
    if (seen.unpriced > 0)
      out.emplace_back(
             about(one, span, "set_prices",
                   std::to_string(seen.unpriced) + " answers have no known price; the cost lacks them"))
          .evidence = {{"unpriced", static_cast<double>(seen.unpriced)}};
  }
  return out;
}

} // namespace assay::monitoring
