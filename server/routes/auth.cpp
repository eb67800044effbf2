#include "server/request_context.hpp"
#include "server/routes/families.hpp"
#include "server/services.hpp"

#include <nlohmann/json.hpp>

namespace assay::server {

namespace {

using json = nlohmann::json;
template <class T>
using awaitable = boost::asio::awaitable<T>;

constexpr size_t login_body_limit = 16 * 1024;

json tokens_json(const issued_tokens& issued) {
  return {{"access_token", issued.access_token},
          {"token_type", "bearer"},
          {"expires_in", issued.expires_in.count()},
          {"refresh_token", issued.refresh_token},
          {"user_info", user_info_json(issued.user)}};
}

awaitable<result<response>> login(request_context& context) {
  const auto& body = *context.body;
  auto name = body.at("username").get<std::string>();
  secret password{body.at("password").get<std::string>()};
  auto peer = context.http.peer;
  auto issued = co_await context.edge.auth.login(std::move(name), std::move(password), std::move(peer));
  if (issued)
    co_return context.answer(tokens_json(*issued));
  auto what = problem_of(context.matched.kind, issued.error().what);
  if (issued.error().retry_after)
    what.retry_after = issued.error().retry_after;
  co_return error_response(context.matched.kind, what, context.facts());
}

awaitable<result<response>> refresh(request_context& context) {
  auto token = context.body->at("refresh_token").get<std::string>();
  auto issued = co_await context.edge.auth.refresh(std::move(token));
  if (!issued)
    co_return issued.error();
  co_return context.answer(tokens_json(*issued));
}

awaitable<result<response>> logout(request_context& context) {
  const bool everywhere = context.body && context.body->value("everywhere", false);
  auto who = context.who();
  auto done = co_await context.edge.auth.logout(std::move(who), everywhere);
  if (!done)
    co_return done.error();
  co_return context.answer(
      {{"status", "logged_out"}, {"message", everywhere ? "All sessions ended" : "Session ended"}});
}

awaitable<result<response>> web_socket_ticket(request_context& context) {
  auto ticket = context.edge.auth.tickets().issue(context.who());
  if (!ticket)
    co_return fault{errc::busy, "too many tickets are open", {}, "try again in half a minute"};
  co_return context.answer({{"ticket", *ticket}, {"expires_in", web_socket_tickets::lifetime.count()}});
}

awaitable<result<response>> who_am_i(request_context& context) {
  const auto& who = context.who();
  auto roles = json::array();
  for (const auto value : who.roles)
    roles.push_back(to_string(value));
  json shown{{"user_id", who.id.value},
             {"username", who.id.value},
             {"roles", std::move(roles)},
             {"permissions", who.permissions.names()},
             {"anonymous", who.anonymous}};
  if (!who.api_key.empty())
    shown["api_key"] = who.api_key;
  co_return context.answer(shown);
}

void add_schemas(schema_set& schemas) {
  schemas.add("LoginRequest", R"({
    "type": "object", "additionalProperties": false,
    "properties": {
      "username": {"type": "string", "minLength": 1, "maxLength": 128, "examples": ["admin"]},
      "password": {"type": "string", "minLength": 1, "maxLength": 1024},
      "request_id": {"type": "string", "minLength": 1, "maxLength": 128}
    },
    "required": ["username", "password"]
  })");
  schemas.add("RefreshRequest", R"({
    "type": "object", "additionalProperties": false,
    "properties": {
      "refresh_token": {"type": "string", "minLength": 1, "maxLength": 512},
      "request_id": {"type": "string", "minLength": 1, "maxLength": 128}
    },
    "required": ["refresh_token"]
  })");
  schemas.add("LogoutRequest", R"({
    "type": "object", "additionalProperties": false,
    "properties": {
      "everywhere": {"type": "boolean", "description": "End all sessions of the user, not only this one.", "default": false},
      "refresh_token": {"type": "string", "description": "Accepted; the session is known from the access token."},
      "request_id": {"type": "string", "minLength": 1, "maxLength": 128}
    }
  })");
  schemas.add("UserInfo", R"({
    "type": "object",
    "properties": {
      "user_id": {"type": "string"}, "username": {"type": "string"},
      "roles": {"type": "array", "items": {"type": "string"}},
      "permissions": {"type": "array", "items": {"type": "string"}},
      "api_key": {"type": "string", "description": "Id of the API key that was sent; absent for everybody else."}
    },
    "required": ["user_id", "username", "roles", "permissions"]
  })");
  schemas.add("Tokens", R"({
    "type": "object",
    "properties": {
      "access_token": {"type": "string", "description": "A JWT; send it as Authorization: Bearer ..."},
      "token_type": {"const": "bearer"},
      "expires_in": {"type": "integer", "description": "Seconds.", "examples": [3600]},
      "refresh_token": {"type": "string", "description": "Good once, for POST /auth/refresh."},
      "user_info": {"$ref": "#/components/schemas/UserInfo"}
    },
    "required": ["access_token", "token_type", "expires_in", "refresh_token", "user_info"]
  })");
  schemas.add("Ticket", R"({
    "type": "object",
    "properties": {"ticket": {"type": "string"}, "expires_in": {"type": "integer", "description": "Seconds."}},
    "required": ["ticket", "expires_in"]
  })");
  schemas.add("Message", R"({
    "type": "object", "properties": {"status": {"type": "string"}, "message": {"type": "string"}}, "required": ["message"]
  })");
}

route declared(http_method method, const char* path, const char* summary, route_handler handler) {
  route out;
  out.method = method;
  out.path = path;
  out.tag = "auth";
  out.summary = summary;
  out.handler = std::move(handler);
  out.body_limit = login_body_limit;
  out.access = route_access::any_caller;
  return out;
}

} // namespace

void add_auth_routes(route_table& table) {
  add_schemas(table.schemas());

  auto one = declared(http_method::post, "/auth/login", "Log in with name and password", &login);
  one.access = route_access::everyone;
  one.details = "Attempts are limited by address and by user; a 429 says in Retry-After how long to wait.";
  one.request_schema = "LoginRequest";
  one.response_schema = "Tokens";
  table.add(std::move(one));

  one = declared(http_method::post, "/auth/refresh", "Exchange a refresh token for new tokens", &refresh);
  one.access = route_access::everyone;
  one.details =
      "A refresh token is good once. Using one again ends its session for everybody who holds a token of it.";
  one.request_schema = "RefreshRequest";
  one.response_schema = "Tokens";
  table.add(std::move(one));

  one = declared(http_method::post, "/auth/logout", "End this session", &logout);
  one.details = "Its access and refresh tokens are refused from now on and its WebSockets are closed.";
  one.request_schema = "LogoutRequest";
  one.body_optional = true;
  one.response_schema = "Message";
  table.add(std::move(one));

  one = declared(http_method::post, "/auth/ws-ticket", "Get a ticket for /ws?ticket=...", &web_socket_ticket);
  one.details = "Good once and for thirty seconds, so that no token has to stand in an address.";
  one.response_schema = "Ticket";
  table.add(std::move(one));

  one = declared(http_method::get, "/auth/me", "Who this token belongs to", &who_am_i);
  one.response_schema = "UserInfo";
  table.add(std::move(one));
}

} // namespace assay::server
