#include "core/reports/experiment_recommendations.hpp"

#include "core/reports/markup.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace assay::reports::detail {

namespace {

using json = nlohmann::json;

/// Below it a model's scores depend on what it is asked and how, more than one would like.
constexpr double unstable_below = 0.8;

/// The row about these two, in either order.
const json* pair_of(const json& pairs, const std::string& a, const std::string& b) {
  for (const auto& one : pairs)
    if ((one.at("first") == a && one.at("second") == b) || (one.at("first") == b && one.at("second") == a))
      return &one;
  return nullptr;
}

std::vector<std::pair<std::string, double>> ranking_of(const json& performance) {
  std::vector<std::pair<std::string, double>> out;
  for (const auto& [name, one] : performance.items())
    if (one.at("average_score").is_number())
      out.emplace_back(name, one.at("average_score").get<double>());
  std::ranges::stable_sort(out, [](const auto& a, const auto& b) { return a.second > b.second; });
  return out;
}

void recommend_best(const json& performance, const json& pairs, json& texts, json& evidence) {
  const auto ranking = ranking_of(performance);
  if (ranking.empty())
    return;
  const auto& [best, score] = ranking.front();
  std::string text = "best overall model: " + best + " (average score " + fixed(score, 3) + ")";
  json because{{"average_score", score}};
  if (ranking.size() > 1) {
    const auto& [next, other] = ranking[1];
    because["next"] = next;
    because["next_average_score"] = other;
    if (const auto* pair = pair_of(pairs, best, next)) {
      because["comparison"] = *pair;
      text += pair->at("significant").get<bool>()
                  ? "; its lead over " + next + " is significant"
                  : "; that it is better than " + next + " could not be shown";
    }
  }
  texts.push_back(text);
  evidence.push_back({{"recommendation", text}, {"model", best}, {"evidence", std::move(because)}});
}

void recommend_cheaper(const json& performance, const json& pairs, const std::string& best, json& texts,
                       json& evidence) {
  const auto price_of = [&](const std::string& name) -> std::optional<double> {
    const auto& price = performance.at(name).at("cost_per_sample");
    return price.is_number() ? std::optional<double>{price.get<double>()} : std::nullopt;
  };
  const auto dear = price_of(best);
  if (!dear || *dear <= 0)
    return;
  std::optional<std::string> choice;
  for (const auto& [name, score] : ranking_of(performance)) {
    const auto price = price_of(name);
    const auto* pair = pair_of(pairs, best, name);
    if (name != best && price && *price < *dear / 2 && pair != nullptr && !pair->at("significant").get<bool>()
        && (!choice || *price < *price_of(*choice)))
      choice = name;
  }
  if (!choice)
    return;
  const auto text = *choice + " costs " + fixed(100 * *price_of(*choice) / *dear, 0) + " % of " + best
                    + " a sample, and no difference in quality could be shown";
  texts.push_back(text);
  evidence.push_back({{"recommendation", text},
                      {"model", *choice},
                      {"evidence",
                       {{"cost_per_sample", *price_of(*choice)},
                        {"best_cost_per_sample", *dear},
                        {"comparison", *pair_of(pairs, best, *choice)}}}});
}

void recommend_configuration(const json& analysis, const json& pairs, json& texts, json& evidence) {
  const auto ranking = ranking_of(analysis);
  if (ranking.size() < 2)
    return;
  const auto* pair = pair_of(pairs, ranking[0].first, ranking[1].first);
  if (pair == nullptr || !pair->at("significant").get<bool>())
    return;
  const auto text =
      "use the configuration " + ranking[0].first + ": it is significantly better than the others";
  texts.push_back(text);
  evidence.push_back(
      {{"recommendation", text}, {"configuration", ranking[0].first}, {"evidence", {{"comparison", *pair}}}});
}

} // namespace

void add_recommendations(json& out) {
  json texts = json::array();
  json evidence = json::array();
  const auto& performance = out.at("model_performance");
  const auto& pairs = out.at("significance").at("models").at("pairs");
  recommend_best(performance, pairs, texts, evidence);
  for (const auto& [name, one] : performance.items())
    if (one.at("consistency").is_number() && one.at("consistency").get<double>() < unstable_below) {
      const auto text = name + " is unstable (consistency " + fixed(one.at("consistency").get<double>(), 3)
                        + "): tune its parameters";
      texts.push_back(text);
      evidence.push_back({{"recommendation", text},
                          {"model", name},
                          {"evidence",
                           {{"best_score", one.at("best_score")},
                            {"worst_score", one.at("worst_score")},
                            {"consistency", one.at("consistency")}}}});
    }
  if (const auto ranking = ranking_of(performance); !ranking.empty())
    recommend_cheaper(performance, pairs, ranking.front().first, texts, evidence);
  recommend_configuration(out.at("configuration_analysis"),
                          out.at("significance").at("configurations").at("pairs"), texts, evidence);
  const auto& missing = out.at("experiment_info").at("missing");
  if (!missing.empty()) {
    const auto text = std::to_string(missing.size()) + " of " + std::to_string(out.at("evaluations").size())
                      + " evaluations are missing: retry them before deciding";
    texts.push_back(text);
    evidence.push_back({{"recommendation", text}, {"evidence", {{"missing", missing.size()}}}});
  }
  out["recommendations"] = std::move(texts);
  out["recommendation_evidence"] = std::move(evidence);
}

} // namespace assay::reports::detail
