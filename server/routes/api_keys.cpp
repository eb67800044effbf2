#include "server/auth/api_keys.hpp"
#include "server/request_context.hpp"
#include "server/routes/families.hpp"
#include "server/services.hpp"

#include <nlohmann/json.hpp>

namespace assay::server {

namespace {

using json = nlohmann::json;
template <class T>
using awaitable = boost::asio::awaitable<T>;

constexpr size_t key_body_limit = 16 * 1024;
constexpr const char* keys_of_all = "*";

/// Whoever steals a key must not be able to make another one, or to lift its limits.
result<void> check_signed_in(const principal& who) {
  if (who.anonymous)
    return fault{errc::forbidden, "an anonymous caller has no API keys", {}, "log in with POST /auth/login"};
  if (!who.api_key.empty())
    return fault{errc::forbidden,
                 "API keys are not made or changed with an API key",
                 {},
                 "log in with POST /auth/login"};
  return {};
}

bool may_manage_keys_of(const principal& who, const user_id& owner) {
  return !who.anonymous && (who.id == owner || who.permissions.has(permission::users_manage));
}

/// @returns the key in the path; not_found also for one of somebody else.
result<api_key_record> key_in_path(const request_context& context) {
  const auto& id = context.path_value("id");
  auto found = context.edge.auth.keys().find(id);
  if (!found)
    return found.error();
  if (!*found || !may_manage_keys_of(context.who(), (*found)->owner))
    return unknown_api_key(id);
  return std::move(**found);
}

response shown(const request_context& context, const api_key_record& key) {
  return context.answer(api_key_to_json(key, context.edge.options.time.wall()));
}

awaitable<result<response>> list(request_context& context) {
  const auto& who = context.who();
  if (who.anonymous)
    co_return fault{
        errc::forbidden, "an anonymous caller has no API keys", {}, "log in with POST /auth/login"};
  std::optional<user_id> owner{who.id};
  if (const auto asked = context.query.find("user"); asked != context.query.end()) {
    const bool all = asked->second.empty() || asked->second == keys_of_all;
    owner = all ? std::optional<user_id>{} : user_id{asked->second};
    if (owner != who.id && !who.permissions.has(permission::users_manage))
      co_return fault{errc::forbidden, "only an administrator sees the keys of others", "user", {}};
  }
  auto keys = co_await context.edge.auth.keys().list(std::move(owner));
  if (!keys)
    co_return keys.error();
  const auto now = context.edge.options.time.wall();
  auto items = json::array();
  for (const auto& key : *keys)
    items.push_back(api_key_to_json(key, now));
  const auto total = items.size();
  co_return context.answer({{"items", std::move(items)}, {"total", total}});
}

awaitable<result<response>> create(request_context& context) {
  const auto& who = context.who();
  auto allowed = check_signed_in(who);
  if (!allowed)
    co_return allowed.error();
  const auto& body = *context.body;
  api_key_record wanted;
  wanted.owner = body.contains("user") ? user_id{body.at("user").get<std::string>()} : who.id;
  if (!may_manage_keys_of(who, wanted.owner))
    co_return fault{errc::forbidden, "only an administrator makes keys for others", "user", {}};
  auto read = read_api_key_fields(body, context.edge.options.time.wall(), wanted);
  if (!read)
    co_return read.error();
  auto made = co_await context.edge.auth.keys().create(std::move(wanted));
  if (!made)
    co_return made.error();
  auto payload = api_key_to_json(made->record, context.edge.options.time.wall());
  payload["key"] = made->key.reveal();
  auto out = context.answer(payload);
  out.headers.push_back({"Location", "/auth/keys/" + made->record.id});
  co_return std::move(out);
}

awaitable<result<response>> find(request_context& context) {
  auto key = key_in_path(context);
  if (!key)
    co_return key.error();
  co_return shown(context, *key);
}

awaitable<result<response>> change(request_context& context) {
  auto allowed = check_signed_in(context.who());
  if (!allowed)
    co_return allowed.error();
  auto key = key_in_path(context);
  if (!key)
    co_return key.error();
  auto fields = *context.body;
  fields.erase("request_id");
  if (fields.empty())
    co_return fault{errc::invalid_argument, "names nothing to change", "body",
                    "give name, requests_per_minute, tokens_per_minute, budget_per_day or disabled"};
  const auto now = context.edge.options.time.wall();
  api_key_directory::edit edit = [fields = std::move(fields), now](api_key_record& record) {
    return read_api_key_fields(fields, now, record);
  };
  auto changed = co_await context.edge.auth.keys().change(key->id, std::move(edit));
  if (!changed)
    co_return changed.error();
  co_return shown(context, *changed);
}

awaitable<result<response>> remove(request_context& context) {
  const auto& who = context.who();
  auto key = key_in_path(context);
  if (!key)
    co_return key.error();
  // A key may end itself, so that whoever finds one that leaked can do so at once.
  if (who.api_key != key->id) {
    auto allowed = check_signed_in(who);
    if (!allowed)
      co_return allowed.error();
  }
  auto done = co_await context.edge.auth.keys().remove(key->id);
  if (!done)
    co_return done.error();
  co_return context.answer({{"status", "deleted"}, {"message", "API key removed"}});
}

void add_schemas(schema_set& schemas) {
  schemas.add("NewApiKey", R"({
    "type": "object", "additionalProperties": false,
    "properties": {
      "name": {"type": "string", "minLength": 1, "maxLength": 64, "description": "Says where the key is used.", "examples": ["nightly runs"]},
      "user": {"type": "string", "maxLength": 64, "description": "Whose key; for administrators. Default: the caller's own."},
      "permissions": {"type": ["array", "null"], "minItems": 1, "maxItems": 32, "items": {"type": "string"}, "description": "What the key may do at most; null means all that its user may at that moment.", "examples": [["evaluation:create", "evaluation:read"]]},
      "expires_at": {"type": ["string", "null"], "maxLength": 64, "format": "date-time"},
      "requests_per_minute": {"type": ["integer", "null"], "minimum": 1, "maximum": 1000000000},
      "tokens_per_minute": {"type": ["integer", "null"], "minimum": 1, "maximum": 1000000000},
      "budget_per_day": {"type": ["number", "null"], "minimum": 0, "maximum": 1000000000, "description": "Dollars, a day in UTC."},
      "request_id": {"type": "string", "minLength": 1, "maxLength": 128}
    },
    "required": ["name"]
  })");
  schemas.add("ApiKeyChange", R"({
    "type": "object", "additionalProperties": false,
    "properties": {
      "name": {"type": "string", "minLength": 1, "maxLength": 64},
      "requests_per_minute": {"type": ["integer", "null"], "minimum": 1, "maximum": 1000000000, "description": "null takes the limit away."},
      "tokens_per_minute": {"type": ["integer", "null"], "minimum": 1, "maximum": 1000000000},
      "budget_per_day": {"type": ["number", "null"], "minimum": 0, "maximum": 1000000000},
      "disabled": {"type": "boolean"},
      "request_id": {"type": "string", "minLength": 1, "maxLength": 128}
    }
  })");
  constexpr std::string_view properties = R"(
      "id": {"type": "string", "examples": ["0123456789ab"]},
      "prefix": {"type": "string", "description": "How the key begins.", "examples": ["sk-assay-0123456789ab"]},
      "name": {"type": "string"},
      "user": {"type": "string"},
      "permissions": {"type": ["array", "null"], "items": {"type": "string"}},
      "created_at": {"type": "string", "format": "date-time"},
      "last_used_at": {"type": ["string", "null"], "format": "date-time"},
      "expires_at": {"type": ["string", "null"], "format": "date-time"},
      "requests_per_minute": {"type": ["integer", "null"]},
      "tokens_per_minute": {"type": ["integer", "null"]},
      "budget_per_day": {"type": ["number", "null"], "description": "Dollars."},
      "disabled": {"type": "boolean"},
      "expired": {"type": "boolean"})";
  constexpr std::string_view required =
      R"("id", "prefix", "name", "user", "permissions", "created_at", "last_used_at", "expires_at",
      "requests_per_minute", "tokens_per_minute", "budget_per_day", "disabled", "expired")";
  schemas.add("ApiKey", R"({"type": "object", "properties": {)" + std::string(properties)
                            + R"(}, "required": [)" + std::string(required) + "]}");
  schemas.add("CreatedApiKey",
              R"({"type": "object", "properties": {)" + std::string(properties)
                  + R"(, "key": {"type": "string", "description": "The key itself, shown only here."}}, )"
                  + R"("required": ["key", )" + std::string(required) + "]}");
  schemas.add("ApiKeyList", R"({
    "type": "object",
    "properties": {
      "items": {"type": "array", "items": {"$ref": "#/components/schemas/ApiKey"}}, "total": {"type": "integer"}
    },
    "required": ["items", "total"]
  })");
}

