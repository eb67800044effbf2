#include "core/reports/group_results.hpp"

#include <nlohmann/json.hpp>

#include <cmath>
#include <optional>
#include <string_view>
#include <vector>

namespace assay::reports {
namespace {

using nlohmann::json;

/// One task's part of a group's value.
struct part {
  double value = 0;
  std::optional<double> standard_error;
  double size = 0;
};

std::optional<double> number_at(const json& of, const char* key) {
  const auto found = of.find(key);
  return found != of.end() && found->is_number() ? std::optional(found->get<double>()) : std::nullopt;
}

std::optional<part> part_of(const json& task, std::string metric) {
  constexpr std::string_view no_filter = ",none";
  const auto metrics = task.find("metrics");
  const auto scorers = task.find("scorers");
  if (metrics == task.end() || scorers == task.end())
    return std::nullopt;
  // Scorers that were not named by the format have no filter in their names.
  if (!scorers->contains(metric) && metric.ends_with(no_filter))
    metric.resize(metric.size() - no_filter.size());
  if (!scorers->contains(metric))
    return std::nullopt;
  const auto& scorer = scorers->at(metric);
  const auto value = number_at(*metrics, metric.c_str());
  const auto size = number_at(scorer, "n");
  if (!value || !size || *size < 1)
    return std::nullopt;
  return part{*value, number_at(scorer, "stderr"), *size};
}

double mean_of(const std::vector<part>& parts, bool by_size) {
  double sum = 0;
  double weight = 0;
  for (const auto& one : parts) {
    const double share = by_size ? one.size : 1;
    sum += one.value * share;
    weight += share;
  }
  return sum / weight;
}

std::optional<double> pooled_error(const std::vector<part>& parts) {
  double variance = 0;
  double size = 0;
  for (const auto& one : parts) {
    if (!one.standard_error)
      return std::nullopt;
    variance += (one.size - 1) * *one.standard_error * *one.standard_error * one.size;
    size += one.size;
  }
  const double freedom = size - static_cast<double>(parts.size());
  return freedom > 0 ? std::optional(std::sqrt(variance / freedom / size)) : std::nullopt;
}

std::vector<part> parts_of(const json& group, const json& task_results, const std::string& metric) {
  std::vector<part> out;
  for (const auto& id : group.at("tasks"))
    for (const auto& task : task_results)
      if (task.value("task_id", json()) == id)
        if (auto one = part_of(task, metric))
          out.push_back(*one);
  return out;
}

json group_json(const json& group, const json& task_results) {
  json metrics = json::object();
  json errors = json::object();
  for (const auto& aggregate : group.at("aggregates"))
    for (const auto& filter : aggregate.at("filters")) {
      const auto metric = aggregate.at("metric").get<std::string>() + "," + filter.get<std::string>();
      const auto parts = parts_of(group, task_results, metric);
      if (parts.empty())
        continue;
      metrics[metric] = mean_of(parts, aggregate.value("weight_by_size", true));
      const auto error = pooled_error(parts);
      errors[metric] = error ? json(*error) : json();
    }
  double samples = 0;
  for (const auto& id : group.at("tasks"))
    for (const auto& task : task_results)
      if (task.value("task_id", json()) == id)
        samples += number_at(task, "n").value_or(0);
  const auto alias = group.value("alias", std::string{});
  return {{"alias", alias.empty() ? group.at("name") : json(alias)},
          {"tasks", group.at("tasks")},
          {"n", static_cast<uint64_t>(samples)},
          {"metrics", std::move(metrics)},
          {"stderr", std::move(errors)}};
}

} // namespace

json group_results(const std::string& groups, const json& task_results) {
  json out = json::object();
  const auto list = json::parse(groups.empty() ? "[]" : groups, nullptr, false);
  if (list.is_array())
    for (const auto& group : list)
      if (group.is_object() && group.contains("name") && group.contains("tasks")
          && group.contains("aggregates"))
        out[group.at("name").get<std::string>()] = group_json(group, task_results);
  return out;
}

} // namespace assay::reports
