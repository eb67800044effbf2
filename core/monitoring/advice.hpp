#pragma once

#include "core/monitoring/model_view.hpp"
#include "core/monitoring/thresholds.hpp"

#include <nlohmann/json_fwd.hpp>

#include <string>
#include <utility>
#include <vector>

namespace assay::monitoring {

/// Something to do, why, and the numbers behind it.
struct recommendation {
  std::string action; ///< `reduce_concurrency`, `increase_concurrency`, `add_key`, `switch_model`, ...
  provider_id provider;
  model_id model;
  std::string reason; ///< One sentence for people.
  window_span window = window_span::five_minutes;
  uint64_t samples = 0;
  std::vector<std::pair<std::string, double>> evidence; ///< Names and values of the numbers it rests on.
  /// By how much calls in flight should change: lowest_factor to highest_factor. Only for actions on
  /// concurrency.
  std::optional<double> concurrency_factor;
};

void to_json(nlohmann::json& out, const recommendation& value);

/// No step on concurrency is larger, so that one wrong window cannot stop or flood a model.
inline constexpr double lowest_factor = 0.5;
inline constexpr double highest_factor = 1.25;

/// @returns what the last five minutes call for; nothing for models with fewer than minimum_samples calls.
std::vector<recommendation> recommendations_for(const thresholds& limits,
                                                const std::vector<model_view>& models);

/// How good a model was, 0..100: the weighted mean of success rate (weight 0.4), quality (0.3), speed (0.2:
/// the fastest model's mean time over this one's) and price (0.1: the cheapest model's cost of a call over
/// this one's). Parts that are unknown are left out and the weights of the others raised.
struct model_score {
  provider_id provider;
  model_id model;
  uint64_t samples = 0;
  double score = 0;
  double success = 0;            ///< Each part 0..1.
  std::optional<double> quality; ///< Nothing when no answer was judged.
  std::optional<double> speed;   ///< Nothing when there is no time to compare.
  std::optional<double> price;   ///< Nothing when the cost is unknown.
};

/// @returns the models with calls in that window, the best first.
std::vector<model_score> rank(const std::vector<model_view>& models, window_span span);

/// @returns advice about money from one window: the same quality cheaper, retries that cost, unknown prices.
/// Models are compared when at least @p minimum_samples answers of each were judged.
std::vector<recommendation> cost_suggestions(const std::vector<model_view>& models, window_span span,
                                             uint32_t minimum_samples);

} // namespace assay::monitoring
