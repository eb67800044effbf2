#include "core/configurations/optimized.hpp"
#include "server/model_evidence.hpp"
#include "server/request_context.hpp"
#include "server/routes/families.hpp"
#include "server/routes/model_configs.hpp"
#include "server/services.hpp"
#include "storage/model_configurations.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <utility>

namespace assay::server {

namespace {

using json = nlohmann::json;
template <class T>
using awaitable = boost::asio::awaitable<T>;
using configurations::observed_calls;
using configurations::optimization_input;

/// What is to be optimized.
struct subject {
  std::optional<uint64_t> version;
  std::string configuration;
};

result<subject> find_subject(const request_context& context, const std::string& id) {
  auto stored =
      context.edge.read_now([&](storage::snapshot& view) { return storage::find_configuration(view, id); });
  if (!stored)
    return stored.error();
  if (*stored && !(*stored)->value.deleted)
    return subject{(*stored)->value.version, std::move((*stored)->value.configuration)};
  const auto all =
      context.edge.options.current_catalogue ? context.edge.options.current_catalogue() : nullptr;
  if (all) {
    const auto found = std::ranges::find(all->models, model_id{std::string(id)}, &model_profile::id);
    if (found != all->models.end())
      return subject{std::nullopt, configuration_of(*found)};
    if (all->unlisted_model)
      if (const auto unlisted = all->unlisted_model(model_id{std::string(id)}))
        return subject{std::nullopt, configuration_of(unlisted->model)};
  }
  return fault{errc::not_found, "there is no model '" + id + "'", "id",
               "GET /model-configs lists the stored configurations, GET /models the others"};
}

std::optional<observed_calls> observed_of(const monitoring::monitor_view& view, const model_id& model) {
  const monitoring::model_view* busiest = nullptr;
  for (const auto& one : view.models)
    if (one.model == model && (busiest == nullptr || one.windows.day.samples > busiest->windows.day.samples))
      busiest = &one;
  if (busiest == nullptr || busiest->windows.day.samples == 0)
    return std::nullopt;
  const auto& day = busiest->windows.day;
  const auto in_seconds = [](microseconds time) { return std::chrono::duration<double>(time).count(); };
  observed_calls out;
  out.window = to_string(monitoring::window_span::day);
  out.samples = day.samples;
  out.measured = day.measured;
  out.response_time_avg = in_seconds(day.mean);
  out.response_time_p95 = in_seconds(day.p95);
  out.response_time_p99 = in_seconds(day.p99);
  out.success_rate = day.success_rate();
  const auto answered = day.samples - std::min(day.failures, day.samples);
  if (answered > 0)
    out.completion_tokens_avg = static_cast<double>(day.completion_tokens) / static_cast<double>(answered);
  if (answered > day.unpriced)
    out.cost_avg = to_dollars(day.cost) / static_cast<double>(answered - day.unpriced);
  return out;
}

result<optimization_input> wish_in(const request_context& context) {
  optimization_input out;
  out.task_type = context.text("task_type");
  if (out.task_type.empty())
    return fault{errc::invalid_argument, "is missing", "task_type",
                 "the type of task, such as code_completion, function_generation or bug_fix"};
  const auto strategy = configurations::optimization_strategy_from_string(context.text("strategy"));
  if (!strategy)
    return fault{errc::invalid_argument, "is no strategy", "strategy",
                 "performance, cost, quality, balanced or latency"};
  out.strategy = *strategy;
  return out;
}

awaitable<result<response>> optimized(request_context& context) {
  auto wish = wish_in(context);
  if (!wish)
    co_return wish.error();
  const auto id = context.path_value("id");
  auto model = find_subject(context, id);
  if (!model)
    co_return model.error();
  evidence_query wanted;
  if (!context.who().permissions.has(permission::evaluation_read_all))
    wanted.owner = context.who().id;
  wanted.model = model_id{std::string(id)};
  wanted.task_type = wish->task_type;
  auto work = [store = context.edge.store, wanted] { return gather_evidence(store, wanted); };
  auto found = co_await context.edge.readers.run(std::move(work));
  if (!found)
    co_return found.error();
  auto seen = co_await context.edge.farm.read_monitor();
  wish->configuration = std::move(model->configuration);
  wish->results = std::move(found->results);
  wish->more_results = found->more;
  if (seen)
    wish->observed = observed_of(*seen, wanted.model);
  auto payload = configurations::optimized_json(*wish);
  // Without the monitor the rest still holds.
  if (!seen)
    payload["notes"].push_back("the monitor did not answer: " + seen.error().message);
  payload["model_id"] = id;
  payload["version"] = model->version ? json(*model->version) : json(nullptr);
  payload["source"] = model->version ? "stored" : "farm";
  co_return context.answer(payload);
}

} // namespace

void add_model_optimization_routes(route_table& table) {
  route one;
  one.path = "/model-configs/{id}/optimized";
  one.needs = permission::models_read;
  one.tag = "model configurations";
  one.summary = "The configuration as it suits a type of task and a strategy, with the evidence";
  one.details =
      "Also for models that are not stored. Values that nothing speaks for stay as configured, and say "
      "so. Results of runs count as far as the caller may see them.";
  one.response_schema = "OptimizedConfiguration";
  query_parameter type;
  type.name = "task_type";
  type.summary = "The type of task: code_completion, function_generation, bug_fix, ...";
  query_parameter strategy;
  strategy.name = "strategy";
  strategy.summary = "performance, cost, quality, balanced or latency";
  strategy.fallback = "balanced";
  one.query = {type, strategy};
  one.handler = &optimized;
  table.add(std::move(one));
}

} // namespace assay::server
