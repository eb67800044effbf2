#include "core/experiments/plan.hpp"

#include "core/experiments/plan_detail.hpp"
#include "core/values/ids.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <map>
#include <utility>

namespace assay::experiments {

using namespace plan_detail;

namespace {

using json = nlohmann::json;

/// Where an object of a plan says what a request says elsewhere.
struct owned_setting {
  std::string_view setting;
  const char* hint;
};

constexpr std::array<owned_setting, 5> plans_own{{{"prompt_types", "give prompt_types of the plan"},
                                                  {"priority", "give priority of the plan or of a group"},
                                                  {"weight", "give weight of the plan"},
                                                  {"time_limit", "give timeout of the plan"},
                                                  {"max_cost", "give max_cost of the plan"}}};

/// Names of one setting. Whoever says one of them says them all.
constexpr std::array<std::array<std::string_view, 3>, 3> synonyms{{{"max_tokens", "max_gen_toks", ""},
                                                                   {"stop_sequences", "stop", "until"},
                                                                   {"use_cache", "use_cache", ""}}};

std::string text_of(const json& value) { return value.dump(-1, ' ', false, json::error_handler_t::replace); }

void drop_setting(json& from, std::string_view name) {
  from.erase(std::string(name));
  for (const auto& group : synonyms)
    if (std::ranges::count(group, name) > 0)
      for (const auto one : group)
        from.erase(std::string(one));
}

/// @p own go before @p usual, whatever they are called there.
json merged(json usual, const json& own) {
  const auto drop = [&](const std::string& name) {
    drop_setting(usual, name);
    if (const auto kwargs = usual.find("gen_kwargs"); kwargs != usual.end() && kwargs->is_object())
      drop_setting(*kwargs, name);
  };
  for (const auto& [name, value] : own.items()) {
    if (name != "gen_kwargs" || !value.is_object()) {
      drop(name);
      usual[name] = value;
      continue;
    }
    for (const auto& [parameter, inner] : value.items()) {
      drop(parameter);
      usual["gen_kwargs"][parameter] = inner;
    }
  }
  return usual;
}

/// As a part of a key, which names a folder too.
std::string key_part(const std::string& name) {
  std::string out = name;
  for (auto& c : out)
    if (!is_caller_id(std::string_view(&c, 1)))
      c = '-';
  return out;
}

std::string key_of(const evaluation_plan& plan, const child_request& child) {
  auto out = key_part(plan.models[child.model].name) + "_" + key_part(plan.groups[child.group].name) + "_"
             + key_part(plan.configurations[child.configuration].name);
  if (child.prompt)
    out += "_" + key_part(plan.prompt_types[*child.prompt]);
  if (plan.repeats > 1)
    out += "_r" + std::to_string(child.repeat + 1);
  return out;
}

json settings_of(const evaluation_plan& plan, size_t configuration) {
  return merged(json::parse(plan.settings), json::parse(plan.configurations[configuration].settings));
}

json request_of(const evaluation_plan& plan, size_t model, json settings) {
  json out{{"model", plan.models[model].model}, {"configuration", std::move(settings)}};
  if (!plan.models[model].model_args.empty())
    out["model_args"] = plan.models[model].model_args;
  out["weight"] = plan.weight;
  if (plan.timeout)
    out["time_limit"] = plan.timeout->count();
  return out;
}

json body_of(const evaluation_plan& plan, const child_request& child) {
  auto settings = settings_of(plan, child.configuration);
  if (const auto base = settings.find("output_base_path"); base != settings.end() && base->is_string())
    *base = base->get<std::string>() + "/" + child.key;
  // Other repeats of a drawn order would be the same one.
  if (const auto seed = settings.find("random_seed");
      seed != settings.end() && seed->is_number_integer() && child.repeat > 0)
    *seed = seed->get<int64_t>() + child.repeat;
  auto out = request_of(plan, child.model, std::move(settings));
  const auto& group = plan.groups[child.group];
  out["task_ids"] = group.tasks;
  out["priority"] = std::clamp(plan.priority + group.priority, -100, 100);
  if (child.prompt)
    out["prompt_types"] = json::array({plan.prompt_types[*child.prompt]});
  out["metadata"] = {{"experiment", plan.name}, {"child", child.key}};
  return out;
}

fault placed(const evaluation_plan& plan, size_t model, size_t group, size_t configuration, fault reason) {
  reason.where = place_in_plan(plan, model, group, configuration, reason.where);
  return reason;
}

/// Children of a group that must complete before, in the same cell.
std::vector<size_t> dependencies_of(const evaluation_plan& plan, const child_request& child) {
  std::vector<size_t> out;
  const size_t prompts = std::max<size_t>(plan.prompt_types.size(), 1);
  for (const auto& name : plan.groups[child.group].depends_on)
    for (size_t group = 0; group < plan.groups.size(); ++group)
      if (plan.groups[group].name == name)
        out.push_back(
            (((child.model * plan.groups.size() + group) * plan.configurations.size() + child.configuration)
                 * prompts
             + child.prompt.value_or(0))
                * plan.repeats
            + child.repeat);
  return out;
}

std::vector<child_request> all_children(const evaluation_plan& plan) {
  std::vector<child_request> out;
  const size_t prompts = std::max<size_t>(plan.prompt_types.size(), 1);
  for (size_t model = 0; model < plan.models.size(); ++model)
    for (size_t group = 0; group < plan.groups.size(); ++group)
      for (size_t configuration = 0; configuration < plan.configurations.size(); ++configuration)
        for (size_t prompt = 0; prompt < prompts; ++prompt)
          for (uint32_t repeat = 0; repeat < plan.repeats; ++repeat) {
            child_request one;
            one.model = model;
            one.group = group;
            one.configuration = configuration;
            if (!plan.prompt_types.empty())
              one.prompt = prompt;
            one.repeat = repeat;
            one.key = key_of(plan, one);
            one.after = dependencies_of(plan, one);
            out.push_back(std::move(one));
          }
  return out;
}

} // namespace

namespace plan_detail {

fault wrong(std::string where, std::string message, std::string hint) {
  return {errc::invalid_argument, std::move(message), std::move(where), std::move(hint)};
}

std::optional<fault> wrong_settings(const json& settings, const std::string& place) {
  for (const auto& one : plans_own) {
    const auto found = settings.find(std::string(one.setting));
    if (found != settings.end())
      return wrong(place + "." + std::string(one.setting), "is no setting of a plan's configurations",
                   one.hint);
  }
  return std::nullopt;
}

} // namespace plan_detail

uint64_t count_children(const evaluation_plan& plan) noexcept {
  return uint64_t{plan.models.size()} * plan.groups.size() * plan.configurations.size()
         * std::max<uint64_t>(plan.prompt_types.size(), 1) * plan.repeats;
}

std::string place_in_plan(const evaluation_plan& plan, size_t model, size_t group, size_t configuration,
                          std::string_view where) {
  const auto name = where.substr(0, where.find_first_of(".["));
  const auto at = [](const char* list, size_t i) { return list + ("[" + std::to_string(i) + "]"); };
  if (name == "model" || name == "model_id")
    return at("models", model) + ".model";
  if (name == "model_args")
    return at("models", model) + ".model_args";
  if (name == "tasks" || name == "task_ids")
    return at("task_groups", group) + ".tasks";
  if (name == "time_limit")
    return "timeout";
  if (name != "configuration" && !where.starts_with("gen_kwargs"))
    return std::string(where);
  const auto dot = where.find('.');
  const auto rest =
      std::string(name == "configuration" && dot != std::string_view::npos ? where.substr(dot + 1) : where);
  const auto own = json::parse(plan.configurations[configuration].settings, nullptr, false);
  const auto first = rest.substr(0, rest.find_first_of(".["));
  if (own.is_object() && own.contains(first))
    return at("configurations", configuration) + "." + rest;
  return "configuration." + rest;
}

result<std::vector<child_request>> expand(const evaluation_plan& plan, const plan_limits& limits) {
  const auto count = count_children(plan);
  if (count > limits.most_children)
    return fault{errc::invalid_argument,
                 "the plan has " + std::to_string(count) + " child runs, more than the "
                     + std::to_string(limits.most_children) + " that one may have",
                 "experiments.max_children", "split the plan, or raise experiments.max_children"};
  auto out = all_children(plan);
  std::map<std::string, size_t> keys;
  for (size_t i = 0; i < out.size(); ++i) {
    auto& child = out[i];
    if (!keys.emplace(child.key, i).second)
      return wrong("models", "two child runs would both be called '" + child.key + "'",
                   "rename a model, a group or a configuration");
    const auto body = body_of(plan, child);
    auto read = run_request_from_json(body);
    if (!read)
      return placed(plan, child.model, child.group, child.configuration, read.error());
    child.request = std::move(*read);
    child.body = text_of(body);
  }
  return out;
}

result<std::vector<pricing_request>> pricing_requests(const evaluation_plan& plan) {
  std::vector<pricing_request> out;
  for (size_t model = 0; model < plan.models.size(); ++model)
    for (size_t group = 0; group < plan.groups.size(); ++group)
      for (size_t configuration = 0; configuration < plan.configurations.size(); ++configuration) {
        auto body = request_of(plan, model, settings_of(plan, configuration));
        body["task_ids"] = plan.groups[group].tasks;
        if (!plan.prompt_types.empty())
          body["prompt_types"] = plan.prompt_types;
        body["dry_run"] = true;
        auto read = run_request_from_json(body);
        if (!read)
          return placed(plan, model, group, configuration, read.error());
        out.push_back({model, group, configuration, std::move(*read)});
      }
  return out;
}

} // namespace assay::experiments
