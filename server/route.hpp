#pragma once

#include "core/values/errors.hpp"
#include "server/auth/permissions.hpp"
#include "server/families.hpp"
#include "server/http.hpp"

#include <boost/asio/awaitable.hpp>

#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <vector>

namespace assay::server {

struct request_context;

/// Answers one request. Faults are rendered in the family's shape.
using route_handler = std::function<boost::asio::awaitable<result<response>>(request_context&)>;

enum class parameter_type : uint8_t { text, integer, flag, choice };

/// A query parameter as a route declares it. Undeclared ones are refused.
struct query_parameter {
  std::string name;
  parameter_type type = parameter_type::text;
  std::string summary;
  std::string fallback; ///< Used when it is not given; empty means that it stays absent.
  int64_t lowest = 0;   ///< Of an integer.
  int64_t highest = std::numeric_limits<int64_t>::max();
  std::vector<std::string> choices; ///< Of a choice.
  size_t longest = 256;             ///< Of a text, in bytes.
  bool is_secret = false;           ///< Never logged.
};

/// Who may use a route.
enum class route_access : uint8_t {
  everyone,   ///< No token needed; one that is sent and good is known to the handler.
  any_caller, ///< Any valid token, or an anonymous caller where those are allowed.
  permission, ///< A caller with `needs`.
  own_rules,  ///< The handler decides itself, before anything is done.
};

/// Everything the server knows of a route: the router, the validation, /openapi.json and /docs come from
/// this.
struct route {
  http_method method = http_method::get;
  std::string path; ///< `/evaluations/{id}`
  family kind = family::engine;
  route_access access = route_access::permission;
  permission needs = permission::evaluation_read;
  std::string tag;            ///< Groups routes in the documentation.
  std::string summary;        ///< One line.
  std::string details;        ///< More, for the documentation; may be empty.
  std::string request_schema; ///< Name in the schema_set; empty when there is no body.
  bool body_optional = false;
  std::string response_schema; ///< Name in the schema_set; empty for answers that are not JSON.
  std::string response_type = "application/json";
  unsigned success = 200;
  std::vector<query_parameter> query;
  std::vector<std::string> header_parameters; ///< Request headers with a meaning here: `Idempotency-Key`.
  bool asks_models = false;                   ///< Its answer comes from a model, and costs.
  size_t body_limit = 0;                      ///< Bytes; 0 means the server's own limit.
  route_handler handler; ///< Empty only for the WebSocket, which is not answered but upgraded.
};

} // namespace assay::server
