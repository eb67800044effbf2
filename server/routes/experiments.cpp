#include "core/experiments/plan.hpp"
#include "core/reports/experiment_report.hpp"
#include "server/request_context.hpp"
#include "server/routes/families.hpp"
#include "server/routes/shared.hpp"
#include "server/services.hpp"
#include "storage/experiment_reader.hpp"

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

/// The question with who asks it.
result<ask_experiment> question(const request_context& context, experiment_verb verb) {
  ask_experiment out;
  out.verb = verb;
  if (const auto id = context.path.find("id"); id != context.path.end())
    out.experiment = id->second;
  out.who = context.who().id;
  out.sees_all = context.who().permissions.has(permission::evaluation_read_all);
  out.changes_all = context.who().is_admin();
  auto version = wanted_version(context);
  if (!version)
    return version.error();
  out.version = *version;
  return out;
}

awaitable<result<experiment_answer>> heard(request_context& context, experiment_verb verb,
                                           std::string body = {}) {
  const bool starts_runs =
      verb == experiment_verb::create || verb == experiment_verb::resume || verb == experiment_verb::retry;
  if (auto refused = refuse_uncounted_calls(context); refused && starts_runs)
    co_return *refused;
  auto asked = question(context, verb);
  if (!asked)
    co_return asked.error();
  asked->body = std::move(body);
  asked->api_key = context.who().api_key;
  asked->key_budget = context.who().key_budget;
  co_return co_await context.edge.farm.ask_experiments(std::move(*asked));
}

awaitable<result<response>> pass_on(request_context& context, experiment_verb verb, std::string body = {},
                                    unsigned status = 0) {
  auto told = co_await heard(context, verb, std::move(body));
  if (!told)
    co_return told.error();
  const auto shown = json::parse(told->text, nullptr, false);
  if (shown.is_discarded())
    co_return fault{errc::internal, "what is known of the experiment is not JSON", {}, {}};
  auto out = context.answer(shown, status);
  if (told->version > 0)
    out.headers.push_back({"ETag", "\"" + std::to_string(told->version) + "\""});
  co_return out;
}

awaitable<result<response>> create(request_context& context) {
  // A mistake is told here, before anybody is asked.
  if (auto plan = experiments::plan_from_json(*context.body); !plan)
    co_return plan.error();
  const auto wish = context.body->find("dry_run");
  bool dry = context.flag("dry_run");
  if (wish != context.body->end() && !wish->is_null()) {
    if (!wish->is_boolean())
      co_return fault{errc::invalid_argument, "must be true or false", "dry_run", {}};
    dry = dry || wish->get<bool>();
  }
  auto body = context.body->dump(-1, ' ', false, json::error_handler_t::replace);
  if (dry)
    co_return co_await pass_on(context, experiment_verb::plan, std::move(body), 200);
  co_return co_await pass_on(context, experiment_verb::create, std::move(body));
}

awaitable<result<response>> list(request_context& context) {
  auto told = co_await heard(context, experiment_verb::list);
  if (!told)
    co_return told.error();
  auto all = json::parse(told->text, nullptr, false);
  if (!all.is_array())
    co_return fault{errc::internal, "the list of experiments is not JSON", {}, {}};
  const auto state = context.text("state");
  json matching = json::array();
  for (auto& one : all)
    if (state.empty() || one.value("state", "") == state)
      matching.push_back(std::move(one));
  const auto limit = static_cast<size_t>(context.integer("limit"));
  const auto page = static_cast<size_t>(context.integer("page"));
  json items = json::array();
  for (size_t i = (page - 1) * limit; i < matching.size() && items.size() < limit; ++i)
    items.push_back(matching[i]);
  co_return context.answer(
      {{"items", std::move(items)}, {"total", matching.size()}, {"page", page}, {"page_size", limit}});
}

template <experiment_verb Verb>
awaitable<result<response>> plain(request_context& context) {
  co_return co_await pass_on(context, Verb);
}

using shared_experiment = std::shared_ptr<const experiments::experiment>;

/// With all its children, if the caller may see it.
awaitable<result<shared_experiment>> readable_experiment(request_context& context) {
  const auto told = co_await heard(context, experiment_verb::show);
  if (!told)
    co_return told.error();
  const auto id = context.path_value("id");
  auto read = [id](storage::snapshot& view) { return storage::find_experiment(view, id); };
  auto found = co_await context.edge.read_later(std::move(read));
  if (!found)
    co_return found.error();
  if (!*found)
    co_return fault{
        errc::not_found, "there is no experiment '" + id + "'", {}, "GET /experiments lists them"};
  co_return std::make_shared<const experiments::experiment>(std::move(**found));
}

