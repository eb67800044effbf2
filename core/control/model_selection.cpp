#include "core/control/model_selection.hpp"

#include <algorithm>
#include <cstdio>

namespace assay::control {

namespace {

std::string shown(double value, int digits) {
  char text[48];
  std::snprintf(text, sizeof text, "%.*g", digits, value);
  return text;
}

bool lists(const std::vector<std::string>& words, const std::string& word) {
  return std::ranges::find(words, word) != words.end();
}

std::optional<double> cost_of(const selection_wish& wish, const model_profile& model) {
  if (!model.prices)
    return std::nullopt;
  constexpr double per_million = 1e6;
  return (static_cast<double>(wish.content_tokens) * model.prices->input_per_mtok
          + static_cast<double>(wish.answer_tokens) * model.prices->output_per_mtok)
         / per_million;
}

bool is_group(std::string_view word) { return word.find("_scenarios") != std::string_view::npos; }

/// The list holds words of two kinds: groups of tasks, and types of work. One that has none of a kind does
/// not narrow it.
bool takes(const std::vector<std::string>& supported, const std::string& wanted) {
  const bool group = is_group(wanted);
  return lists(supported, wanted)
         || std::ranges::none_of(supported, [&](const std::string& word) { return is_group(word) == group; });
}

/// @returns why the model itself cannot do it; empty when it can.
std::string unfit(const selection_wish& wish, const model_profile& model) {
  if (!wish.providers.empty() && !lists(wish.providers, model.provider.value))
    return "its provider is not among those asked for";
  if (!wish.task_type.empty() && !takes(model.supported_tasks, wish.task_type))
    return "is not meant for " + wish.task_type;
  const auto needed = wish.content_tokens + wish.answer_tokens;
  if (model.context_window > 0 && needed > model.context_window)
    return "its context window of " + std::to_string(model.context_window) + " tokens is smaller than "
           + std::to_string(needed);
  if (model.max_output_tokens > 0 && wish.answer_tokens > model.max_output_tokens)
    return "its answers have at most " + std::to_string(model.max_output_tokens) + " tokens";
  const auto known = documented_capabilities(model.capabilities);
  for (const auto& word : wish.capabilities)
    if (!lists(known, word))
      return "lacks the capability " + word;
  return {};
}

/// @returns why it cannot do it now, by what was seen of it; empty when it can.
std::string unfit_now(const selection_wish& wish, const selection_candidate& one,
                      const std::optional<double>& cost) {
  if (!one.available)
    return one.why.empty() ? "takes no calls at the moment" : one.why;
  if (wish.max_cost && cost && *cost > *wish.max_cost)
    return "would cost $" + shown(*cost, 4) + ", more than $" + shown(*wish.max_cost, 4);
  if (wish.max_response_time && one.latency && *one.latency > *wish.max_response_time)
    return "takes " + shown(*one.latency, 3) + " s on average, more than " + shown(*wish.max_response_time, 3)
           + " s";
  if (wish.min_quality && one.quality && *one.quality < *wish.min_quality)
    return "its quality is " + shown(*one.quality, 3) + ", less than " + shown(*wish.min_quality, 3);
  if (wish.min_success_rate && one.success_rate && *one.success_rate < *wish.min_success_rate)
    return "its success rate is " + shown(*one.success_rate, 3) + ", less than "
           + shown(*wish.min_success_rate, 3);
  return {};
}

std::vector<std::string> reasons_for(const selection_wish& wish, const selection_candidate& one,
                                     const std::optional<double>& cost) {
  std::vector<std::string> out;
  if (!wish.task_type.empty())
    out.push_back(!lists(one.model.supported_tasks, wish.task_type) ? "takes any task"
                                                                    : "is meant for " + wish.task_type);
  if (one.model.context_window > 0 && wish.content_tokens > 0)
    out.push_back("holds " + std::to_string(one.model.context_window) + " tokens");
  if (one.latency)
    out.push_back("answers in " + shown(*one.latency, 3) + " s on average of " + std::to_string(one.samples)
                  + " calls");
  if (one.success_rate)
    out.push_back("succeeds in " + shown(*one.success_rate * 100, 4) + " %");
  if (one.quality)
    out.push_back("quality " + shown(*one.quality, 3)
                  + (one.judged > 0 ? " of " + std::to_string(one.judged) + " answers" : " as configured"));
  if (cost)
    out.push_back("costs about $" + shown(*cost, 3));
  if (one.model.deprecated)
    out.emplace_back("is deprecated");
  return out;
}

} // namespace

model_selection select_models(const selection_wish& wish,
                              const std::vector<selection_candidate>& candidates) {
  model_selection out;
  std::vector<size_t> fit;
  for (size_t i = 0; i < candidates.size(); ++i) {
    auto reason = unfit(wish, candidates[i].model);
    if (reason.empty())
      reason = unfit_now(wish, candidates[i], cost_of(wish, candidates[i].model));
    if (reason.empty())
      fit.push_back(i);
    else
      out.excluded.push_back({i, std::move(reason)});
  }
  std::ranges::stable_sort(fit, {}, [&](size_t i) { return candidates[i].model.deprecated; });
  std::vector<route_target> targets;
  for (const auto i : fit) {
    const auto& one = candidates[i];
    route_target target;
    target.latency = one.latency;
    target.success_rate = one.success_rate;
    target.quality = one.quality;
    target.cost_per_call = cost_of(wish, one.model);
    targets.push_back(target);
  }
  for (auto score : rank_targets(wish.priority, targets)) {
    const auto i = fit[score.target];
    score.target = i;
    const auto cost = cost_of(wish, candidates[i].model);
    out.ranked.push_back({i, score, cost, reasons_for(wish, candidates[i], cost)});
  }
  return out;
}

} // namespace assay::control
