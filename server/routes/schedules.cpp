#include "server/request_context.hpp"
#include "server/routes/families.hpp"
#include "server/routes/shared.hpp"
#include "server/services.hpp"

#include <nlohmann/json.hpp>

#include <charconv>
#include <utility>

namespace assay::server {

namespace {

using json = nlohmann::json;
template <class T>
using awaitable = boost::asio::awaitable<T>;

/// `"3"`, `3` or `W/"3"`; `*` and none mean any version.
result<std::optional<uint64_t>> wanted_version(const request_context& context) {
  auto text = context.http.header("If-Match");
  if (text.empty() || text == "*")
    return std::optional<uint64_t>{};
  if (text.starts_with("W/"))
    text.remove_prefix(2);
  if (text.size() >= 2 && text.front() == '"' && text.back() == '"')
    text = text.substr(1, text.size() - 2);
  uint64_t out = 0;
  const auto [end, wrong] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (wrong != std::errc{} || end != text.data() + text.size())
    return fault{errc::invalid_argument, "is no version", "If-Match", "send the ETag of the last answer"};
  return std::optional<uint64_t>{out};
}

result<ask_schedule> question(const request_context& context, schedule_verb verb) {
  ask_schedule out;
  out.verb = verb;
  if (const auto id = context.path.find("id"); id != context.path.end())
    out.schedule = id->second;
  out.who = context.who().id;
  out.api_key = context.who().api_key;
  out.key_budget = context.who().key_budget;
  out.sees_all = context.who().permissions.has(permission::evaluation_read_all);
  out.changes_all = context.who().is_admin();
  auto version = wanted_version(context);
  if (!version)
    return version.error();
  out.version = *version;
  return out;
}

awaitable<result<response>> pass_on(request_context& context, schedule_verb verb, bool with_body) {
  const bool starts_runs = verb == schedule_verb::create || verb == schedule_verb::update
                           || verb == schedule_verb::resume || verb == schedule_verb::run_now;
  if (auto refused = refuse_uncounted_calls(context); refused && starts_runs)
    co_return *refused;
  auto asked = question(context, verb);
  if (!asked)
    co_return asked.error();
  if (with_body)
    asked->body = context.body->dump(-1, ' ', false, json::error_handler_t::replace);
  auto heard = co_await context.edge.farm.ask_schedules(std::move(*asked));
  if (!heard)
    co_return heard.error();
  const auto shown = json::parse(heard->text, nullptr, false);
  if (shown.is_discarded())
    co_return fault{errc::internal, "what is known of the schedule is not JSON", {}, {}};
  auto out = context.answer(shown);
  if (heard->version > 0)
    out.headers.push_back({"ETag", "\"" + std::to_string(heard->version) + "\""});
  co_return out;
}

awaitable<result<response>> create(request_context& context) {
  co_return co_await pass_on(context, schedule_verb::create, true);
}

awaitable<result<response>> update(request_context& context) {
  co_return co_await pass_on(context, schedule_verb::update, true);
}

/// Verbs without a body.
template <schedule_verb Verb>
awaitable<result<response>> plain(request_context& context) {
  co_return co_await pass_on(context, Verb, false);
}

awaitable<result<response>> list(request_context& context) {
  auto asked = question(context, schedule_verb::list);
  if (!asked)
    co_return asked.error();
  auto heard = co_await context.edge.farm.ask_schedules(std::move(*asked));
  if (!heard)
    co_return heard.error();
  const auto all = json::parse(heard->text, nullptr, false);
  if (!all.is_array())
    co_return fault{errc::internal, "the list of schedules is not JSON", {}, {}};
  const auto limit = static_cast<size_t>(context.integer("limit"));
  const auto page = static_cast<size_t>(context.integer("page"));
  json items = json::array();
  for (size_t i = (page - 1) * limit; i < all.size() && items.size() < limit; ++i)
    items.push_back(all[i]);
  co_return context.answer(
      {{"items", std::move(items)}, {"total", all.size()}, {"page", page}, {"page_size", limit}});
}

void add_schemas(schema_set& schemas) {
  schemas.add("NewSchedule", R"({
    "type": "object",
    "properties": {
      "schedule_id": {"type": "string", "examples": ["nightly"]}, "description": {"type": ["string", "null"]},
      "cron": {"type": "string", "description": "minute hour day-of-month month day-of-week", "examples": ["30 2 * * mon-fri"]},
      "timezone": {"type": ["string", "null"], "description": "UTC or an offset such as +02:00.", "default": "UTC"},
      "evaluation": {"type": "object", "additionalProperties": true, "description": "The body of POST /evaluations."},
      "enabled": {"type": "boolean", "default": true}, "request_id": {"type": "string"}
    },
    "required": ["schedule_id", "cron", "evaluation"]
  })");
  schemas.add("ScheduleChange", R"({
    "type": "object",
    "description": "What is not named stays.",
    "properties": {
      "schedule_id": {"type": "string"}, "description": {"type": ["string", "null"]}, "cron": {"type": "string"},
      "timezone": {"type": ["string", "null"]}, "evaluation": {"type": "object", "additionalProperties": true},
      "enabled": {"type": "boolean"}, "request_id": {"type": "string"}
    }
  })");
  schemas.add("Schedule", R"({
    "type": "object",
    "properties": {
      "schedule_id": {"type": "string"}, "description": {"type": "string"}, "cron": {"type": "string"},
      "timezone": {"type": "string"}, "evaluation": {"type": "object"}, "enabled": {"type": "boolean"},
      "owner": {"type": "string"}, "version": {"type": "integer"},
      "created_at": {"type": "string", "format": "date-time"}, "next_at": {"type": ["string", "null"]},
      "last": {"type": ["object", "null"]},
      "history": {"type": "array", "items": {"type": "object"}, "description": "Its last 50 runs, the newest first: due_at, evaluation_id, error, by_hand."}
    },
    "required": ["schedule_id", "cron", "timezone", "enabled", "version"]
  })");
  schemas.add("ScheduleList", R"({
    "type": "object",
    "properties": {
      "items": {"type": "array", "items": {"$ref": "#/components/schemas/Schedule"}},
      "total": {"type": "integer"}, "page": {"type": "integer"}, "page_size": {"type": "integer"}
    },
    "required": ["items", "total"]
  })");
  schemas.add("ScheduleDeleted", R"({
    "type": "object",
    "properties": {"schedule_id": {"type": "string"}, "deleted": {"type": "boolean"}},
    "required": ["schedule_id", "deleted"]
  })");
}

