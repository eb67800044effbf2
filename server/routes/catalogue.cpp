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

std::shared_ptr<const catalogue> current(const request_context& context) {
  auto found = context.edge.options.current_catalogue ? context.edge.options.current_catalogue() : nullptr;
  return found ? found : std::make_shared<const catalogue>();
}

bool belongs_to(const task_summary& task, const request_context& context, const std::string& difficulty) {
  const auto category = context.text("category");
  const auto language = context.text("language");
  const auto tag = context.text("tag");
  const auto lists = [](const std::vector<std::string>& words, const std::string& word) {
    return word.empty() || std::find(words.begin(), words.end(), word) != words.end();
  };
  return (category.empty() || task.category == category)
         && (difficulty.empty() || task.difficulty == difficulty) && lists(task.languages, language)
         && lists(task.tags, tag);
}

awaitable<result<response>> list_tasks(request_context& context) {
  const auto all = current(context);
  const auto asked = context.text("difficulty");
  const auto difficulty = canonical_difficulty(asked);
  if (!asked.empty() && difficulty.empty())
    co_return fault{errc::invalid_argument, "is no difficulty", "difficulty",
                    "beginner, intermediate or advanced (also easy, medium, hard)"};
  const auto limit = static_cast<size_t>(context.integer("limit"));
  const auto first = static_cast<size_t>(context.integer("page") - 1) * limit;
  auto items = json::array();
  size_t total = 0;
  for (const auto& task : all->tasks)
    if (belongs_to(task, context, difficulty)) {
      if (total >= first && items.size() < limit)
        items.push_back(task);
      ++total;
    }
  co_return context.answer({{"items", std::move(items)},
                            {"total", total},
                            {"page", context.integer("page")},
                            {"page_size", limit}});
}

awaitable<result<response>> find_task(request_context& context) {
  const auto all = current(context);
  const task_id id{context.path_value("id")};
  const auto it = std::find_if(all->tasks.begin(), all->tasks.end(),
                               [&](const task_summary& one) { return one.id == id; });
  if (it == all->tasks.end())
    co_return fault{errc::not_found, "there is no task '" + id.value + "'", "id", "GET /tasks lists them"};
  json out = *it;
  if (const auto details = all->task_details.find(id); details != all->task_details.end())
    if (auto more = json::parse(details->second, nullptr, false); more.is_object())
      out.update(more);
  co_return context.answer(out);
}

awaitable<result<response>> list_models(request_context& context) {
  const auto all = current(context);
  const auto provider = context.text("provider");
  auto items = json::array();
  for (const auto& model : all->models)
    if (provider.empty() || model.provider.value == provider)
      items.push_back(model);
  co_return context.answer(items);
}

awaitable<result<response>> find_model(request_context& context) {
  const auto all = current(context);
  const model_id id{context.path_value("id")};
  const auto it = std::find_if(all->models.begin(), all->models.end(),
                               [&](const model_profile& one) { return one.id == id; });
  if (it != all->models.end())
    co_return context.answer(json(*it));
  if (all->unlisted_model)
    if (const auto unlisted = all->unlisted_model(id)) {
      json out = unlisted->model;
      if (!unlisted->unavailable.empty())
        out["unavailable"] = unlisted->unavailable;
      co_return context.answer(out);
    }
  co_return fault{errc::not_found, "there is no model '" + id.value + "'", "id",
                  "GET /models lists those that can be evaluated now"};
}

void add_schemas(schema_set& schemas) {
  schemas.add("Task", R"({
    "type": "object",
    "properties": {
      "task_id": {"type": "string"}, "name": {"type": "string"},
      "category": {"type": "string", "examples": ["single_turn"]},
      "difficulty": {"type": "string", "enum": ["beginner", "intermediate", "advanced"]},
      "task_type": {"type": "string", "examples": ["code", "reasoning"]},
      "description": {"type": "string"},
      "languages": {"type": "array", "items": {"type": "string"}},
      "tags": {"type": "array", "items": {"type": "string"}},
      "estimated_duration": {"type": "integer", "description": "Seconds."}
    },
    "required": ["task_id", "name", "category", "difficulty", "description", "languages", "tags", "estimated_duration"]
  })");
  schemas.add("TaskList", R"({
    "type": "object",
    "properties": {
      "items": {"type": "array", "items": {"$ref": "#/components/schemas/Task"}},
      "total": {"type": "integer"}, "page": {"type": "integer"}, "page_size": {"type": "integer"}
    },
    "required": ["items", "total", "page", "page_size"]
  })");
  schemas.add("Model", R"({
    "type": "object",
    "properties": {
      "model_id": {"type": "string"}, "name": {"type": "string"}, "provider": {"type": "string"},
      "version": {"type": "string"},
      "capabilities": {"type": "array", "items": {"type": "string"}},
      "supported_tasks": {"type": "array", "items": {"type": "string"}},
      "rate_limits": {"type": "object"},
      "cost_per_token": {"type": ["number", "null"], "description": "Dollars for one input token; null when unknown."},
      "unavailable": {"type": "string", "description": "Why the model cannot be evaluated now; only there when it cannot, and never in the list."}
    },
    "required": ["model_id", "name", "provider", "capabilities", "supported_tasks", "rate_limits", "cost_per_token"]
  })");
  schemas.add("ModelList", R"({"type": "array", "items": {"$ref": "#/components/schemas/Model"}})");
}

route declared(const char* path, permission needs, const char* tag, const char* summary, const char* schema,
               route_handler handler) {
  route out;
  out.path = path;
  out.needs = needs;
  out.tag = tag;
  out.summary = summary;
  out.response_schema = schema;
  out.handler = std::move(handler);
  return out;
}

query_parameter filter(const char* name, const char* summary) {
  query_parameter out;
  out.name = name;
  out.summary = summary;
  return out;
}

} // namespace

void add_catalogue_routes(route_table& table) {
  add_schemas(table.schemas());

  auto one = declared("/tasks", permission::tasks_read, "tasks", "Tasks that can be evaluated", "TaskList",
                      &list_tasks);
  one.query = paging_parameters();
  one.query.push_back(filter("category", "Only this category: single_turn, multi_turn, ..."));
  one.query.push_back(
      filter("difficulty", "Only this difficulty: beginner, intermediate, advanced (or easy, medium, hard)"));
  one.query.push_back(filter("language", "Only tasks in this programming language"));
  one.query.push_back(filter("tag", "Only tasks with this tag"));
  table.add(std::move(one));

  table.add(declared("/tasks/{id}", permission::tasks_read, "tasks", "One task", "Task", &find_task));

  one = declared("/models", permission::models_read, "models", "Models that can be evaluated", "ModelList",
                 &list_models);
  one.query.push_back(filter("provider", "Only models of this provider"));
  table.add(std::move(one));

  one = declared("/models/{id}", permission::models_read, "models", "One model", "Model", &find_model);
  one.details =
      "Whatever POST /evaluations takes as model_id, listed or not: sim-p70, an alias, provider/name (with "
      "%2F for the slash). A known model whose provider has no key says so in unavailable.";
  table.add(std::move(one));
}

} // namespace assay::server
