#include "core/experiments/ab_test.hpp"
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

/// The question with who asks it.
result<ask_ab_test> question(const request_context& context, ab_verb verb) {
  ask_ab_test out;
  out.verb = verb;
  if (const auto id = context.path.find("id"); id != context.path.end())
    out.test = id->second;
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

awaitable<result<response>> pass_on(request_context& context, ab_verb verb, std::string body = {}) {
  auto asked = question(context, verb);
  if (!asked)
    co_return asked.error();
  asked->body = std::move(body);
  auto heard = co_await context.edge.farm.ask_tests(std::move(*asked));
  if (!heard)
    co_return heard.error();
  const auto shown = json::parse(heard->text, nullptr, false);
  if (shown.is_discarded())
    co_return fault{errc::internal, "what is known of the A/B test is not JSON", {}, {}};
  auto out = context.answer(shown);
  if (heard->version > 0)
    out.headers.push_back({"ETag", "\"" + std::to_string(heard->version) + "\""});
  co_return out;
}

std::string body_text(const request_context& context) {
  return context.body->dump(-1, ' ', false, json::error_handler_t::replace);
}

awaitable<result<response>> create(request_context& context) {
  // A mistake is told here, before anybody is asked.
  if (auto test = experiments::ab_test_from_json(*context.body); !test)
    co_return test.error();
  auto body = body_text(context);
  co_return co_await pass_on(context, ab_verb::create, std::move(body));
}

awaitable<result<response>> list(request_context& context) {
  auto asked = question(context, ab_verb::list);
  if (!asked)
    co_return asked.error();
  auto heard = co_await context.edge.farm.ask_tests(std::move(*asked));
  if (!heard)
    co_return heard.error();
  auto all = json::parse(heard->text, nullptr, false);
  if (!all.is_array())
    co_return fault{errc::internal, "the list of A/B tests is not JSON", {}, {}};
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

/// Verbs without a body.
template <ab_verb Verb>
awaitable<result<response>> plain(request_context& context) {
  co_return co_await pass_on(context, Verb);
}

awaitable<result<response>> select(request_context& context) {
  auto unit = context.text("unit");
  co_return co_await pass_on(context, ab_verb::select, std::move(unit));
}

awaitable<result<response>> observe(request_context& context) {
  auto body = body_text(context);
  co_return co_await pass_on(context, ab_verb::observe, std::move(body));
}

awaitable<result<response>> run(request_context& context) {
  if (auto refused = refuse_uncounted_calls(context))
    co_return *refused;
  auto body = body_text(context);
  co_return co_await pass_on(context, ab_verb::run, std::move(body));
}

void add_request_schemas(schema_set& schemas) {
  schemas.add("NewAbTest", R"({
    "type": "object",
    "description": "Members that nobody knows are refused; so are variants that differ in nothing.",
    "properties": {
      "test_id": {"type": "string", "examples": ["temperature_test_001"]},
      "description": {"type": ["string", "null"]},
      "base_model": {"type": ["string", "null"], "description": "The model_id of variants that name none."},
      "variants": {"type": "object", "additionalProperties": {"type": "object"}, "description": "Configuration by name, 2 to 10 of them."},
      "traffic_split": {"type": ["object", "null"], "additionalProperties": {"type": "number"}, "description": "Share by variant, 1 in sum; equal shares when absent."},
      "success_metric": {"type": ["string", "null"], "description": "quality_score, success_rate, latency, cost, performance_score or score.NAME of a scorer.", "default": "quality_score"},
      "minimum_samples": {"type": ["integer", "null"], "description": "Of each variant, before there is a winner.", "default": 100},
      "confidence_level": {"type": ["number", "null"], "default": 0.95},
      "max_duration_hours": {"type": ["number", "null"], "description": "From the first start; then the test ends.", "default": 168},
      "target_response_time": {"type": ["number", "null"], "description": "Seconds, for performance_score; a variant's own goes first.", "default": 5},
      "paired": {"type": ["boolean", "null"], "description": "Every variant sees the same units.", "default": false},
      "stop_when_decided": {"type": ["boolean", "null"], "default": false},
      "minimum_effect": {"type": ["number", "null"], "description": "The difference that matters, for the power."},
      "request_id": {"type": "string"}
    },
    "required": ["variants"]
  })");
  schemas.add("AbObservations", R"({
    "type": "object",
    "description": "One observation, or up to 200 in `observations`: all are recorded or none.",
    "properties": {
      "observations": {"type": "array", "minItems": 1, "maxItems": 200, "items": {"type": "object"}},
      "variant": {"type": ["string", "null"]}, "unit": {"type": ["string", "null"], "description": "Sample or user. Alone it says the variant, in a test that is not paired."},
      "success": {"type": ["boolean", "null"]}, "quality": {"type": ["number", "null"]}, "quality_score": {"type": ["number", "null"]},
      "response_time": {"type": ["number", "null"], "description": "Seconds."}, "cost": {"type": ["number", "null"], "description": "Dollars."},
      "scores": {"type": ["object", "null"], "description": "By scorer, 0 to 1."}
    }
  })");
}

