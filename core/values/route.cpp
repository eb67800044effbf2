#include "core/values/route.hpp"

#include "core/values/json_fields.hpp"
#include "core/values/text.hpp"

#include <array>
#include <utility>

namespace assay {

namespace {

constexpr std::array<std::pair<route_strategy, std::string_view>, 7> strategies{
    {{route_strategy::in_order, "in_order"},
     {route_strategy::round_robin, "round_robin"},
     {route_strategy::weighted_random, "weighted_random"},
     {route_strategy::performance_based, "performance_based"},
     {route_strategy::least_loaded, "least_loaded"},
     {route_strategy::cost_optimized, "cost_optimized"},
     {route_strategy::quality_first, "quality_first"}}};

} // namespace

std::string_view to_string(route_strategy strategy) noexcept {
  for (const auto& [known, name] : strategies)
    if (known == strategy)
      return name;
  return "unknown";
}

std::optional<route_strategy> route_strategy_from_string(std::string_view name) noexcept {
  for (const auto& [strategy, known] : strategies)
    if (same_word(name, known))
      return strategy;
  return std::nullopt;
}

void to_json(nlohmann::json& out, const call_route& route) {
  auto models = nlohmann::json::array();
  for (const auto& one : route.models) {
    nlohmann::json model{{"model", one.model.value},
                         {"provider", one.provider.value},
                         {"wire_model", one.wire_model},
                         {"weight", one.weight}};
    json_fields::write(model, "prices", one.prices);
    json_fields::write(model, "quality", one.quality);
    models.push_back(std::move(model));
  }
  out = {{"strategy", to_string(route.strategy)}, {"models", std::move(models)}};
}

void from_json(const nlohmann::json& in, call_route& out) {
  const auto name = in.at("strategy").get<std::string>();
  const auto strategy = route_strategy_from_string(name);
  if (!strategy)
    throw nlohmann::json::other_error::create(501, "unknown strategy '" + name + "'", &in);
  out.strategy = *strategy;
  for (const auto& one : in.at("models")) {
    route_model model;
    model.model.value = one.at("model").get<std::string>();
    model.provider.value = one.at("provider").get<std::string>();
    model.wire_model = one.at("wire_model").get<std::string>();
    model.weight = one.value("weight", 1U);
    json_fields::read(one, "prices", model.prices);
    json_fields::read(one, "quality", model.quality);
    out.models.push_back(std::move(model));
  }
}

} // namespace assay
