#include "core/tasks/lm_eval/definition.hpp"

#include <nlohmann/json.hpp>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <utility>

namespace assay::tasks::lm_eval {
namespace {

using nlohmann::json;

bool wants_rows(const json& scorers) {
  return std::any_of(scorers.begin(), scorers.end(),
                     [](const json& one) { return one.value("call", "") == "process_results"; });
}

json generation_of(const sampling& from) {
  json out = json::object();
  if (from.temperature)
    out["temperature"] = *from.temperature;
  if (from.top_p)
    out["top_p"] = *from.top_p;
  if (from.max_tokens)
    out["max_tokens"] = *from.max_tokens;
  if (from.seed)
    out["seed"] = *from.seed;
  if (!from.stop.empty())
    out["stop"] = from.stop;
  return out;
}

bool votes(const json& scorers) {
  if (scorers.empty() || !scorers.front().contains("filters"))
    return false;
  const auto& filters = scorers.front().at("filters");
  return std::any_of(filters.begin(), filters.end(),
                     [](const json& one) { return one.value("function", "") == "majority_vote"; });
}

} // namespace

std::string own_yaml(const task_config& task, const std::string& dataset, bool many, uint32_t num_fewshot) {
  json scorers = json::parse(task.scorers);
  json out;
  out["id"] = task.name;
  if (!task.alias.empty())
    out["name"] = task.alias;
  out["category"] = "single_turn";
  out["tags"] = task.tags;
  out["dataset"] = dataset;
  out["dataset_format"] = "jsonl";
  out["prompts"] = {{"baseline", {{"messages", "messages"}}}};
  // process_results is given the row.
  out["target"] = wants_rows(scorers) ? "{scored}" : many ? "{targets}" : "{target}";
  for (auto& scorer : scorers)
    if (many && scorer.value("type", "") != "python" && scorer.value("type", "") != "multiple_choice")
      scorer["separator"] = "json";
  out["scorers"] = std::move(scorers);
  if (auto generation = generation_of(task.generation); !generation.empty())
    out["generation"] = std::move(generation);
  if (task.repeats > 1) {
    out["epochs"] = task.repeats;
    out["epochs_reducer"] = votes(out["scorers"]) ? "majority" : "mean";
  }
  if (!task.functions.empty())
    out["functions"] = task.folder;
  out["origin"] = json{
      {"format", "lm_eval"},
      {"config", json::parse(task.json)},
      {"num_fewshot", num_fewshot},
      {"notes",
       task.notes}}.dump();
  YAML::Emitter text;
  YAML::Node node = YAML::Load(out.dump());
  text << node;
  return std::string(text.c_str(), text.size()) + "\n";
}

result<task_definition> to_definition(task_config task) {
  const std::string file = task.files.front();
  const std::string yaml = own_yaml(task, task.rows.files.front(), false, task.num_fewshot);
  auto out = parse_task(yaml, file, {});
  if (!out) {
    auto reason = out.error();
    // Lines of the text above mean nothing to the author.
    const size_t key = reason.where.find(": ");
    reason.where = file + (key == std::string::npos ? "" : reason.where.substr(key));
    return reason;
  }
  out->file = file;
  out->format = std::nullopt;
  out->fewshot.format = std::nullopt;
  out->lm_eval = std::make_shared<const task_config>(std::move(task));
  return out;
}

} // namespace assay::tasks::lm_eval
