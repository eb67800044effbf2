#pragma once

#include "core/values/ids.hpp"
#include "core/values/time.hpp"

#include <nlohmann/json_fwd.hpp>

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace assay::reports {

/// One task of one completed run.
struct task_point {
  std::string task;
  std::optional<double> score;
  std::optional<double> execution_time; ///< Seconds.
  std::optional<double> cost;           ///< Dollars.
};

/// What is read of one result document.
struct run_point {
  run_id run;
  std::string model;
  std::string provider;
  std::string completed_at; ///< RFC 3339.
  std::optional<double> score;
  std::optional<double> execution_time;
  std::optional<double> cost;
  uint64_t samples = 0;
  uint64_t errors = 0;
  std::vector<task_point> tasks;
};

/// @returns nothing for a text that is no result document.
std::optional<run_point> run_point_of(run_id run, const std::string& document);

/// By model: runs, average, best and worst overall score, consistency (1 - (best - worst)), the number of
/// tasks, the mean execution time and the cost of all. Best average first.
nlohmann::json models_json(const std::vector<run_point>& runs);

/// By task: runs, average score and time, and the same for each model, best first.
nlohmann::json tasks_json(const std::vector<run_point>& runs);

/// By model, or by model and @p task: scores in the order of time, and what changed from the first to the
/// last.
nlohmann::json trends_json(const std::vector<run_point>& runs, const std::string& task);

} // namespace assay::reports