void add_run_schema(schema_set& schemas) {
  schemas.add("AbRun", R"({
    "type": "object",
    "description": "An evaluation without what the variants say: the rest is as in POST /evaluations, and the same for all variants.",
    "additionalProperties": true,
    "properties": {
      "tasks": {"type": "array", "items": {"type": "string"}}, "task_ids": {"type": "array", "items": {"type": "string"}},
      "limit": {"type": ["integer", "null"]}, "prompt_types": {"type": "array", "items": {"type": "string"}},
      "num_fewshot": {"type": ["integer", "null"]}, "random_seed": {"type": ["integer", "null"], "default": 0},
      "epochs": {"type": ["integer", "null"]}, "max_cost": {"type": ["number", "null"], "description": "Dollars, of each variant."},
      "priority": {"type": ["integer", "null"]}, "weight": {"type": ["integer", "null"]}, "request_id": {"type": "string"}
    }
  })");
}

void add_answer_schemas(schema_set& schemas) {
  schemas.add("AbTest", R"({
    "type": "object",
    "properties": {
      "test_id": {"type": "string"}, "description": {"type": "string"}, "status": {"type": "string"},
      "state": {"type": "string", "enum": ["created", "running", "paused", "completed", "stopped"]},
      "version": {"type": "integer"}, "owner": {"type": "string"},
      "variants": {"type": "object"}, "traffic_split": {"type": "object"}, "success_metric": {"type": "string"},
      "minimum_samples": {"type": "integer"}, "confidence_level": {"type": "number"}, "max_duration_hours": {"type": "number"},
      "paired": {"type": "boolean"}, "stop_when_decided": {"type": "boolean"},
      "created_at": {"type": "string", "format": "date-time"}, "started_at": {"type": ["string", "null"]},
      "ends_at": {"type": ["string", "null"]}, "ended_at": {"type": ["string", "null"]}, "ended_because": {"type": ["string", "null"]},
      "total_samples": {"type": "integer"}, "selections": {"type": "object"},
      "run": {"type": ["object", "null"], "description": "Of a test that runs by itself: runs by variant, planned, observed, and at its end samples_saved and cost_saved (an estimate)."}
    },
    "required": ["test_id", "state", "version", "variants", "traffic_split", "success_metric"]
  })");
  schemas.add("AbTestList", R"({
    "type": "object",
    "properties": {
      "items": {"type": "array", "items": {"$ref": "#/components/schemas/AbTest"}},
      "total": {"type": "integer"}, "page": {"type": "integer"}, "page_size": {"type": "integer"}
    },
    "required": ["items", "total"]
  })");
  schemas.add("AbSelection", R"({
    "type": "object",
    "properties": {
      "test_id": {"type": "string"}, "variant": {"type": "string"}, "configuration": {"type": "object"},
      "unit": {"type": ["string", "null"]}, "drawn": {"type": "boolean", "description": "By the split, since no unit was given."}
    },
    "required": ["test_id", "variant", "configuration", "drawn"]
  })");
  schemas.add("AbRecorded", R"({
    "type": "object",
    "properties": {
      "test_id": {"type": "string"}, "recorded": {"type": "integer"}, "total_samples": {"type": "integer"},
      "status": {"type": "string"}, "winner": {"type": ["string", "null"]}, "significant": {"type": "boolean"}
    },
    "required": ["test_id", "recorded", "total_samples"]
  })");
  schemas.add("AbAnalysis", R"({
    "type": "object",
    "properties": {
      "test_id": {"type": "string"}, "status": {"type": "string"}, "success_metric": {"type": "string"}, "paired": {"type": "boolean"},
      "winner": {"type": ["string", "null"]}, "leader": {"type": ["string", "null"]}, "significant": {"type": "boolean"},
      "confidence": {"type": "number", "description": "1 - the largest corrected p of the leader against another."},
      "undecided_because": {"type": ["string", "null"]}, "ended_because": {"type": ["string", "null"]},
      "variants": {"type": "object", "description": "sample_size, success_rate, quality_score, performance_score, interval by variant."},
      "comparisons": {"type": "array", "items": {"type": "object"}, "description": "p holds whenever one looks; single_look_p only for one planned look."},
      "sample_ratio": {"type": "object"}, "warnings": {"type": "array", "items": {"type": "string"}}, "total_samples": {"type": "integer"}
    },
    "required": ["test_id", "winner", "significant", "confidence", "variants"]
  })");
  schemas.add("AbBestConfiguration", R"({
    "type": "object",
    "properties": {"test_id": {"type": "string"}, "variant": {"type": "string"}, "configuration": {"type": "object"}, "confidence": {"type": "number"}},
    "required": ["test_id", "variant", "configuration"]
  })");
  schemas.add("AbDeleted", R"({
    "type": "object",
    "properties": {"test_id": {"type": "string"}, "deleted": {"type": "boolean"}},
    "required": ["test_id", "deleted"]
  })");
}

