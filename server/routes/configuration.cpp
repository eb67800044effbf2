#include "server/request_context.hpp"
#include "server/routes/families.hpp"
#include "server/services.hpp"

#include <nlohmann/json.hpp>

namespace assay::server {

namespace {

template <class T>
using awaitable = boost::asio::awaitable<T>;

awaitable<result<response>> reload(request_context& context) {
  const auto& options = context.edge.options;
  if (!options.reload)
    co_return fault{errc::unsupported, "this server cannot read its configuration again", {}, "restart it"};
  auto work = [read = options.reload] { return read(); };
  auto done = co_await context.edge.readers.run(std::move(work));
  if (!done) {
    auto wrong = done.error();
    // The caller's request is well-formed; it is the file that is not.
    if (wrong.code == errc::malformed_input)
      wrong.code = errc::invalid_argument;
    co_return wrong;
  }
  const bool waits = !done->needs_restart.empty();
  co_return context.answer(
      {{"applied", done->applied},
       {"needs_restart", done->needs_restart},
       {"restart_required", waits},
       {"message", waits ? "Some changes wait for a restart" : "Configuration reloaded"}});
}

} // namespace

void add_configuration_routes(route_table& table) {
  table.schemas().add("Meta", R"({
    "type": "object",
    "properties": {
      "timestamp": {"type": "string", "format": "date-time"}, "request_id": {"type": "string"}, "api_version": {"const": "v1"}
    },
    "required": ["timestamp", "request_id", "api_version"]
  })");
  table.schemas().add("JobsError", R"({
    "type": "object",
    "description": "What went wrong, in the form of /api/v1.",
    "properties": {
      "success": {"const": false}, "data": {"type": "null"}, "meta": {"$ref": "#/components/schemas/Meta"},
      "errors": {
        "type": "array",
        "items": {
          "type": "object",
          "properties": {
            "code": {"type": "string", "examples": ["VALIDATION_ERROR"]}, "message": {"type": "string"},
            "field": {"type": ["string", "null"]}, "details": {"type": "object"}
          },
          "required": ["code", "message", "field", "details"]
        }
      }
    },
    "required": ["success", "data", "meta", "errors"]
  })");
  table.schemas().add("ReloadRequest", R"({
    "type": "object", "additionalProperties": false,
    "properties": {"request_id": {"type": "string", "minLength": 1, "maxLength": 128}}
  })");
  table.schemas().add("Reloaded", R"({
    "type": "object",
    "properties": {
      "applied": {"type": "array", "items": {"type": "string"}, "description": "Keys whose new values hold now.", "examples": [["logging.level"]]},
      "needs_restart": {"type": "array", "items": {"type": "string"}, "description": "Keys whose new values cannot be taken up while the farm runs.", "examples": [["server.port"]]},
      "restart_required": {"type": "boolean"},
      "message": {"type": "string"}
    },
    "required": ["applied", "needs_restart", "restart_required", "message"]
  })");

  route one;
  one.method = http_method::post;
  one.path = "/api/v1/config";
  one.kind = family::jobs;
  one.needs = permission::configuration_manage;
  one.tag = "system";
  one.summary = "Read the configuration again";
  one.details =
      "As SIGHUP does, with the provider keys that `assay keys` has stored or removed since. What can change "
      "while the farm runs does; the rest is named. A configuration that is wrong changes nothing.";
  one.request_schema = "ReloadRequest";
  one.body_optional = true;
  one.response_schema = "Reloaded";
  one.handler = &reload;
  table.add(std::move(one));
}

} // namespace assay::server
