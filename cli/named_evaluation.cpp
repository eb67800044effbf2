#include "cli/named_evaluation.hpp"

#include "config/results_folder.hpp"
#include "core/values/closest_word.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>

namespace assay::cli {

namespace {

using nlohmann::json;

/// Names of one parameter. Whoever says one of them says them all.
constexpr std::array<std::array<const char*, 3>, 2> synonyms{
    {{"max_tokens", "max_gen_toks", nullptr}, {"stop_sequences", "stop", "until"}}};

fault unknown_evaluation(const std::string& name, const std::vector<config::named_evaluation>& known) {
  std::vector<std::string_view> names;
  std::string list;
  for (const auto& one : known) {
    names.push_back(one.id);
    list += (list.empty() ? "" : ", ") + one.id;
  }
  auto hint = did_you_mean(name, names);
  if (known.empty())
    hint = "evaluation_configs.yaml, or any file given with --config, has them under `evaluations`";
  else
    hint += (hint.empty() ? "known are " : " Known are ") + list;
  return {errc::not_found, "no evaluation is called `" + name + "`", "--evaluation", std::move(hint)};
}

void drop_parameter(json& from, const std::string& name) {
  if (!from.is_object())
    return;
  from.erase(name);
  for (const auto& group : synonyms)
    if (std::any_of(group.begin(), group.end(),
                    [&](const char* one) { return one != nullptr && name == one; }))
      for (const char* one : group)
        if (one != nullptr)
          from.erase(one);
}

/// What a flag says goes before the evaluation's own value, whatever it is called there.
void drop_overridden(json& configuration, const json& given) {
  const auto drop = [&](const std::string& name) {
    drop_parameter(configuration, name);
    if (const auto kwargs = configuration.find("gen_kwargs"); kwargs != configuration.end())
      drop_parameter(*kwargs, name);
  };
  for (const auto& [name, value] : given.items()) {
    if (name != "gen_kwargs")
      drop(name);
    else
      for (const auto& [parameter, unused] : value.items())
        drop(parameter);
  }
}

bool says_yes(const json& configuration, const char* name) {
  const auto found = configuration.find(name);
  return found != configuration.end() && found->is_boolean() && found->get<bool>();
}

} // namespace

result<run_flags> with_evaluation(run_flags flags, const config::settings& settings) {
  if (flags.evaluation.empty())
    return flags;
  const auto& known = settings.evaluations;
  const auto entry =
      std::find_if(known.begin(), known.end(), [&](const auto& one) { return one.id == flags.evaluation; });
  if (entry == known.end())
    return unknown_evaluation(flags.evaluation, known);
  json body;
  if (auto wrong = request_body(flags, {}, {}, body))
    return *wrong;
  auto configuration = json::parse(entry->configuration_json);
  drop_overridden(configuration, body["configuration"]);
  flags.left.models = flags.models.empty();
  flags.left.tasks = flags.tasks.empty();
  if (flags.left.models)
    flags.models = entry->models;
  if (flags.left.tasks)
    flags.tasks = entry->tasks;
  if (const auto log = configuration.find("log_samples"); log != configuration.end() && log->is_boolean())
    flags.log_samples = log->get<bool>();
  flags.write_out = flags.write_out || says_yes(configuration, "write_out");
  flags.show_config = flags.show_config || says_yes(configuration, "show_config");
  if (!flags.output_path.empty()) {
    configuration.erase("output_base_path");
  } else if (const auto path = configuration.find("output_base_path");
             path != configuration.end() && path->is_string()) {
    const auto place = config::results_path(settings, path->get<std::string>());
    if (!place) {
      auto reason = place.error();
      reason.where = "evaluations." + flags.evaluation + ".configuration.output_base_path";
      return reason;
    }
    flags.output_path = *place;
  }
  flags.left.configuration = configuration.dump(-1, ' ', false, json::error_handler_t::replace);
  return flags;
}

std::string place_in_evaluation(const run_flags& flags, std::string_view field) {
  if (flags.evaluation.empty())
    return {};
  const auto group = "evaluations." + flags.evaluation + ".";
  const auto name = std::string(field.substr(0, field.find('[')));
  if (name == "model" || name == "model_id")
    return flags.left.models ? group + "models" : std::string{};
  if (name == "tasks" || name == "task_ids")
    return flags.left.tasks ? group + "tasks" : std::string{};
  if (flags.left.configuration.empty())
    return {};
  const auto configuration = json::parse(flags.left.configuration);
  const auto* here = &configuration;
  std::string_view rest = name;
  while (!rest.empty()) {
    const auto dot = std::min(rest.find('.'), rest.size());
    const auto found = here->is_object() ? here->find(std::string(rest.substr(0, dot))) : here->end();
    if (!here->is_object() || found == here->end())
      return {};
    here = &*found;
    rest.remove_prefix(std::min(dot + 1, rest.size()));
  }
  return group + "configuration." + std::string(field);
}

} // namespace assay::cli
