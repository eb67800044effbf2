#include "core/control/route_changes.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace assay::control {

namespace {

using json = nlohmann::json;

constexpr uint32_t most_weight = 1'000'000;

std::string names_of(const std::vector<named_route>& known) {
  std::string out;
  for (const auto& one : known)
    out += (out.empty() ? "" : ", ") + one.name.value;
  return out.empty() ? "none is configured" : "there are " + out;
}

/// @returns the target that a word names.
result<const route_model*> target_of(const call_route& route, const std::string& word) {
  const route_model* found = nullptr;
  for (const auto& model : route.models) {
    if (word == target_name(model))
      return &model;
    if (word != model.model.value)
      continue;
    if (found != nullptr)
      return fault{errc::invalid_argument, "several providers of the route have that model",
                   "weights." + word, "write " + target_name(*found)};
    found = &model;
  }
  if (found == nullptr) {
    std::string names;
    for (const auto& model : route.models)
      names += (names.empty() ? "" : ", ") + target_name(model);
    return fault{errc::invalid_argument, "the route does not lead there", "weights." + word,
                 "it leads to " + names};
  }
  return found;
}

result<void> merge(const call_route& route, const route_wish& wish, route_change& into) {
  if (wish.strategy)
    into.strategy = wish.strategy;
  if (into.strategy == route.strategy)
    into.strategy.reset();
  for (const auto& [word, weight] : wish.weights) {
    const auto target = target_of(route, word);
    if (!target)
      return target.error();
    if (weight == 0 || weight > most_weight)
      return fault{errc::invalid_argument, "must be 1 to 1000000", "weights." + word, {}};
    const auto name = target_name(**target);
    if (weight == (*target)->weight)
      into.weights.erase(name);
    else
      into.weights[name] = weight;
  }
  return {};
}

} // namespace

std::string target_name(const route_model& model) { return model.provider.value + "/" + model.model.value; }

result<route_changes> route_changes::with(const std::vector<named_route>& known, const model_id& route,
                                          const route_wish& wish, const std::string& who,
                                          wall_time now) const {
  const auto found = std::ranges::find(known, route, &named_route::name);
  if (found == known.end())
    return fault{errc::not_found, "there is no route '" + route.value + "'", "route", names_of(known)};
  if (!wish.reset && !wish.strategy && wish.weights.empty())
    return fault{errc::invalid_argument, "nothing is to be changed", "strategy",
                 "give strategy, weights or reset"};
  route_changes out = *this;
  auto& change = out.changes_[route];
  if (wish.reset)
    change = {};
  if (auto good = merge(found->route, wish, change); !good)
    return good.error();
  change.who = who;
  change.at = now;
  if (change.empty())
    out.changes_.erase(route);
  return out;
}

const route_change* route_changes::find(const model_id& route) const noexcept {
  const auto found = changes_.find(route);
  return found == changes_.end() ? nullptr : &found->second;
}

call_route route_changes::applied(const model_id& route, call_route pinned) const {
  const auto* change = find(route);
  if (change == nullptr)
    return pinned;
  pinned.strategy = change->strategy.value_or(pinned.strategy);
  for (auto& model : pinned.models)
    if (const auto weight = change->weights.find(target_name(model)); weight != change->weights.end())
      model.weight = weight->second;
  return pinned;
}

std::string route_changes::to_text() const {
  json out = json::object();
  for (const auto& [route, change] : changes_) {
    json one{{"weights", change.weights}, {"changed_by", change.who}, {"changed_at", to_rfc3339(change.at)}};
    if (change.strategy)
      one["strategy"] = to_string(*change.strategy);
    out[route.value] = std::move(one);
  }
  return out.dump(-1, ' ', false, json::error_handler_t::replace);
}

std::optional<route_changes> route_changes::from_text(std::string_view text) {
  const auto stored = json::parse(text, nullptr, false);
  if (!stored.is_object())
    return std::nullopt;
  route_changes out;
  for (const auto& [route, one] : stored.items()) {
    try {
      route_change change;
      change.weights = one.at("weights").get<std::map<std::string, uint32_t>>();
      std::erase_if(change.weights,
                    [](const auto& entry) { return entry.second == 0 || entry.second > most_weight; });
      if (const auto it = one.find("strategy"); it != one.end())
        change.strategy = route_strategy_from_string(it->get_ref<const std::string&>());
      change.who = one.at("changed_by").get<std::string>();
      change.at = from_rfc3339(one.at("changed_at").get_ref<const std::string&>()).value_or(wall_time{});
      if (!change.empty())
        out.changes_[model_id{route}] = std::move(change);
    } catch (const json::exception&) {
      // Of another version: the route is as configured until somebody changes it again.
      continue;
    }
  }
  return out;
}

} // namespace assay::control
