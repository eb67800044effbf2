#include "core/reports/test_database.hpp"
#include "server/request_context.hpp"
#include "server/routes/families.hpp"
#include "server/routes/shared.hpp"
#include "server/services.hpp"
#include "storage/test_counts.hpp"

#include <nlohmann/json.hpp>

#include <string_view>

namespace assay::server {

namespace {

using json = nlohmann::json;
template <class T>
using awaitable = boost::asio::awaitable<T>;

/// "a,b" as words.
std::vector<std::string> list_in(const request_context& context, const char* name) {
  std::vector<std::string> out;
  std::string word;
  for (const char c : std::string(context.text(name)) + ",") {
    if (c != ',') {
      word += c;
      continue;
    }
    if (!word.empty())
      out.push_back(std::move(word));
    word.clear();
  }
  return out;
}

reports::test_query query_in(const request_context& context) {
  reports::test_query out;
  if (!context.who().permissions.has(permission::evaluation_read_all))
    out.owner = context.who().id;
  out.models = list_in(context, "model");
  out.providers = list_in(context, "provider");
  out.tasks = list_in(context, "task");
  out.task_types = list_in(context, "task_type");
  out.prompt_types = list_in(context, "prompt_type");
  out.difficulties = list_in(context, "difficulty");
  return out;
}

enum class database_view : uint8_t { statistics, rows, file };

/// Of its own type, since json converts from faults too.
struct shown_database {
  json value;
};

/// Blocks.
result<shown_database> read_view(const std::shared_ptr<storage::store>& store,
                                 const reports::test_query& query, database_view view, wall_time now) {
  auto sources = storage::read_counts(store);
  if (!sources)
    return sources.error();
  reports::test_database database;
  for (auto& source : *sources)
    database.add(std::move(source));
  shown_database out;
  switch (view) {
  case database_view::statistics:
    out.value = database.statistics(query);
    break;
  case database_view::rows:
    out.value["items"] = database.rows(query);
    out.value["by"] = query.by;
    break;
  case database_view::file:
    out.value = database.master_database(now, query);
    break;
  }
  return out;
}

awaitable<result<response>> answer(request_context& context, database_view view) {
  auto query = query_in(context);
  if (view == database_view::rows) {
    query.by = list_in(context, "by");
    if (auto good = reports::check_query(query); !good)
      co_return good.error();
  }
  auto work = [store = context.edge.store, query = std::move(query), view, now = wall_now()] {
    return read_view(store, query, view, now);
  };
  auto found = co_await context.edge.readers.run(std::move(work));
  if (!found)
    co_return found.error();
  co_return context.answer(found->value);
}

route_handler handler_of(database_view view) {
  return [view](request_context& context) { return answer(context, view); };
}

void add_schemas(schema_set& schemas) {
  schemas.add("TestFigures", R"({
    "type": "object",
    "properties": {
      "total": {"type": "integer"}, "success": {"type": "integer", "description": "Full and partial ones."},
      "full_success": {"type": "integer", "description": "Score 1."},
      "partial_success": {"type": "integer", "description": "Score above 0 and below 1."},
      "failure": {"type": "integer"}, "success_rate": {"type": ["number", "null"]},
      "mean_score": {"type": ["number", "null"]},
      "avg_execution_time": {"type": ["number", "null"], "description": "Seconds."},
      "cost": {"type": ["number", "null"], "description": "Dollars; null while no price is known."}
    },
    "required": ["total", "success", "full_success", "partial_success", "failure"]
  })");
  schemas.add("DatabaseStatistics", R"({
    "type": "object",
    "properties": {
      "summary": {"type": "object", "properties": {"total_tests": {"type": "integer"}, "runs": {"type": "integer"}}},
      "overall_stats": {"$ref": "#/components/schemas/TestFigures"},
      "by_model": {"type": "object"}, "by_task_type": {"type": "object"}, "by_task": {"type": "object"},
      "by_prompt_type": {"type": "object"}, "by_difficulty": {"type": "object"}
    },
    "required": ["summary", "overall_stats"]
  })");
  schemas.add("DatabaseRows", R"({
    "type": "object",
    "properties": {
      "items": {"type": "array", "items": {"$ref": "#/components/schemas/TestFigures"}},
      "by": {"type": "array", "items": {"type": "string"}}
    },
    "required": ["items", "by"]
  })");
  schemas.add("MasterDatabase", R"({
    "type": "object",
    "properties": {
      "version": {"type": "string"}, "created_at": {"type": "string"}, "last_updated": {"type": "string"},
      "models": {"type": "object"}, "test_groups": {"type": "object"}, "summary": {"type": "object"}
    },
    "required": ["version", "models", "summary"]
  })");
}

query_parameter text(const char* name, const char* summary) {
  query_parameter out;
  out.name = name;
  out.summary = summary;
  return out;
}

route base(const char* path, const char* summary, const char* schema, database_view view) {
  route out;
  out.path = path;
  out.needs = permission::analytics_read;
  out.tag = "database";
  out.summary = summary;
  out.details =
      "Over all runs that have ended: one's own, or everybody's for those who may see them. Lists of "
      "words have commas.";
  out.response_schema = schema;
  out.query = {text("model", "Only these models"),
               text("provider", "Only these providers"),
               text("task", "Only these tasks"),
               text("task_type", "Only these task types"),
               text("prompt_type", "Only these prompt types"),
               text("difficulty", "Only these difficulties; easy, medium and hard are understood")};
  out.handler = handler_of(view);
  return out;
}

} // namespace

void add_test_database_routes(route_table& table) {
  add_schemas(table.schemas());
  table.add(base("/database/stats", "Totals and success levels by model, task type, prompt type, difficulty",
                 "DatabaseStatistics", database_view::statistics));
  auto query =
      base("/database/query", "Rows of tests, grouped as wanted", "DatabaseRows", database_view::rows);
  query.query.push_back(
      text("by", "Columns: model, provider, task, task_type, prompt_type, difficulty; none: one total"));
  table.add(std::move(query));
  table.add(base("/database/export", "The database in the form of master_database.json", "MasterDatabase",
                 database_view::file));
}

} // namespace assay::server
