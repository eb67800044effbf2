#include "core/reports/analytics.hpp"
#include "server/request_context.hpp"
#include "server/routes/families.hpp"
#include "server/routes/shared.hpp"
#include "server/services.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace assay::server {

namespace {

using json = nlohmann::json;
template <class T>
using awaitable = boost::asio::awaitable<T>;

/// Results that one view of the store reads: it lives two seconds.
constexpr size_t runs_a_view = 100;

struct analytics_query {
  std::optional<user_id> owner;
  std::string model;
  std::string task;
  size_t most = 500;
};

struct gathered_runs {
  std::vector<reports::run_point> runs;
  bool more = false; ///< Older ones were not looked at.
};

bool has_task(const reports::run_point& run, const std::string& task) {
  return task.empty()
         || std::any_of(run.tasks.begin(), run.tasks.end(), [&](const auto& t) { return t.task == task; });
}

/// Newest first. Blocks.
result<gathered_runs> gather(const std::shared_ptr<storage::store>& store, const analytics_query& wanted) {
  gathered_runs out;
  storage::run_query query;
  query.owner = wanted.owner;
  query.state = run_state::completed;
  query.limit = runs_a_view;
  size_t looked_at = 0;
  do {
    auto view = storage::snapshot::open(store);
    if (!view)
      return view.error();
    const auto page = view->list_summaries(query);
    if (!page)
      return page.error();
    for (const auto& one : page->runs) {
      if (!wanted.model.empty() && one.model.value != wanted.model)
        continue;
      const auto document = view->find_result(one.run);
      if (!document)
        return document.error();
      if (!*document)
        continue;
      auto point = reports::run_point_of(one.run, **document);
      if (point && has_task(*point, wanted.task))
        out.runs.push_back(std::move(*point));
    }
    looked_at += page->runs.size();
    query.before = page->next;
  } while (query.before && looked_at < wanted.most);
  out.more = query.before.has_value();
  return out;
}

analytics_query query_in(const request_context& context) {
  analytics_query out;
  if (!context.who().permissions.has(permission::evaluation_read_all))
    out.owner = context.who().id;
  out.model = context.text("model_id");
  out.task = context.text("task_id");
  out.most = static_cast<size_t>(context.integer("runs"));
  return out;
}

using presenter = json (*)(const std::vector<reports::run_point>& runs, const std::string& task);

json present_models(const std::vector<reports::run_point>& runs, const std::string&) {
  return reports::models_json(runs);
}

json present_tasks(const std::vector<reports::run_point>& runs, const std::string& task) {
  auto all = reports::tasks_json(runs);
  if (task.empty())
    return all;
  auto out = json::array();
  for (auto& one : all)
    if (one["task_id"] == task)
      out.push_back(std::move(one));
  return out;
}

awaitable<result<response>> answer(request_context& context, presenter present) {
  auto wanted = query_in(context);
  auto work = [store = context.edge.store, wanted] { return gather(store, wanted); };
  auto found = co_await context.edge.readers.run(std::move(work));
  if (!found)
    co_return found.error();
  co_return context.answer(
      {{"items", present(found->runs, wanted.task)}, {"runs", found->runs.size()}, {"more", found->more}});
}

route_handler handler_of(presenter present) {
  return [present](request_context& context) { return answer(context, present); };
}

void add_schemas(schema_set& schemas) {
  schemas.add("Analytics", R"({
    "type": "object",
    "properties": {
      "items": {"type": "array", "items": {"type": "object"}},
      "runs": {"type": "integer", "description": "Completed evaluations that count here."},
      "more": {"type": "boolean", "description": "Older evaluations were not looked at."}
    },
    "required": ["items", "runs", "more"]
  })");
}

query_parameter text(const char* name, const char* summary) {
  query_parameter out;
  out.name = name;
  out.summary = summary;
  return out;
}

void add(route_table& table, const char* path, const char* summary, presenter present) {
  route out;
  out.path = path;
  out.needs = permission::analytics_read;
  out.tag = "analytics";
  out.summary = summary;
  out.details = "Of completed evaluations: one's own, or everybody's for those who may see them.";
  out.response_schema = "Analytics";
  out.handler = handler_of(present);
  out.query = {text("model_id", "Only this model"), text("task_id", "Only evaluations with this task"),
               query_parameter{"runs",
                               parameter_type::integer,
                               "How many evaluations to look at, newest first",
                               "500",
                               1,
                               5000,
                               {},
                               256,
                               false}};
  table.add(std::move(out));
}

} // namespace

void add_analytics_routes(route_table& table) {
  add_schemas(table.schemas());
  add(table, "/analytics/models", "Scores, times and costs by model", &present_models);
  add(table, "/analytics/tasks", "Scores, times and costs by task", &present_tasks);
  add(table, "/analytics/trends", "Scores over time by model", &reports::trends_json);
}

} // namespace assay::server
