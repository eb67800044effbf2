#pragma once

#include "core/stats/latency_histogram.hpp"
#include "core/values/run.hpp"
#include "core/values/sample.hpp"

#include <nlohmann/json_fwd.hpp>

#include <map>
#include <string>
#include <vector>

namespace assay::reports {

/// The result of an earlier run of the same model.
struct earlier_result {
  run_id run;
  std::string document; ///< JSON text.
};

/// What stands out in a run: strong and weak tasks, slow and expensive samples, errors, anomalies, and how it
/// compares with earlier runs. Its rules are part of what it says. Memory does not grow with the samples.
class run_analyser {
public:
  /// @param categories By task; missing ones are `single_turn`.
  run_analyser(const run_record& run, std::vector<std::string> categories);

  void add(const sample_record& sample);

  /// @param task_results The tasks' part of the result document. @param earlier Newest first.
  nlohmann::json finish(const nlohmann::json& task_results, const std::vector<earlier_result>& earlier) const;

private:
  struct noted {
    std::string id; ///< As the sample's.
    double value = 0;
  };
  struct tally {
    uint64_t samples = 0;
    uint64_t failed = 0;
    uint64_t scored = 0;
    uint64_t empty_answers = 0;
    double lowest_score = 1;
    double highest_score = 0;
    double cost = 0;
    uint64_t priced = 0;
    stats::latency_histogram durations;
    std::vector<noted> slowest;        ///< Milliseconds, slowest first.
    std::vector<noted> most_expensive; ///< Dollars, most expensive first.
    std::map<std::string, uint64_t> errors;
  };

  static void keep(std::vector<noted>& best, const sample_record& sample, double value);
  nlohmann::json anomalies_of(const tally& task) const;
  nlohmann::json task_json(size_t index, const nlohmann::json& result) const;
  nlohmann::json categories_json(const nlohmann::json& task_results) const;
  nlohmann::json comparison(const nlohmann::json& task_results,
                            const std::vector<earlier_result>& earlier) const;
  std::string category(size_t task) const;

  std::vector<std::string> categories_;
  std::vector<tally> tasks_;
};

} // namespace assay::reports
