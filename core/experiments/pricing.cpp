#include "core/experiments/experiment.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

namespace assay::experiments {

namespace {

using json = nlohmann::json;

json dollars(const std::optional<money>& amount) {
  return amount ? json(to_dollars(*amount)) : json(nullptr);
}

std::optional<fault> over_limits(const priced_plan& plan, const plan_limits& limits) {
  if (plan.samples > limits.most_samples)
    return fault{errc::invalid_argument,
                 "the plan expands to " + std::to_string(plan.requests.size()) + " child runs with "
                     + std::to_string(plan.samples) + " samples, more than the "
                     + std::to_string(limits.most_samples) + " that one may have",
                 "experiments.max_samples",
                 "lower configuration.limit or repeats, split the plan, or raise experiments.max_samples"};
  if (limits.most_cost && plan.estimated_cost && *plan.estimated_cost > *limits.most_cost)
    return fault{errc::invalid_argument,
                 "the plan is estimated at " + to_string(*plan.estimated_cost) + ", more than the "
                     + to_string(*limits.most_cost) + " that one may cost",
                 "experiments.max_cost",
                 "lower configuration.limit or repeats, split the plan, or raise experiments.max_cost"};
  return std::nullopt;
}

} // namespace

result<priced_plan> price(evaluation_plan plan, std::vector<child_request> requests,
                          const std::vector<priced>& told, const plan_limits& limits) {
  priced_plan out;
  out.notes = plan.notes;
  std::map<std::tuple<size_t, size_t, size_t>, const priced*> known;
  for (const auto& one : told) {
    known.emplace(std::tuple{one.model, one.group, one.configuration}, &one);
    for (const auto& note : one.notes)
      if (std::ranges::count(out.notes, note) == 0 && out.notes.size() < 50)
        out.notes.push_back(note);
    if (plan.max_cost && !one.cost)
      return fault{errc::invalid_argument,
                   "cannot be kept: what '" + plan.models[one.model].name + "' costs for '"
                       + plan.groups[one.group].name + "' is not known",
                   "max_cost", "give the model its prices, or leave max_cost out"};
  }
  const uint64_t prompts = std::max<uint64_t>(plan.prompt_types.size(), 1);
  out.estimated_cost = money{};
  for (const auto& request : requests) {
    experiment_child child;
    if (const auto found = known.find({request.model, request.group, request.configuration});
        found != known.end()) {
      child.samples = found->second->samples / prompts;
      if (found->second->cost)
        child.price = money{found->second->cost->nanodollars / static_cast<int64_t>(prompts)};
    }
    out.samples += child.samples;
    if (!child.price)
      out.estimated_cost.reset();
    else if (out.estimated_cost)
      *out.estimated_cost += *child.price;
    out.children.push_back(std::move(child));
  }
  out.plan = std::move(plan);
  out.requests = std::move(requests);
  if (auto bad = over_limits(out, limits))
    return std::move(*bad);
  if (out.plan.max_cost && out.estimated_cost && *out.estimated_cost > *out.plan.max_cost)
    out.notes.push_back("the estimate, " + to_string(*out.estimated_cost) + ", is above max_cost, "
                        + to_string(*out.plan.max_cost) + ": some child runs may end without all answers");
  return out;
}

json to_json(const priced_plan& plan) {
  json children = json::array();
  for (size_t i = 0; i < plan.requests.size(); ++i) {
    const auto& request = plan.requests[i];
    json after = json::array();
    for (const auto one : request.after)
      after.push_back(plan.requests[one].key);
    children.push_back(
        {{"key", request.key},
         {"model", plan.plan.models[request.model].name},
         {"task_group", plan.plan.groups[request.group].name},
         {"configuration", plan.plan.configurations[request.configuration].name},
         {"prompt_type", request.prompt ? json(plan.plan.prompt_types[*request.prompt]) : json(nullptr)},
         {"repeat", request.repeat + 1},
         {"samples", plan.children[i].samples},
         {"estimated_cost", dollars(plan.children[i].price)},
         {"depends_on", std::move(after)}});
  }
  return {{"dry_run", true},
          {"experiment_name", plan.plan.name},
          {"description", plan.plan.description},
          {"total_children", plan.requests.size()},
          {"total_samples", plan.samples},
          {"estimated_cost", dollars(plan.estimated_cost)},
          {"max_cost", dollars(plan.plan.max_cost)},
          {"max_parallel", plan.plan.max_parallel},
          {"notes", plan.notes},
          {"children", std::move(children)}};
}

} // namespace assay::experiments
