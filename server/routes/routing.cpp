#include "server/request_context.hpp"
#include "server/routes/families.hpp"
#include "server/services.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <utility>

namespace assay::server {

namespace {

using json = nlohmann::json;
template <class T>
using awaitable = boost::asio::awaitable<T>;

awaitable<result<response>> show_routing(request_context& context) {
  auto seen = co_await context.edge.farm.read_routing();
  if (!seen)
    co_return seen.error();
  const model_id wanted{context.text("route")};
  if (!wanted.empty()) {
    std::erase_if(seen->routes, [&](const auto& one) { return one.route != wanted; });
    if (seen->routes.empty())
      co_return fault{errc::not_found, "there is no route '" + wanted.value + "'", "route",
                      "GET /monitor/routing lists them"};
  }
  co_return context.answer(json(*seen));
}

/// null and absent are the same: nothing is asked.
const json* given(const json& body, const char* name) {
  const auto found = body.find(name);
  return found == body.end() || found->is_null() ? nullptr : &*found;
}

result<change_routing> wish_of(const request_context& context) {
  const auto& body = *context.body;
  change_routing out;
  out.route = model_id{body.at("route").get<std::string>()};
  out.who = context.who().id;
  if (const auto* word = given(body, "strategy")) {
    out.strategy = route_strategy_from_string(word->get_ref<const std::string&>());
    if (!out.strategy)
      return fault{errc::invalid_argument, "is no strategy", "strategy",
                   "in_order, round_robin, weighted_random, performance_based, least_loaded, cost_optimized "
                   "or quality_first"};
  }
  if (const auto* weights = given(body, "weights"))
    for (const auto& [target, weight] : weights->items())
      out.weights.emplace_back(target, weight.get<uint32_t>());
  out.reset = body.value("reset", false);
  if (!out.reset && !out.strategy && out.weights.empty())
    return fault{errc::invalid_argument, "nothing is to be changed", "strategy",
                 "give strategy, weights or reset"};
  return out;
}

awaitable<result<response>> change_routing_of(request_context& context) {
  auto wish = wish_of(context);
  if (!wish)
    co_return wish.error();
  auto done = co_await context.edge.farm.change(std::move(*wish));
  if (!done)
    co_return done.error();
  co_return context.answer(json(*done));
}

awaitable<result<response>> show_retries(request_context& context) {
  auto seen = co_await context.edge.farm.read_retries();
  if (!seen)
    co_return seen.error();
  auto out = json::parse(seen->text, nullptr, false);
  if (!out.is_object())
    co_return fault{errc::internal, "the monitor's retries are not JSON", {}, {}};
  co_return context.answer(out);
}

void add_schemas(schema_set& schemas) {
  schemas.add("MonitorRoute", R"({
    "type": "object",
    "properties": {
      "route": {"type": "string"}, "strategy": {"type": "string", "examples": ["performance_based"]},
      "configured_strategy": {"type": "string"},
      "changed": {"type": "boolean", "description": "Whether it deviates from the configuration."},
      "changed_by": {"type": ["string", "null"]}, "changed_at": {"type": ["string", "null"]},
      "evaluations": {"type": "integer", "description": "Those that use it now."},
      "targets": {"type": "array", "items": {"type": "object"}, "description": "Learnt numbers are of late; null before the first answer."}
    },
    "required": ["route", "strategy", "configured_strategy", "changed", "targets"]
  })");
  schemas.add("MonitorRouting", R"({
    "type": "object",
    "properties": {
      "routes": {"type": "array", "items": {"$ref": "#/components/schemas/MonitorRoute"}},
      "targets": {"type": "array", "items": {"type": "object"}, "description": "Every model that an evaluation has used since the start."}
    },
    "required": ["routes", "targets"]
  })");
  schemas.add("MonitorRoutingChange", R"({
    "type": "object", "additionalProperties": false,
    "properties": {
      "route": {"type": "string", "minLength": 1, "maxLength": 256},
      "strategy": {"type": ["string", "null"], "maxLength": 64, "examples": ["weighted_random"], "description": "in_order, round_robin, weighted_random, performance_based, least_loaded, cost_optimized or quality_first; capital letters do too."},
      "weights": {"type": ["object", "null"], "additionalProperties": {"type": "integer", "minimum": 1, "maximum": 1000000}, "description": "By provider/model, or the model alone where that is clear. Those not named stay."},
      "reset": {"type": "boolean", "description": "First of all back to the configuration."},
      "request_id": {"type": "string", "minLength": 1, "maxLength": 128}
    },
    "required": ["route"]
  })");
  schemas.add("MonitorRetries", R"({
    "type": "object",
    "properties": {
      "timestamp": {"type": "string", "format": "date-time"}, "since": {"type": "string", "format": "date-time"},
      "apply_retry_advice": {"type": "boolean"},
      "providers": {"type": "array", "items": {"type": "object"}, "description": "Ended calls, and what came of those that needed a retry."},
      "retries": {"type": "array", "items": {"type": "object"}, "description": "By provider, error and strategy."},
      "rules": {"type": "array", "items": {"type": "object"}, "description": "Rules that were changed at run time."},
      "advice": {"type": "array", "items": {"type": "object"}, "description": "Better rules, with what speaks for them."},
      "recent": {"type": "array", "items": {"type": "object"}, "description": "The newest failed tries, newest first."}
    },
    "required": ["timestamp", "providers", "retries", "advice", "recent"]
  })");
}

route declared(http_method method, const char* path, const char* summary, const char* schema,
               permission needs, route_handler handler) {
  route out;
  out.method = method;
  out.path = path;
  out.needs = needs;
  out.tag = "monitor";
  out.summary = summary;
  out.response_schema = schema;
  out.handler = std::move(handler);
  return out;
}

} // namespace

void add_routing_routes(route_table& table) {
  add_schemas(table.schemas());

  auto one = declared(http_method::get, "/monitor/routing", "Routes: strategies, weights, what was learnt",
                      "MonitorRouting", permission::analytics_read, &show_routing);
  query_parameter name;
  name.name = "route";
  name.summary = "Only this route";
  one.query = {name};
  table.add(std::move(one));

  one = declared(http_method::put, "/monitor/routing", "Change a route's strategy and weights",
                 "MonitorRoute", permission::configuration_manage, &change_routing_of);
  one.details = "Holds for new calls of evaluations under way too, and over restarts, until it is changed "
                "again or reset. What is equal to the configuration is no change.";
  one.request_schema = "MonitorRoutingChange";
  table.add(std::move(one));

  table.add(declared(http_method::get, "/monitor/retries", "Retries: what they brought, and better rules",
                     "MonitorRetries", permission::analytics_read, &show_retries));
}

} // namespace assay::server