awaitable<result<response>> show(request_context& context) {
  const auto found = co_await readable_experiment(context);
  if (!found)
    co_return found.error();
  auto out = context.answer(to_json(**found));
  out.headers.push_back({"ETag", "\"" + std::to_string((*found)->head.version) + "\""});
  co_return out;
}

const char* media_type(reports::report_form form) {
  switch (form) {
  case reports::report_form::json:
    return "application/json";
  case reports::report_form::markdown:
    return "text/markdown; charset=utf-8";
  case reports::report_form::html:
    return "text/html; charset=utf-8";
  case reports::report_form::csv:
    return "text/csv; charset=utf-8";
  }
  return "application/octet-stream";
}

using facts_list = std::vector<std::optional<reports::child_facts>>;

/// Child by child, so that other readers get their turn.
awaitable<result<response>> report(request_context& context) {
  const auto form = reports::report_form_from_string(context.text("format"));
  if (!form)
    co_return fault{errc::invalid_argument, "is no format", "format", {}};
  const auto found = co_await readable_experiment(context);
  if (!found)
    co_return found.error();
  const auto what = *found;
  const auto facts = std::make_shared<facts_list>();
  for (size_t i = 0; i < what->children.size(); ++i) {
    auto read = [store = context.edge.store, what, i] {
      return storage::read_child_facts(store, what->children[i]);
    };
    auto one = co_await context.edge.readers.run(std::move(read));
    if (!one)
      co_return one.error();
    facts->push_back(std::move(*one));
  }
  auto work = [what, facts, now = wall_now(), form = *form]() -> result<std::string> {
    return reports::render_report(reports::experiment_report(*what, *facts, now), form);
  };
  auto text = co_await context.edge.readers.run(std::move(work));
  if (!text)
    co_return text.error();
  response out;
  out.content_type = media_type(*form);
  out.body = std::move(*text);
  if (*form != reports::report_form::json) {
    const auto* ending = *form == reports::report_form::markdown ? ".md"
                         : *form == reports::report_form::html   ? ".html"
                                                                 : ".csv";
    out.headers.push_back({"Content-Disposition", "attachment; filename=\"" + what->head.id + ending + "\""});
  }
  co_return out;
}

void add_schemas(schema_set& schemas) {
  schemas.add("NewExperiment", R"({
    "type": "object",
    "description": "A plan: models x task groups x configurations x prompt types x repeats, one evaluation each. An object with evaluation_plan alone, or an entry of `evaluations` of a configuration file (models, tasks, configuration), is taken too.",
    "properties": {
      "experiment_id": {"type": ["string", "null"], "description": "The caller's own id; drawn when absent."},
      "experiment_name": {"type": ["string", "null"]}, "name": {"type": ["string", "null"]}, "description": {"type": ["string", "null"]},
      "evaluation_plan": {"type": ["object", "null"]},
      "models": {"type": ["array", "null"], "items": {"type": ["string", "object"]}, "description": "Names, or {name, model, model_args}."},
      "task_groups": {"type": ["array", "null"], "items": {"type": "object"}, "description": "{name, tasks, depends_on, priority}"},
      "tasks": {"type": ["array", "null"], "items": {"type": "string"}, "description": "In place of task_groups: one group."},
      "configurations": {"type": ["array", "null"], "items": {"type": "object"}, "description": "{name, temperature, max_tokens, ...}"},
      "configuration": {"type": ["object", "null"], "description": "Settings of every evaluation: limit, num_fewshot, ..."},
      "prompt_types": {"type": ["array", "null"], "items": {"type": "string"}},
      "repeats": {"type": ["integer", "null"], "default": 1},
      "max_parallel": {"type": ["integer", "null"], "description": "Evaluations under way at once.", "default": 4},
      "max_workers": {"type": ["integer", "null"], "description": "The same."},
      "max_cost": {"type": ["number", "null"], "description": "Dollars of all evaluations together."},
      "timeout": {"type": ["number", "null"], "description": "Seconds of one evaluation."},
      "priority": {"type": ["integer", "null"]}, "weight": {"type": ["integer", "null"]},
      "retry": {"type": ["object", "null"], "description": "{attempts, delay}: failed evaluations are started again."},
      "dry_run": {"type": ["boolean", "null"], "description": "Only say what it expands to and what it costs."},
      "request_id": {"type": "string"}
    }
  })");
  schemas.add("Experiment", R"({
    "type": "object",
    "properties": {
      "experiment_id": {"type": "string"}, "experiment_name": {"type": "string"}, "description": {"type": ["string", "null"]},
      "state": {"type": "string", "enum": ["running", "paused", "cancelling", "completed", "failed", "cancelled"]},
      "status": {"type": "string"}, "version": {"type": "integer"}, "owner": {"type": "string"},
      "created_at": {"type": "string", "format": "date-time"}, "ended_at": {"type": ["string", "null"]},
      "total_children": {"type": "integer"}, "ended_children": {"type": "integer"}, "failed_children": {"type": "integer"},
      "total_samples": {"type": "integer"}, "done_samples": {"type": "integer"}, "progress": {"type": "number"},
      "estimated_cost": {"type": ["number", "null"]}, "max_cost": {"type": ["number", "null"]},
      "cost": {"type": "number"}, "remaining_budget": {"type": ["number", "null"]},
      "notes": {"type": "array", "items": {"type": "string"}},
      "models": {"type": "array", "items": {"type": "object"}, "description": "Progress as a tree: models, their task_groups, their runs."},
      "plan": {"type": "object"}
    },
    "description": "A dry run answers {dry_run, total_children, total_samples, estimated_cost, notes, children} in its place."
  })");
  schemas.add("ExperimentList", R"({
    "type": "object",
    "properties": {
      "items": {"type": "array", "items": {"$ref": "#/components/schemas/Experiment"}},
      "total": {"type": "integer"}, "page": {"type": "integer"}, "page_size": {"type": "integer"}
    },
    "required": ["items", "total"]
  })");
  schemas.add("ExperimentDeleted", R"({
    "type": "object",
    "properties": {"experiment_id": {"type": "string"}, "deleted": {"type": "boolean"}},
    "required": ["experiment_id", "deleted"]
  })");
}

