#include "config/fleet.hpp"
#include "config/models.hpp"

#include <algorithm>
#include <initializer_list>
#include <utility>

namespace assay::config {

namespace {

/// What a model says of itself for routes.
const written_model* written_as(const document& written, const model_id& id) {
  const auto found = std::ranges::find(written.models, id.value, &written_model::id);
  return found == written.models.end() ? nullptr : &*found;
}

route_model route_model_of(const document& written, const model_profile& model) {
  route_model out{model.id, model.provider, model.wire_model, model.prices, 1, std::nullopt};
  if (const auto* said = written_as(written, model.id)) {
    out.weight = said->weight.value_or(1);
    out.quality = said->quality;
  }
  return out;
}

result<model_profile> member(const settings& from, const std::string& name, const std::string& place) {
  auto found = resolve_model(from, name);
  if (!found) {
    auto wrong = found.error();
    wrong.where = place;
    return wrong;
  }
  if (!found->model.route.models.empty())
    return fault{errc::invalid_argument, "`" + name + "` is a route itself", place,
                 "name the models that it leads to"};
  return std::move(found->model);
}

result<call_route> route_of(const document& written, const settings& from, route_strategy strategy,
                            const std::vector<std::string>& names, const std::string& place) {
  call_route out;
  out.strategy = strategy;
  for (const auto& name : names) {
    const auto model = member(from, name, place);
    if (!model)
      return model.error();
    const bool twice = std::ranges::any_of(out.models, [&](const route_model& one) {
      return one.model == model->id && one.provider == model->provider;
    });
    if (twice)
      return fault{errc::invalid_argument, "`" + name + "` is named twice", place, "name each model once"};
    out.models.push_back(route_model_of(written, *model));
  }
  return out;
}

result<model_profile> build_route(const document& written, const written_route& route, const node& tree,
                                  const settings& from) {
  const auto place = place_of(tree, {"routes", route.id, "models"});
  if (find_model(from, model_id(std::string(route.id))) != nullptr)
    return fault{errc::invalid_argument, "a model is called `" + route.id + "` already",
                 place_of(tree, {"routes", route.id}), "give the route another name"};
  if (route.models.empty())
    return fault{errc::invalid_argument, "a route needs models", place, "name at least one"};
  auto ways = route_of(written, from, *route_strategy_from_string(route.strategy), route.models, place);
  if (!ways)
    return ways.error();
  // Until one of the others is asked, a route looks like its first model.
  auto profile = member(from, route.models.front(), place);
  if (!profile)
    return profile.error();
  profile->id = model_id(std::string(route.id));
  profile->name = route.name.empty() ? route.id : route.name;
  profile->route = std::move(*ways);
  return std::move(*profile);
}

} // namespace

result<void> build_routes(const document& written, const node& tree, settings& out) {
  // All resolved before any is set: a model that has fallbacks may be another's.
  std::vector<std::pair<model_id, call_route>> fallbacks;
  for (const auto& model : written.models) {
    if (model.fallbacks.empty())
      continue;
    auto names = model.fallbacks;
    names.insert(names.begin(), model.id);
    auto ways = route_of(written, out, route_strategy::in_order, names,
                         place_of(tree, {"models", model.id, "fallbacks"}));
    if (!ways)
      return ways.error();
    fallbacks.emplace_back(model_id(std::string(model.id)), std::move(*ways));
  }
  std::vector<model_profile> routes;
  for (const auto& route : written.routes) {
    auto built = build_route(written, route, tree, out);
    if (!built)
      return built.error();
    routes.push_back(std::move(*built));
  }
  for (auto& [id, ways] : fallbacks)
    std::ranges::find(out.models, id, &model_profile::id)->route = std::move(ways);
  std::ranges::move(routes, std::back_inserter(out.models));
  return {};
}

} // namespace assay::config