route declared(http_method method, std::string path, const char* summary, const char* schema,
               permission needs, route_handler handler) {
  route out;
  out.method = method;
  out.path = std::move(path);
  out.needs = needs;
  out.tag = "schedules";
  out.summary = summary;
  out.response_schema = schema;
  out.handler = std::move(handler);
  return out;
}

route change(http_method method, std::string path, const char* summary, const char* schema, permission needs,
             route_handler handler) {
  auto out = declared(method, std::move(path), summary, schema, needs, std::move(handler));
  out.header_parameters = {"If-Match"};
  out.details = "Answers when it is durable. With a stale If-Match nothing is changed.";
  return out;
}

} // namespace

void add_schedule_routes(route_table& table) {
  add_schemas(table.schemas());
  auto one = declared(http_method::post, "/schedules", "Have an evaluation recur", "Schedule",
                      permission::evaluation_create, &create);
  one.details =
      "Each time becomes one evaluation of who made the schedule. Times that pass while the farm is "
      "away become one together.";
  one.request_schema = "NewSchedule";
  one.success = 201;
  table.add(std::move(one));

  one = declared(http_method::get, "/schedules", "Schedules, by id", "ScheduleList",
                 permission::evaluation_read, &list);
  one.query = paging_parameters();
  table.add(std::move(one));

  table.add(declared(http_method::get, "/schedules/{id}", "One schedule with its history", "Schedule",
                     permission::evaluation_read, &plain<schedule_verb::show>));

  one = change(http_method::put, "/schedules/{id}", "Change a schedule", "Schedule",
               permission::evaluation_create, &update);
  one.request_schema = "ScheduleChange";
  table.add(std::move(one));

  table.add(change(http_method::erase, "/schedules/{id}", "Remove a schedule; its evaluations stay",
                   "ScheduleDeleted", permission::evaluation_manage, &plain<schedule_verb::erase>));
  table.add(change(http_method::post, "/schedules/{id}/pause", "Pause a schedule", "Schedule",
                   permission::evaluation_manage, &plain<schedule_verb::pause>));
  table.add(change(http_method::post, "/schedules/{id}/resume", "Go on with a schedule", "Schedule",
                   permission::evaluation_manage, &plain<schedule_verb::resume>));
  table.add(change(http_method::post, "/schedules/{id}/run", "Run a schedule's evaluation now", "Schedule",
                   permission::evaluation_create, &plain<schedule_verb::run_now>));
}

} // namespace assay::server
