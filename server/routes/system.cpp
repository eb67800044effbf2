#include "server/health.hpp"
#include "server/origins.hpp"
#include "server/request_context.hpp"
#include "server/routes/families.hpp"
#include "server/services.hpp"

#include <nlohmann/json.hpp>

namespace assay::server {

namespace {

using json = nlohmann::json;
template <class T>
using awaitable = boost::asio::awaitable<T>;

/// @returns whether the caller is a browser that asks for a page rather than a program that asks for JSON.
bool prefers_html(std::string_view accept) noexcept {
  const auto html = accept.find("text/html");
  return html != std::string_view::npos && html < accept.find("application/json");
}

awaitable<result<response>> root(request_context& context) {
  if (prefers_html(context.http.header("Accept"))) {
    response out;
    out.status = 302;
    out.headers.push_back({"Location", "/docs"});
    out.headers.push_back({"Vary", "Accept"});
    co_return std::move(out);
  }
  auto out = context.answer({{"message", "assay: an evaluation farm for language models"},
                             {"version", context.edge.options.version},
                             {"environment", context.edge.options.environment},
                             {"docs_url", "/docs"}});
  out.headers.push_back({"Vary", "Accept"});
  co_return std::move(out);
}

awaitable<result<response>> health(request_context& context) {
  auto request_id = context.request_id;
  auto body = co_await health_json(context.edge, std::move(request_id), context.caller.has_value());
  response out;
  out.status = body["status"] == "unhealthy" ? 503 : 200;
  out.body = to_text(body);
  co_return std::move(out);
}

awaitable<result<response>> metrics(request_context& context) {
  const bool allowed = context.caller && context.caller->permissions.has(permission::analytics_read);
  if (!allowed
      && !(context.edge.options.metrics_from_loopback
           && may_be_anonymous(context.edge.options, context.http))) {
    if (context.caller)
      co_return fault{
          errc::forbidden, "this needs the permission analytics:read", {}, "ask an administrator"};
    co_return fault{errc::unauthenticated, "a token is needed", {}, "get one with POST /auth/login"};
  }
  response out;
  out.content_type = "text/plain; version=0.0.4; charset=utf-8";
  out.body = co_await metrics_text(context.edge);
  co_return std::move(out);
}

awaitable<result<response>> openapi(request_context& context) {
  response out;
  out.body = context.edge.openapi;
  co_return std::move(out);
}

awaitable<result<response>> docs(request_context& context) {
  response out;
  out.content_type = "text/html; charset=utf-8";
  out.body = context.edge.docs_page;
  out.headers.push_back({"Content-Security-Policy", context.edge.docs_policy});
  co_return std::move(out);
}

void add_schemas(schema_set& schemas) {
  schemas.add("Welcome", R"({
    "type": "object",
    "properties": {
      "message": {"type": "string"}, "version": {"type": "string"}, "environment": {"type": "string"}, "docs_url": {"type": "string"}
    },
    "required": ["message", "version", "environment", "docs_url"]
  })");
  schemas.add("Health", R"({
    "type": "object",
    "properties": {
      "status": {"type": "string", "enum": ["healthy", "degraded", "unhealthy"]},
      "timestamp": {"type": "string", "format": "date-time"},
      "timestamp_unix": {"type": "number"},
      "version": {"type": "string"},
      "active_evaluations": {"type": ["integer", "null"]},
      "uptime": {"type": "string", "examples": ["2 days, 14:30:25"]},
      "components": {"type": "object", "additionalProperties": {"type": "string"}},
      "success": {"type": "boolean"}, "data": {"type": "object"}, "meta": {"type": "object"}
    },
    "required": ["status", "timestamp", "timestamp_unix", "version", "active_evaluations", "uptime", "components", "success", "data", "meta"]
  })");
}

route declared(const char* path, const char* summary, route_handler handler) {
  route out;
  out.path = path;
  out.access = route_access::everyone;
  out.tag = "system";
  out.summary = summary;
  out.handler = std::move(handler);
  return out;
}

} // namespace

void add_system_routes(route_table& table) {
  add_schemas(table.schemas());

  auto one = declared("/", "What this is; browsers are sent to the documentation", &root);
  one.response_schema = "Welcome";
  table.add(std::move(one));

  one = declared("/health", "Whether the farm works", &health);
  one.details = "503 when it does not. Needs no token and names no path, address or key; with a token there "
                "are counts, and "
                "the reason when something does not work. redis mirrors journal, which is the queue here.";
  one.response_schema = "Health";
  table.add(std::move(one));

  one = declared("/metrics", "Numbers for Prometheus", &metrics);
  one.access = route_access::own_rules;
  one.details = "Needs analytics:read, or a loopback address when so configured.";
  one.response_type = "text/plain";
  table.add(std::move(one));

  one = declared("/openapi.json", "This API as an OpenAPI 3.1 document", &openapi);
  one.access = route_access::any_caller;
  table.add(std::move(one));

  one = declared("/docs", "This API to read", &docs);
  one.response_type = "text/html";
  table.add(std::move(one));
}

} // namespace assay::server
