// Scores JSON lines from standard input, for oracle_test.py. What a line may ask is in answer_to().
#include "core/scoring/agreement.hpp"
#include "core/scoring/epochs.hpp"
#include "core/scoring/run_aggregate.hpp"
#include "core/tasks/task_definition.hpp"

#include <nlohmann/json.hpp>

#include <iostream>
#include <string>
#include <vector>

namespace {

using namespace assay;
using nlohmann::json;

/// The scorer as a task file with this definition would have it.
result<tasks::task_definition> task_with(const json& scorer) {
  const json task{
      {"id", "oracle"}, {"dataset", "a.jsonl"}, {"prompt", "{q}"}, {"target", "{t}"}, {"scorer", scorer}};
  return tasks::parse_task(task.dump(), "oracle.yaml", "/");
}

json score(const json& line) {
  const auto task = task_with(line.at("scorer"));
  if (!task)
    return {{"error", to_string(task.error())}};
  const auto& scorer = *task->scorers.front();
  scoring::run_aggregate left(scorer.definition());
  scoring::run_aggregate right(scorer.definition());
  json out{{"values", json::array()}, {"extracted", json::array()}};
  size_t count = 0;
  for (const json& sample : line.at("samples")) {
    const auto outcome = scorer.score(sample.at(0).get<std::string>(), sample.at(1).get<std::string>());
    out["values"].push_back(outcome.value);
    out["extracted"].push_back(outcome.extracted);
    (count++ % 2 == 0 ? left : right).add(outcome.value, outcome.extracted);
  }
  left.merge(right);
  if (const auto whole = left.value()) {
    out["aggregate"] = whole->score;
    out["raw"] = whole->raw;
  }
  return out;
}

json filter(const json& line) {
  const auto task = task_with({{"type", "exact_match"}, {"filters", line.at("filters")}});
  if (!task)
    return {{"error", to_string(task.error())}};
  const auto choices = line.value("choices", std::vector<std::string>{});
  return {{"answers", task->scorers.front()->filters().apply_all(
                          line.at("answers").get<std::vector<std::string>>(), choices)}};
}

json number(const std::optional<double>& value) { return value ? json(*value) : json(nullptr); }

json agreement(const json& line) {
  if (line.contains("kappa")) {
    const std::string weights = line.value("weights", "nominal");
    return {{"value",
             number(scoring::cohens_kappa(line.at("kappa").at(0).get<std::vector<uint32_t>>(),
                                          line.at("kappa").at(1).get<std::vector<uint32_t>>(),
                                          weights == "linear"      ? scoring::agreement_weights::linear
                                          : weights == "quadratic" ? scoring::agreement_weights::quadratic
                                                                   : scoring::agreement_weights::nominal))}};
  }
  if (line.contains("fleiss"))
    return {{"value",
             number(scoring::fleiss_kappa(line.at("fleiss").get<std::vector<std::vector<uint32_t>>>()))}};
  std::vector<std::vector<std::optional<double>>> ratings;
  for (const json& item : line.at("alpha")) {
    ratings.emplace_back();
    for (const json& rating : item)
      ratings.back().push_back(rating.is_null() ? std::nullopt : std::optional(rating.get<double>()));
  }
  const std::string metric = line.value("metric", "nominal");
  return {{"value", number(scoring::krippendorff_alpha(
                        ratings, metric == "interval"  ? scoring::alpha_metric::interval
                                 : metric == "ordinal" ? scoring::alpha_metric::ordinal
                                                       : scoring::alpha_metric::nominal))}};
}

json answer_to(const json& line) {
  if (line.contains("scorer"))
    return score(line);
  if (line.contains("filters"))
    return filter(line);
  if (!line.contains("reduce"))
    return agreement(line);
  const auto how = scoring::epochs_reduction_from_string(line.at("reduce").get<std::string>());
  if (!how)
    return {{"error", "no such reducer"}};
  return {{"value", number(scoring::reduce_epochs(*how, line.at("values").get<std::vector<double>>()))}};
}

} // namespace

int main() {
  std::string text;
  while (std::getline(std::cin, text)) {
    try {
      std::cout << answer_to(json::parse(text)).dump(-1, ' ', true, json::error_handler_t::replace) << "\n";
    } catch (const std::exception& error) {
      std::cout << json{{"error", error.what()}}.dump() << "\n";
    }
    std::cout.flush();
  }
  return 0;
}
