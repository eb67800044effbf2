#include "server/request_context.hpp"
#include "server/routes/families.hpp"
#include "server/routes/shared.hpp"
#include "server/services.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <optional>

namespace assay::server {

namespace {

using json = nlohmann::json;
template <class T>
using awaitable = boost::asio::awaitable<T>;

/// Left out of results unless include_details is given: large, and in GET /results/{id}/samples too.
constexpr std::string_view detail_keys[] = {"output", "samples", "details"};

void drop_details(json& document) {
  if (!document.contains("task_results"))
    return;
  for (auto& task : document["task_results"])
    if (task.is_object())
      for (const auto key : detail_keys)
        // A number of samples is no detail.
        if (const auto detail = task.find(key); detail != task.end() && !detail->is_number())
          task.erase(detail);
}

// -- results --------------------------------------------------------------------------------------------

awaitable<result<response>> find(request_context& context) {
  auto id = run_id_in_path(context);
  if (!id)
    co_return id.error();
  auto run = readable_run(context, *id);
  if (!run)
    co_return run.error();
  auto read = [run = *id](storage::snapshot& view) { return view.find_result(run); };
  auto text = co_await context.edge.read_later(std::move(read));
  if (!text)
    co_return text.error();
  if (!*text) {
    const auto state = std::string(to_string(run->state));
    if (is_final(run->state))
      co_return fault{errc::not_found, "the evaluation is " + state + " and has no result", "id",
                      "GET /evaluations/{id} says why; GET /results/{id}/samples has what was answered"};
    co_return fault{errc::conflict, "the evaluation is " + state + "; its result comes when it has completed",
                    "id", "wait for evaluation_completed on /ws"};
  }
  auto document = json::parse(**text, nullptr, false);
  if (!document.is_object())
    co_return fault{errc::store_unreadable, "the stored result cannot be read", {}, "restore a backup"};
  if (!context.flag("include_details"))
    drop_details(document);
  add_output(context, *run, document);
  co_return context.answer(document);
}

// -- the list -------------------------------------------------------------------------------------------

/// How many evaluations one request looks at, and the view of the store that it reads.
constexpr size_t most_looked_at = 1000;

struct result_query {
  std::optional<user_id> owner;
  std::optional<run_id> before;
  std::string model;
  std::string task;
  size_t limit = 20;
  bool details = false;
};

struct result_list {
  json items = json::array();
  std::optional<run_id> next;
};

bool has_task(const json& document, const std::string& wanted) {
  if (wanted.empty())
    return true;
  const auto tasks = document.find("task_results");
  return tasks != document.end() && tasks->is_array()
         && std::any_of(tasks->begin(), tasks->end(), [&](const json& task) {
              return task.is_object() && task.value("task_id", json()) == wanted;
            });
}

result<result_list> read_list(storage::snapshot& view, const result_query& wanted) {
  result_list out;
  storage::run_query query;
  query.owner = wanted.owner;
  query.before = wanted.before;
  query.limit = most_looked_at;
  const auto page = view.list_summaries(query);
  if (!page)
    return page.error();
  for (const auto& run : page->runs) {
    if (out.items.size() == wanted.limit) {
      // The next page begins with this one.
      out.next = run_id{run.run.value + 1};
      return out;
    }
    if (!is_final(run.state) || (!wanted.model.empty() && run.model.value != wanted.model))
      continue;
    const auto text = view.find_result(run.run);
    if (!text)
      return text.error();
    auto document = *text ? json::parse(**text, nullptr, false) : json();
    if (!document.is_object() || !has_task(document, wanted.task))
      continue;
    if (!wanted.details) {
      drop_details(document);
      document.erase("analysis");
    }
    out.items.push_back(std::move(document));
  }
  out.next = page->next;
  return out;
}

awaitable<result<response>> list(request_context& context) {
  result_query wanted;
  if (!context.who().permissions.has(permission::evaluation_read_all))
    wanted.owner = context.who().id;
  if (const auto cursor = context.text("cursor"); !cursor.empty()) {
    wanted.before = run_id_from_string(cursor);
    if (!wanted.before)
      co_return fault{errc::invalid_argument, "is no cursor", "cursor",
                      "take next_cursor of the page before"};
  }
  wanted.model = context.text("model_id");
  wanted.task = context.text("task_id");
  wanted.limit = static_cast<size_t>(context.integer("limit"));
  wanted.details = context.flag("include_details");
  auto read = [wanted](storage::snapshot& view) { return read_list(view, wanted); };
  auto page = co_await context.edge.read_later(std::move(read));
  if (!page)
    co_return page.error();
  const auto next = page->next ? json(to_string(*page->next)) : json(nullptr);
  co_return context.answer({{"items", std::move(page->items)}, {"next_cursor", next}});
}

void add_schemas(schema_set& schemas) {
  schemas.add("Result", R"({
    "type": "object",
    "properties": {
      "evaluation_id": {"type": "string"}, "model_id": {"type": "string"},
      "task_results": {
        "type": "array",
        "items": {
          "type": "object",
          "properties": {
            "task_id": {"type": "string"}, "status": {"type": "string"},
            "score": {"type": ["number", "null"]},
            "metrics": {"type": "object"},
            "agreement": {"type": ["object", "null"], "description": "How far judges agree with each other and with other scorers; null where the task has no judge beside another."},
            "execution_time": {"type": ["number", "null"], "description": "Seconds on the clock from its first call to its last answer."},
            "output": {"type": ["string", "null"], "description": "With include_details."},
            "error_message": {"type": ["string", "null"]}
          }
        }
      },
      "summary_metrics": {
        "type": "object",
        "properties": {
          "overall_score": {"type": ["number", "null"], "description": "Plain mean of the tasks' scores."},
          "average_execution_time": {"type": ["number", "null"], "description": "Seconds; mean over the tasks."}
        }
      },
      "completed_at": {"type": ["string", "null"], "format": "date-time"},
      "execution_time": {"type": ["number", "null"], "description": "Seconds."},
      "output": {"$ref": "#/components/schemas/Output"}
    },
    "required": ["evaluation_id", "model_id", "task_results", "summary_metrics", "completed_at", "execution_time"]
  })");
  schemas.add("ResultList", R"({
    "type": "object",
    "properties": {
      "items": {"type": "array", "items": {"$ref": "#/components/schemas/Result"}},
      "next_cursor": {"type": ["string", "null"], "description": "cursor of the next page; null on the last one."}
    },
    "required": ["items", "next_cursor"]
  })");
}

