#include "core/reports/lm_eval_rows.hpp"
#include "core/tasks/task_definition.hpp"

namespace assay::reports::detail {

namespace {

using nlohmann::json;

/// A Python function as its name: where its module lies is nobody else's business.
void name_functions(json& value) {
  if (value.is_object()) {
    if (const auto function = value.find("!function"); function != value.end() && function->is_string()) {
      value = "!function " + function->get<std::string>();
      return;
    }
  }
  if (value.is_structured())
    for (auto& part : value)
      name_functions(part);
}

} // namespace

std::optional<lm_eval_origin> lm_eval_origin_of(const pinned_task& task) {
  if (task.definition.empty())
    return std::nullopt;
  const auto parsed = tasks::parse_task(task.definition, task.id.value + ".yaml", "/");
  if (!parsed || parsed->origin.empty())
    return std::nullopt;
  const auto origin = json::parse(parsed->origin, nullptr, false);
  if (!origin.is_object() || origin.value("format", json()) != "lm_eval")
    return std::nullopt;
  const auto config = origin.find("config");
  const auto shots = origin.find("num_fewshot");
  if (config == origin.end() || !config->is_object() || shots == origin.end() || !shots->is_number_unsigned())
    return std::nullopt;
  lm_eval_origin out{*config, shots->get<uint64_t>()};
  name_functions(out.config);
  out.config["num_fewshot"] = out.num_fewshot;
  return out;
}

json version_of(const lm_eval_origin& origin) {
  const auto metadata = origin.config.find("metadata");
  if (metadata == origin.config.end() || !metadata->is_object() || !metadata->contains("version"))
    return "Yaml";
  return metadata->at("version");
}

std::map<std::string, bool> directions_of(const lm_eval_origin& origin) {
  std::map<std::string, bool> out;
  const auto metrics = origin.config.find("metric_list");
  if (metrics == origin.config.end() || !metrics->is_array())
    return out;
  for (const auto& metric : *metrics) {
    if (!metric.is_object() || !metric.contains("metric") || !metric["metric"].is_string())
      continue;
    const auto direction = metric.find("higher_is_better");
    if (direction != metric.end() && direction->is_boolean())
      out[metric["metric"].get<std::string>()] = direction->get<bool>();
  }
  return out;
}

} // namespace assay::reports::detail
