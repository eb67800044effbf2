#pragma once

#include "core/values/model.hpp"

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// A configuration as it suits one type of task and one aim: what is configured, and what earlier runs and
/// the monitor have shown to be better. Nothing is guessed: each value names the rule or the evidence behind
/// it.
namespace assay::configurations {

enum class optimization_strategy : uint8_t {
  performance = 1, ///< Good answers that come quickly.
  cost = 2,        ///< The cheapest answers that are about as good as the best.
  quality = 3,     ///< The best answers.
  balanced = 4,    ///< Quality first, then cost and speed alike.
  latency = 5,     ///< The quickest answers that are about as good as the best.
};

std::string_view to_string(optimization_strategy value) noexcept;
/// In capitals or not.
std::optional<optimization_strategy> optimization_strategy_from_string(std::string_view name) noexcept;
/// The words of all, in the order of the numbers.
std::vector<std::string> optimization_strategy_names();

/// What one task of one completed run has shown of the parameters that it was asked with.
struct past_result {
  std::string run;
  sampling parameters;
  double score = 0;                        ///< 0..1, mean over its samples.
  uint64_t samples = 0;                    ///< That count in the score.
  std::optional<double> cost;              ///< Dollars of all its calls.
  std::optional<double> completion_tokens; ///< Of all its answers.
};

/// What the monitor has seen of the model's calls over one window.
struct observed_calls {
  std::string window; ///< `24h`
  uint64_t samples = 0;
  uint64_t measured = 0;        ///< Calls behind the times.
  double response_time_avg = 0; ///< Seconds, as the following.
  double response_time_p95 = 0;
  double response_time_p99 = 0;
  std::optional<double> success_rate;
  std::optional<double> completion_tokens_avg; ///< Of one answer.
  std::optional<double> cost_avg;              ///< Dollars of one call.
};

struct optimization_input {
  std::string configuration; ///< JSON object text in the form of model_configs.yaml.
  std::string task_type;
  optimization_strategy strategy = optimization_strategy::balanced;
  std::vector<past_result> results; ///< Of this model, for tasks of this type.
  bool more_results = false;        ///< Older runs were not looked at.
  std::optional<observed_calls> observed;
};

/// Fewer samples of one set of parameters say too little.
inline constexpr uint64_t least_evidence = 20;
/// Scores that are this much lower count as about as good.
inline constexpr double score_margin = 0.05;
/// Of the best score: with less, neither speed nor cost can make up for it.
inline constexpr double least_share_of_best = 0.8;

/// @returns {task_type, strategy, configuration, values, candidates, observed, targets, evidence, notes}:
/// configuration holds the values in effect, task_optimizations merged; values says of each parameter value,
/// configured, source (configuration, task_optimizations, past_results, monitor, provider_default), reason
/// and evidence. docs/model_configs.md has the rules.
nlohmann::json optimized_json(const optimization_input& input);

} // namespace assay::configurations