query_parameter text(const char* name, const char* summary) {
  query_parameter out;
  out.name = name;
  out.summary = summary;
  return out;
}

query_parameter flag(const char* name, const char* summary) {
  query_parameter out;
  out.name = name;
  out.type = parameter_type::flag;
  out.summary = summary;
  out.fallback = "false";
  return out;
}

} // namespace

void add_result_routes(route_table& table) {
  add_schemas(table.schemas());

  route one;
  one.path = "/results/{id}";
  one.tag = "results";
  one.summary = "The result of a completed evaluation";
  one.details = "409 while it runs, 404 when it ended without a result.";
  one.response_schema = "Result";
  one.handler = &find;
  one.query = {flag("include_details", "With outputs")};
  table.add(std::move(one));

  route all;
  all.path = "/results";
  all.tag = "results";
  all.summary = "The results of evaluations that have ended, newest first";
  all.details =
      "A request looks at 1,000 evaluations at most: its page may be short and still have a next_cursor.";
  all.response_schema = "ResultList";
  all.handler = &list;
  all.query = {
      query_parameter{"limit", parameter_type::integer, "Results on a page", "20", 1, 100, {}, 256, false},
      text("cursor", "next_cursor of the page before"), text("model_id", "Only of this model"),
      text("task_id", "Only those with this task"), flag("include_details", "With outputs and analysis")};
  table.add(std::move(all));
}

} // namespace assay::server