route declared(http_method method, const char* path, const char* summary, route_handler handler) {
  route out;
  out.method = method;
  out.path = path;
  out.access = route_access::any_caller;
  out.tag = "auth";
  out.summary = summary;
  out.handler = std::move(handler);
  out.body_limit = key_body_limit;
  return out;
}

} // namespace

void add_api_key_routes(route_table& table) {
  add_schemas(table.schemas());

  auto one = declared(http_method::get, "/auth/keys", "API keys", &list);
  one.details = "One's own; administrators name a user, or * for the keys of everybody.";
  query_parameter user;
  user.name = "user";
  user.summary = "Whose keys; * means everybody's";
  user.longest = 64;
  one.query = {user};
  one.response_schema = "ApiKeyList";
  table.add(std::move(one));

  one = declared(http_method::post, "/auth/keys", "Make an API key", &create);
  one.details =
      "The answer shows the key, once. It is sent as Authorization: Bearer, x-api-key or api-key. Limits "
      "are answered with 429 and Retry-After.";
  one.request_schema = "NewApiKey";
  one.response_schema = "CreatedApiKey";
  one.success = 201;
  table.add(std::move(one));

  one = declared(http_method::get, "/auth/keys/{id}", "One API key", &find);
  one.response_schema = "ApiKey";
  table.add(std::move(one));

  one = declared(http_method::patch, "/auth/keys/{id}", "Change name and limits, or disable and enable",
                 &change);
  one.request_schema = "ApiKeyChange";
  one.response_schema = "ApiKey";
  table.add(std::move(one));

  one = declared(http_method::erase, "/auth/keys/{id}", "Remove an API key", &remove);
  one.details = "It is refused from now on, and its WebSockets are closed.";
  one.response_schema = "Message";
  table.add(std::move(one));
}

} // namespace assay::server