route declared(http_method method, std::string path, const char* summary, const char* schema,
               permission needs, route_handler handler) {
  route out;
  out.method = method;
  out.path = std::move(path);
  out.needs = needs;
  out.tag = "experiments";
  out.summary = summary;
  out.response_schema = schema;
  out.handler = std::move(handler);
  return out;
}

route verb(const char* path, const char* summary, route_handler handler) {
  auto out = declared(http_method::post, std::string("/experiments/{id}/") + path, summary, "Experiment",
                      permission::evaluation_manage, std::move(handler));
  out.header_parameters = {"If-Match"};
  out.details =
      "Answers when it is durable; the evaluations follow. With a stale If-Match nothing is changed.";
  return out;
}

query_parameter choice(const char* name, const char* summary, std::vector<std::string> choices) {
  query_parameter out;
  out.name = name;
  out.type = parameter_type::choice;
  out.summary = summary;
  out.choices = std::move(choices);
  return out;
}

} // namespace

void add_experiment_routes(route_table& table) {
  add_schemas(table.schemas());

  auto one = declared(http_method::post, "/experiments", "Start an experiment, or say what it would take",
                      "Experiment", permission::evaluation_create, &create);
  one.details = "Everything is priced first: a plan over experiments.max_samples or experiments.max_cost "
                "starts nothing. Answers when the experiment is durable.";
  one.request_schema = "NewExperiment";
  one.success = 201;
  query_parameter dry;
  dry.name = "dry_run";
  dry.type = parameter_type::flag;
  dry.summary = "Only say what it expands to and what it costs";
  one.query = {dry};
  table.add(std::move(one));

  one = declared(http_method::get, "/experiments", "Experiments, the newest first", "ExperimentList",
                 permission::evaluation_read, &list);
  one.query = paging_parameters();
  one.query.push_back(choice("state", "Only experiments in this state",
                             {"running", "paused", "cancelling", "completed", "failed", "cancelled"}));
  table.add(std::move(one));

  table.add(declared(http_method::get, "/experiments/{id}", "One experiment, its progress as a tree",
                     "Experiment", permission::evaluation_read, &show));

  one = declared(http_method::erase, "/experiments/{id}", "Remove an experiment that has ended",
                 "ExperimentDeleted", permission::evaluation_manage, &plain<experiment_verb::erase>);
  one.details = "Its evaluations stay.";
  one.header_parameters = {"If-Match"};
  table.add(std::move(one));

  table.add(verb("pause", "Pause an experiment with its evaluations", &plain<experiment_verb::pause>));
  table.add(verb("resume", "Go on with a paused experiment", &plain<experiment_verb::resume>));
  table.add(verb("cancel", "Cancel an experiment with its evaluations", &plain<experiment_verb::cancel>));
  table.add(verb("retry", "Start what failed or was skipped again", &plain<experiment_verb::retry>));

  one = declared(http_method::get, "/experiments/{id}/report", "The comprehensive report", "",
                 permission::evaluation_read, &report);
  one.details = "May be asked for at any time: of what there is until then.";
  auto format = choice("format", "The form", {"json", "markdown", "html", "csv"});
  format.fallback = "json";
  one.query = {format};
  one.response_type = "application/octet-stream";
  table.add(std::move(one));
}

} // namespace assay::server
