#include "server/request_context.hpp"
#include "server/routes/families.hpp"
#include "server/services.hpp"

#include <nlohmann/json.hpp>

namespace assay::server {

namespace {

using json = nlohmann::json;
template <class T>
using awaitable = boost::asio::awaitable<T>;

awaitable<result<response>> list(request_context& context) {
  auto users = co_await context.edge.auth.users().list();
  if (!users)
    co_return users.error();
  auto items = json::array();
  for (const auto& user : *users)
    items.push_back(user_to_json(user));
  const auto total = items.size();
  co_return context.answer({{"items", std::move(items)}, {"total", total}});
}

awaitable<result<response>> create(request_context& context) {
  const auto& body = *context.body;
  const auto names = body.value("roles", json::array({"viewer"}));
  auto roles = roles_from_json(names);
  if (!roles)
    co_return roles.error();
  user_id id{body.at("username").get<std::string>()};
  secret password{body.at("password").get<std::string>()};
  auto user =
      co_await context.edge.auth.users().create(std::move(id), std::move(password), std::move(*roles));
  if (!user)
    co_return user.error();
  auto out = context.answer(user_to_json(*user));
  out.headers.push_back({"Location", "/users/" + user->id.value});
  co_return std::move(out);
}

awaitable<result<response>> find(request_context& context) {
  auto user = context.edge.auth.users().find(user_id{context.path_value("id")});
  if (!user)
    co_return user.error();
  if (!*user)
    co_return fault{errc::not_found, "there is no user '" + context.path_value("id") + "'", "id", {}};
  co_return context.answer(user_to_json(**user));
}

awaitable<result<response>> change(request_context& context) {
  const auto& body = *context.body;
  std::optional<std::vector<role>> roles;
  if (body.contains("roles")) {
    auto given = roles_from_json(body.at("roles"));
    if (!given)
      co_return given.error();
    roles = std::move(*given);
  }
  std::optional<bool> disabled;
  if (body.contains("disabled"))
    disabled = body.at("disabled").get<bool>();
  if (!roles && !disabled)
    co_return fault{errc::invalid_argument, "names nothing to change", "body", "give roles or disabled"};
  user_id id{context.path_value("id")};
  auto user = co_await context.edge.auth.users().change(std::move(id), std::move(roles), disabled);
  if (!user)
    co_return user.error();
  co_return context.answer(user_to_json(*user));
}

awaitable<result<response>> remove(request_context& context) {
  user_id id{context.path_value("id")};
  auto done = co_await context.edge.auth.remove_user(std::move(id));
  if (!done)
    co_return done.error();
  co_return context.answer({{"status", "deleted"}, {"message", "User deleted"}});
}

awaitable<result<response>> change_password(request_context& context) {
  const auto& who = context.who();
  user_id id{context.path_value("id")};
  const bool own = !who.anonymous && who.id == id;
  if (!own && !who.permissions.has(permission::users_manage))
    co_return fault{errc::forbidden, "only an administrator may change somebody else's password", {}, {}};
  const auto& body = *context.body;
  std::optional<secret> current;
  if (body.contains("current_password"))
    current = secret{body.at("current_password").get<std::string>()};
  // A stolen session must not be enough to take an account over.
  if (own && !current)
    co_return fault{errc::invalid_argument, "is missing", "current_password",
                    "one's own password needs the present one"};
  if (!own)
    current.reset();
  secret next{body.at("new_password").get<std::string>()};
  auto done = co_await context.edge.auth.change_password(std::move(id), std::move(current), std::move(next));
  if (!done)
    co_return done.error();
  co_return context.answer(
      {{"status", "changed"}, {"message", "Password changed; all sessions of the user have ended"}});
}

void add_schemas(schema_set& schemas) {
  schemas.add("User", R"({
    "type": "object",
    "properties": {
      "user_id": {"type": "string"}, "username": {"type": "string"},
      "roles": {"type": "array", "items": {"type": "string", "enum": ["admin", "evaluator", "viewer"]}},
      "permissions": {"type": "array", "items": {"type": "string"}},
      "disabled": {"type": "boolean"},
      "created_at": {"type": "string", "format": "date-time"},
      "updated_at": {"type": "string", "format": "date-time"}
    },
    "required": ["user_id", "username", "roles", "permissions", "disabled", "created_at", "updated_at"]
  })");
  schemas.add("UserList", R"({
    "type": "object",
    "properties": {
      "items": {"type": "array", "items": {"$ref": "#/components/schemas/User"}}, "total": {"type": "integer"}
    },
    "required": ["items", "total"]
  })");
  schemas.add("NewUser", R"({
    "type": "object", "additionalProperties": false,
    "properties": {
      "username": {"type": "string", "minLength": 1, "maxLength": 64},
      "password": {"type": "string", "minLength": 8, "maxLength": 1024},
      "roles": {"type": "array", "minItems": 1, "maxItems": 3, "items": {"type": "string"}, "default": ["viewer"]},
      "request_id": {"type": "string", "minLength": 1, "maxLength": 128}
    },
    "required": ["username", "password"]
  })");
  schemas.add("UserChange", R"({
    "type": "object", "additionalProperties": false,
    "properties": {
      "roles": {"type": "array", "minItems": 1, "maxItems": 3, "items": {"type": "string"}},
      "disabled": {"type": "boolean"},
      "request_id": {"type": "string", "minLength": 1, "maxLength": 128}
    }
  })");
  schemas.add("PasswordChange", R"({
    "type": "object", "additionalProperties": false,
    "properties": {
      "current_password": {"type": "string", "maxLength": 1024, "description": "Needed for one's own password."},
      "new_password": {"type": "string", "minLength": 8, "maxLength": 1024},
      "request_id": {"type": "string", "minLength": 1, "maxLength": 128}
    },
    "required": ["new_password"]
  })");
}

route declared(http_method method, const char* path, const char* summary, route_handler handler) {
  route out;
  out.method = method;
  out.path = path;
  out.needs = permission::users_manage;
  out.tag = "users";
  out.summary = summary;
  out.handler = std::move(handler);
  return out;
}

} // namespace

void add_user_routes(route_table& table) {
  add_schemas(table.schemas());

  auto one = declared(http_method::get, "/users", "All users", &list);
  one.response_schema = "UserList";
  table.add(std::move(one));

  one = declared(http_method::post, "/users", "Create a user", &create);
  one.request_schema = "NewUser";
  one.response_schema = "User";
  one.success = 201;
  table.add(std::move(one));

  one = declared(http_method::get, "/users/{id}", "One user", &find);
  one.response_schema = "User";
  table.add(std::move(one));

  one = declared(http_method::patch, "/users/{id}", "Change roles, or disable and enable", &change);
  one.details = "Ends all sessions of the user. The last administrator keeps the role.";
  one.request_schema = "UserChange";
  one.response_schema = "User";
  table.add(std::move(one));

  one = declared(http_method::erase, "/users/{id}", "Delete a user", &remove);
  one.details =
      "The user's API keys go too. The last administrator cannot be deleted. Evaluations of the user stay.";
  one.response_schema = "Message";
  table.add(std::move(one));

  one = declared(http_method::post, "/users/{id}/password", "Set a password", &change_password);
  one.access = route_access::any_caller;
  one.details =
      "One's own with the present password, or anybody's as an administrator. Ends all sessions of the user.";
  one.request_schema = "PasswordChange";
  one.response_schema = "Message";
  table.add(std::move(one));
}

} // namespace assay::server
