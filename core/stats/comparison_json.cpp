#include "core/stats/comparison.hpp"

#include <nlohmann/json.hpp>

namespace assay::stats {
namespace {

using nlohmann::json;

template <class T>
json or_null(const std::optional<T>& value) {
  return value ? json(*value) : json(nullptr);
}

json ends(const interval& of) { return {{"low", of.low}, {"high", of.high}}; }

json row_json(const paired_comparison& row) {
  return {{"first", row.first},
          {"second", row.second},
          {"task_id", row.task.empty() ? json(nullptr) : json(row.task)},
          {"prompt_type", row.variant.empty() ? json(nullptr) : json(row.variant)},
          {"pairs", row.pairs},
          {"unmatched_first", row.unmatched_first},
          {"unmatched_second", row.unmatched_second},
          {"unmatched_samples", row.unmatched},
          {"first_score", row.pairs > 0 ? json(row.first_mean) : json(nullptr)},
          {"second_score", row.pairs > 0 ? json(row.second_mean) : json(nullptr)},
          {"difference", row.pairs > 0 ? json(row.difference) : json(nullptr)},
          {"stderr", row.pairs < 2 ? json(nullptr) : json(row.standard_error)},
          {"confidence_interval", row.pairs < 2 ? json(nullptr) : ends(row.confidence)},
          {"bootstrap_interval", row.bootstrap ? ends(*row.bootstrap) : json(nullptr)},
          {"test", to_string(row.test)},
          {"p", row.test == paired_test::none ? json(nullptr) : json(row.p)},
          {"p_adjusted", row.test == paired_test::none ? json(nullptr) : json(row.p_adjusted)},
          {"only_first_right", or_null(row.only_first_right)},
          {"only_second_right", or_null(row.only_second_right)},
          {"odds_ratio", or_null(row.odds_ratio)},
          {"effect_size", or_null(row.effect_size)},
          {"minimum_detectable_effect", or_null(row.detectable)},
          {"finding", to_string(row.found)}};
}

json rows_json(const std::vector<paired_comparison>& rows) {
  json out = json::array();
  for (const auto& row : rows)
    out.push_back(row_json(row));
  return out;
}

} // namespace

json to_json(const comparison& value) {
  json runs = json::array();
  for (size_t i = 0; i < value.runs.size(); ++i)
    runs.push_back({{"evaluation_id", value.runs[i]}, {"model_id", value.models[i]}});
  return {{"runs", std::move(runs)},
          {"comparisons", rows_json(value.rows)},
          {"overall", rows_json(value.totals)},
          {"notes", value.notes},
          {"confidence_level", value.options.level},
          {"correction", "holm"},
          {"seed", value.options.seed}};
}

} // namespace assay::stats
