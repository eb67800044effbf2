#include "core/configurations/optimized.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

namespace assay::configurations {

namespace {

using nlohmann::json;

constexpr std::array<std::string_view, 5> strategy_names{"performance", "cost", "quality", "balanced",
                                                         "latency"};
constexpr std::array<const char*, 6> parameter_names{
    "temperature", "max_tokens", "top_p", "frequency_penalty", "presence_penalty", "stop_sequences"};
/// Of a normal distribution, for two-sided intervals of 95 %.
constexpr double z95 = 1.959964;
constexpr size_t most_named_runs = 20;

/// One set of parameters, and all that was asked with it.
struct candidate {
  json parameters;
  std::vector<std::string> runs;
  uint64_t samples = 0;
  double score_sum = 0;
  double cost = 0;
  uint64_t priced = 0; ///< Samples whose cost is in `cost`.
  double tokens = 0;
  uint64_t counted = 0; ///< Samples whose tokens are in `tokens`.

  double score() const { return score_sum / static_cast<double>(samples); }
  std::optional<double> sample_cost() const {
    return priced == 0 ? std::nullopt : std::optional{cost / static_cast<double>(priced)};
  }
  std::optional<double> sample_tokens() const {
    return counted == 0 ? std::nullopt : std::optional{tokens / static_cast<double>(counted)};
  }
  /// Wilson's interval (1927) with the mean score in the place of the proportion: never too narrow for scores
  /// from 0 to 1, whose variance is at most that of right and wrong answers.
  std::pair<double, double> interval() const {
    const double n = static_cast<double>(samples);
    const double p = std::clamp(score(), 0.0, 1.0);
    const double z2 = z95 * z95;
    const double middle = (p + z2 / (2 * n)) / (1 + z2 / n);
    const double half = z95 * std::sqrt(p * (1 - p) / n + z2 / (4 * n * n)) / (1 + z2 / n);
    return {middle - half, middle + half};
  }
};

json parameters_of(const sampling& from) {
  json out = from;
  out.erase("seed");
  // The API's word is not the wire's.
  if (const auto stop = out.find("stop"); stop != out.end()) {
    out["stop_sequences"] = *stop;
    out.erase("stop");
  }
  return out;
}

std::vector<candidate> candidates_of(const std::vector<past_result>& results) {
  std::vector<candidate> out;
  for (const auto& one : results) {
    if (one.samples == 0)
      continue;
    const auto parameters = parameters_of(one.parameters);
    auto found = std::ranges::find(out, parameters, &candidate::parameters);
    if (found == out.end()) {
      out.emplace_back().parameters = parameters;
      found = std::prev(out.end());
    }
    if (std::ranges::find(found->runs, one.run) == found->runs.end())
      found->runs.push_back(one.run);
    found->samples += one.samples;
    found->score_sum += one.score * static_cast<double>(one.samples);
    if (one.cost) {
      found->cost += *one.cost;
      found->priced += one.samples;
    }
    if (one.completion_tokens) {
      found->tokens += *one.completion_tokens;
      found->counted += one.samples;
    }
  }
  std::ranges::stable_sort(out, [](const candidate& a, const candidate& b) { return a.samples > b.samples; });
  return out;
}

// -- choosing ----------------------------------------------------------------------------------------------

/// How good a candidate is for a strategy; nothing when what the strategy looks at is unknown.
struct merit {
  std::optional<double> value;
  std::string because;
};

struct best_of_all {
  double score = 0;
  std::optional<double> cost;
  std::optional<double> tokens;
};

best_of_all best_of(const std::vector<const candidate*>& all) {
  best_of_all out;
  const auto lower = [](std::optional<double>& best, const std::optional<double>& value) {
    if (value && (!best || *value < *best))
      best = value;
  };
  for (const auto* one : all) {
    out.score = std::max(out.score, one->score());
    lower(out.cost, one->sample_cost());
    lower(out.tokens, one->sample_tokens());
  }
  return out;
}

/// 1 for the best, less for the others. All that is free is as good as the best.
std::optional<double> share_of(const std::optional<double>& best, const std::optional<double>& value) {
  if (!best || !value)
    return std::nullopt;
  return *value <= 0 ? 1.0 : *best / *value;
}

double quality_share(const best_of_all& best, const candidate& one) {
  return best.score <= 0 ? 1.0 : one.score() / best.score;
}

bool about_as_good(const best_of_all& best, const candidate& one) {
  return one.score() >= best.score - score_margin;
}

/// Nothing makes up for worse answers than these.
bool good_enough(const best_of_all& best, const candidate& one) {
  return quality_share(best, one) >= least_share_of_best;
}

merit merit_of(optimization_strategy strategy, const best_of_all& best, const candidate& one) {
  const auto cost = one.sample_cost();
  const auto tokens = one.sample_tokens();
  const auto speed = share_of(best.tokens, tokens);
  const auto thrift = share_of(best.cost, cost);
  switch (strategy) {
  case optimization_strategy::quality:
    return {one.interval().first, "the highest lower end of the score's 95 % interval"};
  case optimization_strategy::cost:
    if (!about_as_good(best, one))
      return {};
    return {cost ? std::optional{-*cost} : std::nullopt,
            "the least cost of a sample among those whose score is within 0.05 of the best"};
  case optimization_strategy::latency:
    if (!about_as_good(best, one))
      return {};
    return {tokens ? std::optional{-*tokens} : std::nullopt,
            "the shortest answers among those whose score is within 0.05 of the best; what is written takes "
            "most of an answer's time"};
  case optimization_strategy::performance:
    if (!good_enough(best, one))
      return {};
    return {
        speed ? std::optional{0.7 * quality_share(best, one) + 0.3 * *speed} : std::nullopt,
        "the most of 70 % score and 30 % speed among those with 80 % of the best score; shorter answers are "
        "faster"};
  case optimization_strategy::balanced:
    break;
  }
  if (!speed || !thrift || !good_enough(best, one))
    return {};
  return {0.5 * quality_share(best, one) + 0.25 * *speed + 0.25 * *thrift,
          "the most of 50 % score, 25 % cost and 25 % speed among those with 80 % of the best score; shorter "
          "answers are faster"};
}

struct choice_made {
  const candidate* chosen = nullptr;
  std::string because; ///< Why it was chosen, or why none is.
};

std::string count_of(size_t number, const char* one, const char* many) {
  return std::to_string(number) + " " + (number == 1 ? one : many);
}

choice_made choose(const optimization_input& input, const std::vector<candidate>& all) {
  if (all.empty())
    return {nullptr, "no finished run has asked this model tasks of the type " + input.task_type};
  std::vector<const candidate*> known;
  for (const auto& one : all)
    if (one.samples >= least_evidence)
      known.push_back(&one);
  if (known.size() < 2)
    return {nullptr, count_of(known.size(), "set of parameters has", "sets of parameters have") + " "
                         + std::to_string(least_evidence)
                         + " samples or more in finished runs; choosing takes two"};
  const auto best = best_of(known);
  choice_made out;
  double most = 0;
  for (const auto* one : known) {
    const auto worth = merit_of(input.strategy, best, *one);
    if (!worth.value || (out.chosen != nullptr && *worth.value <= most))
      continue;
    out.chosen = one;
    out.because = worth.because;
    most = *worth.value;
  }
  if (out.chosen == nullptr)
    out.because = input.strategy == optimization_strategy::cost
                      ? "the cost of the finished runs is unknown"
                      : "the cost or the tokens of the finished runs are unknown";
  return out;
}

// -- showing -----------------------------------------------------------------------------------------------

json optional_number(const std::optional<double>& value) { return value ? json(*value) : json(nullptr); }

json candidate_json(const candidate& one, bool chosen) {
  const auto [low, high] = one.interval();
  auto runs = json::array();
  for (size_t i = 0; i < std::min(one.runs.size(), most_named_runs); ++i)
    runs.push_back(one.runs[i]);
  return {{"parameters", one.parameters},
          {"samples", one.samples},
          {"runs", std::move(runs)},
          {"run_count", one.runs.size()},
          {"score", one.score()},
          {"score_interval", {{"low", low}, {"high", high}, {"level", 0.95}}},
          {"cost_per_sample", optional_number(one.sample_cost())},
          {"completion_tokens_per_sample", optional_number(one.sample_tokens())},
          {"enough", one.samples >= least_evidence},
          {"chosen", chosen}};
}

json observed_json(const observed_calls& seen) {
  return {{"window", seen.window},
          {"samples", seen.samples},
          {"measured", seen.measured},
          {"response_time_avg", seen.measured > 0 ? json(seen.response_time_avg) : json(nullptr)},
          {"response_time_p95", seen.measured > 0 ? json(seen.response_time_p95) : json(nullptr)},
          {"response_time_p99", seen.measured > 0 ? json(seen.response_time_p99) : json(nullptr)},
          {"success_rate", optional_number(seen.success_rate)},
          {"completion_tokens_avg", optional_number(seen.completion_tokens_avg)},
          {"cost_avg", optional_number(seen.cost_avg)}};
}

std::optional<double> number_in(const json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_number() ? std::optional{found->get<double>()} : std::nullopt;
}

/// @returns null where nothing is wished for; `met` is null where nothing was seen.
json targets_json(const json& configuration, const std::optional<observed_calls>& seen) {
  const auto group = configuration.find("performance_targets");
  if (group == configuration.end() || !group->is_object())
    return nullptr;
  json out = json::object();
  if (const auto wished = number_in(*group, "target_response_time")) {
    const bool known = seen && seen->measured > 0;
    out["target_response_time"] = {{"target", *wished},
                                   {"observed", known ? json(seen->response_time_avg) : json(nullptr)},
                                   {"met", known ? json(seen->response_time_avg <= *wished) : json(nullptr)}};
  }
  if (const auto wished = number_in(*group, "target_success_rate")) {
    const bool known = seen && seen->success_rate;
    out["target_success_rate"] = {{"target", *wished},
                                  {"observed", known ? json(*seen->success_rate) : json(nullptr)},
                                  {"met", known ? json(*seen->success_rate >= *wished) : json(nullptr)}};
  }
  return out;
}

json value_json(json value, json configured, const char* source, std::string reason, json evidence = {}) {
  return {{"value", std::move(value)},
          {"configured", std::move(configured)},
          {"source", source},
          {"reason", std::move(reason)},
          {"evidence", std::move(evidence)}};
}

/// What task_optimizations say of this type of task.
json optimizations_for(const json& configuration, const std::string& task_type) {
  const auto all = configuration.find("task_optimizations");
  if (all == configuration.end() || !all->is_object())
    return json::object();
  const auto one = all->find(task_type);
  return one == all->end() || !one->is_object() ? json::object() : *one;
}

json member_of(const json& object, const char* name) {
  const auto found = object.find(name);
  return found == object.end() ? json(nullptr) : *found;
}

/// A call that takes three times as long as the slowest hundredth has taken is lost anyway.
json timeout_json(const optimization_input& input, const json& configured) {
  const bool hurried = input.strategy == optimization_strategy::latency
                       || input.strategy == optimization_strategy::performance;
  const auto as_configured = [&](std::string reason) {
    return value_json(configured, configured, configured.is_null() ? "provider_default" : "configuration",
                      std::move(reason));
  };
  if (!hurried)
    return as_configured("this strategy leaves it as it is");
  if (!input.observed || input.observed->measured < least_evidence)
    return as_configured("the monitor has measured fewer than " + std::to_string(least_evidence)
                         + " calls of this model");
  const double wanted = std::max(1.0, std::ceil(3 * input.observed->response_time_p99));
  if (configured.is_number() && configured.get<double>() <= wanted)
    return as_configured("it is not longer than three times the 99th percentile");
  return value_json(wanted, configured, "monitor",
                    "three times the 99th percentile of the response time, in whole seconds",
                    observed_json(*input.observed));
}

} // namespace

std::string_view to_string(optimization_strategy value) noexcept {
  const auto index = static_cast<size_t>(value) - 1;
  return index < strategy_names.size() ? strategy_names[index] : "unknown";
}

std::optional<optimization_strategy> optimization_strategy_from_string(std::string_view name) noexcept {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
  for (size_t i = 0; i < strategy_names.size(); ++i)
    if (std::ranges::equal(strategy_names[i], name, {}, {}, lower))
      return static_cast<optimization_strategy>(i + 1);
  return std::nullopt;
}

std::vector<std::string> optimization_strategy_names() {
  return {strategy_names.begin(), strategy_names.end()};
}

json optimized_json(const optimization_input& input) {
  auto configuration = json::parse(input.configuration, nullptr, false);
  if (!configuration.is_object())
    configuration = json::object();
  const auto by_type = optimizations_for(configuration, input.task_type);
  const auto candidates = candidates_of(input.results);
  const auto made = choose(input, candidates);

  json values = json::object();
  json effective = configuration;
  effective.erase("task_optimizations");
  for (const auto* name : parameter_names) {
    const auto configured = member_of(configuration, name);
    const auto for_type = member_of(by_type, name);
    const auto& usual = for_type.is_null() ? configured : for_type;
    json shown;
    if (made.chosen != nullptr) {
      // What those runs left to the provider is part of what was tried.
      const auto tried = member_of(made.chosen->parameters, name);
      shown = value_json(tried, usual, tried.is_null() ? "provider_default" : "past_results", made.because,
                         candidate_json(*made.chosen, true));
    } else if (!for_type.is_null()) {
      shown = value_json(for_type, configured, "task_optimizations",
                         "task_optimizations." + input.task_type + "; " + made.because);
    } else {
      shown = value_json(configured, configured, configured.is_null() ? "provider_default" : "configuration",
                         made.because);
    }
    if (shown["value"].is_null())
      effective.erase(name);
    else
      effective[name] = shown["value"];
    values[name] = std::move(shown);
  }
  values["timeout"] = timeout_json(input, member_of(configuration, "timeout"));
  if (!values["timeout"]["value"].is_null())
    effective["timeout"] = values["timeout"]["value"];

  auto shown_candidates = json::array();
  for (const auto& one : candidates)
    shown_candidates.push_back(candidate_json(one, &one == made.chosen));
  auto notes = json::array();
  if (made.chosen == nullptr)
    notes.push_back("nothing was derived from earlier runs: " + made.because);
  if (input.more_results)
    notes.push_back("only the newest runs were looked at");
  if (!input.observed)
    notes.push_back("the monitor has seen no call of this model in the last 24 hours");
  return {{"task_type", input.task_type},
          {"strategy", to_string(input.strategy)},
          {"configuration", std::move(effective)},
          {"values", values},
          {"candidates", std::move(shown_candidates)},
          {"observed", input.observed ? observed_json(*input.observed) : json(nullptr)},
          {"targets", targets_json(configuration, input.observed)},
          {"evidence", made.chosen != nullptr || values["timeout"]["source"] == "monitor"},
          {"notes", std::move(notes)}};
}

} // namespace assay::configurations