route declared(http_method method, std::string path, const char* summary, const char* schema,
               permission needs, route_handler handler) {
  route out;
  out.method = method;
  out.path = std::move(path);
  out.needs = needs;
  out.tag = "ab-tests";
  out.summary = summary;
  out.response_schema = schema;
  out.handler = std::move(handler);
  return out;
}

route verb(const char* path, const char* summary, route_handler handler) {
  auto out = declared(http_method::post, std::string("/ab-tests/{id}/") + path, summary, "AbTest",
                      permission::evaluation_manage, std::move(handler));
  out.header_parameters = {"If-Match"};
  out.details = "Answers when it is durable. With a stale If-Match nothing is changed.";
  return out;
}

query_parameter list_state() {
  query_parameter out;
  out.name = "state";
  out.type = parameter_type::choice;
  out.summary = "Only tests in this state";
  out.choices = {"created", "running", "paused", "completed", "stopped"};
  return out;
}

} // namespace

void add_ab_test_routes(route_table& table) {
  add_request_schemas(table.schemas());
  add_run_schema(table.schemas());
  add_answer_schemas(table.schemas());

  auto one = declared(http_method::post, "/ab-tests", "Create an A/B test", "AbTest",
                      permission::evaluation_create, &create);
  one.details = "It takes observations once it is started.";
  one.request_schema = "NewAbTest";
  one.success = 201;
  table.add(std::move(one));

  one = declared(http_method::get, "/ab-tests", "A/B tests, the newest first", "AbTestList",
                 permission::evaluation_read, &list);
  one.query = paging_parameters();
  one.query.push_back(list_state());
  table.add(std::move(one));

  table.add(declared(http_method::get, "/ab-tests/{id}", "One A/B test", "AbTest",
                     permission::evaluation_read, &plain<ab_verb::show>));

  one = declared(http_method::erase, "/ab-tests/{id}", "Remove an A/B test with its observations",
                 "AbDeleted", permission::evaluation_manage, &plain<ab_verb::erase>);
  one.details = "A running one must be stopped first.";
  one.header_parameters = {"If-Match"};
  table.add(std::move(one));

  table.add(verb("start", "Start, or go on with, an A/B test", &plain<ab_verb::start>));
  table.add(verb("pause", "Pause an A/B test", &plain<ab_verb::pause>));
  table.add(verb("stop", "End an A/B test", &plain<ab_verb::stop>));

  one = declared(http_method::post, "/ab-tests/{id}/run", "Run a paired A/B test by itself", "AbTest",
                 permission::evaluation_create, &run);
  one.details =
      "Starts it, with one evaluation for each variant over the same samples. What comes of them is "
      "recorded; the test ends when it is decided, and what was not asked by then is not asked.";
  one.request_schema = "AbRun";
  table.add(std::move(one));

  one = declared(http_method::get, "/ab-tests/{id}/variant", "The variant to use", "AbSelection",
                 permission::evaluation_create, &select);
  one.details = "A unit always gets the same variant; without one it is drawn by traffic_split. Both are "
                "counted.";
  query_parameter unit;
  unit.name = "unit";
  unit.summary = "Id of the sample or user";
  one.query = {unit};
  table.add(std::move(one));

  one = declared(http_method::post, "/ab-tests/{id}/observations", "Record what came of a variant",
                 "AbRecorded", permission::evaluation_create, &observe);
  one.request_schema = "AbObservations";
  table.add(std::move(one));

  one = declared(http_method::get, "/ab-tests/{id}/analysis", "How an A/B test stands", "AbAnalysis",
                 permission::evaluation_read, &plain<ab_verb::analyze>);
  one.details = "May be looked at as often as one likes: the p values and intervals hold whenever one looks.";
  table.add(std::move(one));

  table.add(declared(http_method::get, "/ab-tests/{id}/best-configuration", "The winner's configuration",
                     "AbBestConfiguration", permission::evaluation_read,
                     &plain<ab_verb::best_configuration>));
}

} // namespace assay::server
