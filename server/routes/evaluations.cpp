#include "core/values/run_request.hpp"
#include "server/llm/batch_files.hpp"
#include "server/model_choice.hpp"
#include "server/request_context.hpp"
#include "server/result_writer.hpp"
#include "server/routes/families.hpp"
#include "server/routes/shared.hpp"
#include "server/services.hpp"
#include "storage/tables.hpp"

#include <nlohmann/json.hpp>

#include <filesystem>

namespace assay::server {

namespace {

using json = nlohmann::json;
template <class T>
using awaitable = boost::asio::awaitable<T>;

/// A list looks at no more runs than this; older ones are found by their id.
constexpr size_t most_listed_runs = 100'000;

// -- creating -------------------------------------------------------------------------------------------

json submitted_json(const run_submitted& answer) {
  const auto& spec = answer.record.spec;
  json out{
      {"evaluation_id", to_string(spec.id)},
      {"status", "created"},
      {"state", to_string(answer.record.state)},
      {"message", "Evaluation created successfully"},
      {"created_at", to_rfc3339(spec.created_at)},
      {"calls", answer.calls},
      {"estimated_cost", answer.estimated_cost ? json(to_dollars(*answer.estimated_cost)) : json(nullptr)},
      {"notes", answer.notes}};
  if (answer.existed) {
    out["status"] = engine_status(answer.record.state);
    out["message"] = "This idempotency key created the evaluation before";
  }
  if (answer.dry_run) {
    out["evaluation_id"] = nullptr;
    out["status"] = "planned";
    out["state"] = nullptr;
    out["message"] = "Dry run: nothing was stored and nothing will run";
    out["dry_run"] = true;
    out["plan"] = run_status_json(answer.record);
    out["plan"]["evaluation_id"] = nullptr;
  }
  return out;
}

bool gives(const json& body, const char* name) {
  const auto it = body.find(name);
  return it != body.end() && !it->is_null();
}

/// What the farm refuses, in the words of the request.
fault as_asked(fault what, const json& body) {
  // A name in the body that nothing has, or a model that cannot be asked, is a wrong value of the request:
  // only what an address names can be missing, and no provider was asked.
  if (what.code == errc::not_found || what.code == errc::credentials_rejected)
    what.code = errc::invalid_argument;
  if (what.where == "provider" || what.where == "model" || what.where == "model_id")
    what.where = gives(body, "model_id") ? "model_id" : "model";
  constexpr std::string_view tasks = "task_ids";
  if (what.where.starts_with(tasks) && !gives(body, "task_ids") && gives(body, "tasks"))
    what.where.replace(0, tasks.size(), "tasks");
  return what;
}

awaitable<result<response>> create(request_context& context) {
  auto wanted = run_request_from_json(*context.body);
  if (!wanted)
    co_return wanted.error();
  // A plan asks nobody.
  if (auto refused = refuse_uncounted_calls(context); refused && !wanted->dry_run)
    co_return std::move(*refused);
  submit_run message;
  message.request = std::move(*wanted);
  message.owner = context.who().id;
  message.api_key = context.who().api_key;
  message.key_budget = context.who().key_budget;
  message.idempotency_key = context.http.header("Idempotency-Key");
  if (!message.idempotency_key.empty() && !is_caller_id(message.idempotency_key))
    co_return fault{errc::invalid_argument,
                    "must be 1 to 128 characters out of letters, digits, '.', '_' and '-'",
                    "Idempotency-Key",
                    {}};
  auto settled = co_await settle_model(context.edge, message);
  if (!settled)
    co_return as_asked(settled.error(), *context.body);
  // Nobody may wait for, and so learn about, somebody else's run.
  const auto against = message.request.stop_when ? message.request.stop_when->against : run_id{};
  auto named = message.request.depends_on;
  if (!against.empty())
    named.push_back(against);
  for (const auto run : named) {
    auto record = readable_run(context, run);
    if (!record && record.error().code == errc::not_found)
      co_return fault{errc::invalid_argument,
                      "there is no evaluation " + to_string(run),
                      run == against ? "early_stopping.against" : "depends_on",
                      {}};
    if (!record)
      co_return record.error();
  }
  auto& files = message.request.output_path;
  if (!files.empty()) {
    auto folder = output_folder_of(files);
    if (!folder)
      co_return folder.error();
    files = std::move(*folder);
    if (!message.request.dry_run) {
      auto below = files;
      auto ready = co_await context.edge.results.prepare(std::move(below));
      if (!ready)
        co_return ready.error();
    }
  }
  auto answer = co_await context.edge.farm.submit(std::move(message));
  if (!answer)
    co_return as_asked(answer.error(), *context.body);
  // Before the answer, which promises the files.
  if (!answer->dry_run && !answer->record.spec.output_path.empty())
    co_await context.edge.results.expect(answer->record.spec.id);
  const bool is_new = !answer->existed && !answer->dry_run;
  auto out = context.answer(submitted_json(*answer), is_new ? 201 : 200);
  if (!answer->dry_run)
    out.headers.push_back({"Location", "/evaluations/" + to_string(answer->record.spec.id)});
  co_return std::move(out);
}

// -- reading --------------------------------------------------------------------------------------------

struct listing {
  std::vector<run_record> runs;
  size_t total = 0;
};

bool has_status(run_state state, const std::string& wanted) {
  return wanted.empty() || engine_status(state) == wanted || to_string(state) == wanted;
}

result<listing> read_list(storage::snapshot& view, const std::optional<user_id>& owner,
                          const std::string& status, size_t first, size_t limit) {
  storage::run_query query;
  query.owner = owner;
  query.limit = storage::max_page_rows;
  listing out;
  size_t seen = 0;
  do {
    auto page = view.list_summaries(query);
    if (!page)
      return page.error();
    for (const auto& one : page->runs) {
      if (!has_status(one.state, status))
        continue;
      if (out.total >= first && out.runs.size() < limit) {
        auto record = view.find_run(one.run);
        if (!record)
          return record.error();
        if (*record)
          out.runs.push_back(std::move(**record));
      }
      ++out.total;
    }
    seen += page->runs.size();
    query.before = page->next;
  } while (query.before && seen < most_listed_runs);
  return out;
}

awaitable<result<response>> list(request_context& context) {
  const auto& who = context.who();
  const auto wanted_owner = context.text("owner");
  const bool sees_all = who.permissions.has(permission::evaluation_read_all);
  std::optional<user_id> owner;
  if (!sees_all)
    owner = who.id;
  else if (!wanted_owner.empty())
    owner = user_id{wanted_owner};
  const auto limit = static_cast<size_t>(context.integer("limit"));
  const auto first = static_cast<size_t>(context.integer("page") - 1) * limit;
  listing found;
  // Somebody else's runs are none, as far as this caller can know.
  if (sees_all || wanted_owner.empty() || wanted_owner == who.id.value) {
    auto read = [owner, status = context.text("status"), first, limit](storage::snapshot& view) {
      return read_list(view, owner, status, first, limit);
    };
    auto answer = co_await context.edge.read_later(std::move(read));
    if (!answer)
      co_return answer.error();
    found = std::move(*answer);
  }
  auto items = json::array();
  for (const auto& run : found.runs)
    items.push_back(run_status_json(run));
  co_return context.answer({{"items", std::move(items)},
                            {"total", found.total},
                            {"page", context.integer("page")},
                            {"page_size", limit}});
}

awaitable<result<response>> find(request_context& context) {
  auto id = run_id_in_path(context);
  if (!id)
    co_return id.error();
  auto stored = readable_run(context, *id);
  if (!stored)
    co_return stored.error();
  // The farm knows how far a live run is; without the farm the stored record is the best there is.
  if (!is_final(stored->state)) {
    const find_run message{*id};
    auto live = co_await context.edge.farm.find(message);
    if (live)
      stored = std::move(live);
  }
  auto shown = run_status_json(*stored);
  add_output(context, *stored, shown);
  co_return context.answer(shown);
}

// -- verbs ----------------------------------------------------------------------------------------------

std::string done(run_verb verb, const run_record& changed) {
  // A run that has nothing to ask again stays as it is.
  if (verb == run_verb::retry && changed.state == run_state::completed)
    return "Nothing to ask again: no sample has failed";
  switch (verb) {
  case run_verb::pause:
    return "Evaluation paused";
  case run_verb::resume:
    return "Evaluation resumed";
  case run_verb::cancel:
    return "Evaluation cancelled";
  case run_verb::retry:
    return "Evaluation will ask its failed samples again";
  case run_verb::purge:
    return "Evaluation removed";
  case run_verb::redact:
    return "The texts of the evaluation are removed; its scores stay";
  }
  return {};
}

/// What a retried run may cost from now on, when the body says so.
std::optional<money> new_limit(const request_context& context) {
  if (!context.body)
    return std::nullopt;
  const auto found = context.body->find("max_cost");
  return found == context.body->end() || found->is_null() ? std::nullopt
                                                          : std::optional{from_dollars(found->get<double>())};
}

/// What cannot be undone leaves a trace that stays, before it is done.
awaitable<result<void>> note_in_audit(const request_context& context, run_id run, run_verb verb) {
  const auto now = context.edge.options.time.wall();
  auto at = std::to_string(now.time_since_epoch().count());
  at.insert(0, at.size() < 14 ? 14 - at.size() : 0, '0');
  std::vector<document_change> changes(1);
  changes[0].table = to_string(storage::table::audit);
  changes[0].key = at + "/" + to_string(run) + "/" + std::string(to_string(verb));
  changes[0].value = json{{"at", to_rfc3339(now)},
                          {"user", context.who().id.value},
                          {"evaluation_id", to_string(run)},
                          {"action", to_string(verb)},
                          {"request_id", context.request_id}}
                         .dump(-1, ' ', false, json::error_handler_t::replace);
  auto stored = co_await context.edge.farm.write(std::move(changes));
  co_return stored;
}

/// The items of a batch lie in a file.
awaitable<void> remove_rows_of_batch(const request_context& context, const run_record& run) {
  if (run.spec.kind != run_kind::llm_batch)
    co_return;
  for (const auto& task : run.spec.tasks) {
    std::filesystem::path file{task.dataset_path};
    co_await context.edge.batches.remove(std::move(file));
  }
}

awaitable<result<response>> command(request_context& context, run_verb verb) {
  auto id = run_id_in_path(context);
  if (!id)
    co_return id.error();
  auto stored = changeable_run(context, *id);
  if (!stored)
    co_return stored.error();
  if (auto refused = refuse_uncounted_calls(context);
      refused && (verb == run_verb::resume || verb == run_verb::retry))
    co_return std::move(*refused);
  if (verb == run_verb::purge || verb == run_verb::redact) {
    if (!is_final(stored->state))
      co_return fault{errc::invalid_transition, "the evaluation is " + std::string(to_string(stored->state)),
                      "id", "cancel it first"};
    auto noted = co_await note_in_audit(context, *id, verb);
    if (!noted)
      co_return noted.error();
  }
  const command_run message{*id, verb, new_limit(context)};
  auto changed = co_await context.edge.farm.command(message);
  if (!changed) {
    auto what = changed.error();
    if (what.where == to_string(*id))
      what.where = "id";
    co_return what;
  }
  // A run that ran out of time is resumed by asking again what is missing.
  if ((verb == run_verb::retry || verb == run_verb::resume) && !changed->spec.output_path.empty())
    co_await context.edge.results.expect(*id);
  if (verb == run_verb::purge || verb == run_verb::redact)
    co_await remove_rows_of_batch(context, *stored);
  auto out = run_status_json(*changed);
  out["message"] = done(verb, *changed);
  if (verb == run_verb::purge)
    out["purged"] = true;
  co_return context.answer(out);
}

awaitable<result<response>> cancel_or_purge(request_context& context) {
  const auto verb = context.flag("purge") ? run_verb::purge : run_verb::cancel;
  auto out = co_await command(context, verb);
  co_return out;
}

route_handler verb_handler(run_verb verb) {
  return [verb](request_context& context) { return command(context, verb); };
}

// -- declarations ---------------------------------------------------------------------------------------

void add_schemas(schema_set& schemas) {
  // Names and types; meanings, ranges across fields and contradictions are checked by run_request_from_json.
  schemas.add("EvaluationRequest", R"({
    "type": "object",
    "description": "What to run. Settings may stand at the top, in configuration or (for sampling) in gen_kwargs; the same setting given twice with two values is an error.",
    "properties": {
      "model_id": {"type": ["string", "null"], "description": "A model of GET /models.", "examples": ["claude-3-haiku"]},
      "model": {"type": ["string", "null"], "description": "A model, or a kind of model together with model_args."},
      "model_args": {"type": ["string", "null"], "examples": ["model=gpt-4o-mini,base_url=https://example.org/v1"]},
      "task_ids": {"description": "Tasks or groups of tasks. Also called tasks.", "examples": [["arithmetic_word_problems"]]},
      "tasks": {"description": "The other name of task_ids."},
      "configuration": {"description": "Settings; unknown ones are kept and named in notes.", "examples": [{"temperature": 0.7, "max_tokens": 1024, "limit": 5}]},
      "gen_kwargs": {"description": "Sampling: temperature, top_p, max_gen_toks, do_sample, until, seed, ..."},
      "context_mode": {"description": "no_context, minimal_context, full_context or domain_context."},
      "metadata": {"description": "Yours; kept and returned."},
      "limit": {"description": "Samples of each task and variant, at least 1."},
      "num_fewshot": {"description": "Examples put before each question."},
      "epochs": {"description": "How often each sample is asked, 1 to 1000."},
      "prompt_types": {"description": "Variants of the prompt; each task's first when not given."},
      "temperature": {"description": "0 to 2"}, "top_p": {"description": "0 to 1"},
      "frequency_penalty": {"description": "-2 to 2"}, "presence_penalty": {"description": "-2 to 2"},
      "max_tokens": {"description": "Of each answer."}, "max_gen_toks": {"description": "The other name of max_tokens."},
      "stop_sequences": {"description": "Texts that end an answer."}, "stop": {"description": "The other name of stop_sequences."},
      "seed": {"description": "Passed to the provider."}, "do_sample": {"description": "false means temperature 0."},
      "random_seed": {"description": "Of shuffles and few-shot draws; drawn once and recorded when not given."},
      "priority": {"description": "-100 to 100, higher first."}, "weight": {"description": "Share against your other runs, 1 to 1000."},
      "time_limit": {"description": "Seconds after which the run fails; resume or retry asks what is missing, with the whole time again."},
      "execution": {"description": "online, batch, or auto: batch sends the calls through the provider's batch API, for about half the price and with answers within a day; auto does where the provider has one and time_limit allows it."},
      "depends_on": {"description": "Evaluations that have to complete before."},
      "predict_only": {"description": "Keep answers, score nothing."}, "log_samples": {"description": "Keep the prompts."},
      "output_base_path": {"description": "A folder below the results folder; the result, and with log_samples the samples, are written there at the end.", "examples": ["results/my_experiment"]},
      "dry_run": {"description": "Answer the plan and its cost; store and run nothing."},
      "batch_size": {"description": "Accepted; changes nothing here."}, "device": {"description": "Accepted; changes nothing here."},
      "max_cost": {"description": "Dollars; the run fails before it could cost more, and can be retried."},
      "early_stopping": {"description": "End when enough is known: {\"interval\": 0.02}, the score to within this on either side with 95 %; or {\"against\": \"eval_...\", \"alpha\": 0.05, \"margin\": 0.01}, when it is decided which of the two is better, or that they differ by less. For one task, prompt type and epoch."},
      "use_cache": {"description": "Take answers that another run with a cache has paid for, and keep new ones."},
      "cache_requests": {"description": "true as use_cache, refresh as rewrite_requests_cache, delete as delete_requests_cache."},
      "rewrite_requests_cache": {"description": "Ask again and replace the stored answers."},
      "delete_requests_cache": {"description": "Ask again and remove the stored answers."},
      "write_out": {"description": "Accepted; changes nothing here."}, "show_config": {"description": "Accepted; changes nothing here."},
      "verbosity": {"description": "Accepted; changes nothing here."},
      "numpy_random_seed": {"description": "Recorded."}, "torch_random_seed": {"description": "Recorded."}, "fewshot_random_seed": {"description": "Recorded."},
      "request_id": {"description": "Echoed in X-Request-Id."}
    }
  })");
  schemas.add("RetryRequest", R"({
    "type": "object",
    "properties": {
      "max_cost": {"type": ["number", "null"], "minimum": 0, "maximum": 1000000000, "description": "Dollars; what the evaluation may cost from now on, in all. Not given, its limit stays."},
      "request_id": {"description": "Echoed in X-Request-Id."}
    }
  })");
  schemas.add("EvaluationCreated", R"({
    "type": "object",
    "properties": {
      "evaluation_id": {"type": ["string", "null"], "examples": ["eval_1234567890_abcd1234"]},
      "status": {"type": "string", "examples": ["created"]},
      "message": {"type": "string"},
      "created_at": {"type": "string", "format": "date-time"},
      "calls": {"type": "integer", "description": "Calls to the model that the run will make."},
      "estimated_cost": {"type": ["number", "null"], "description": "Dollars; null when prices are unknown."},
      "notes": {"type": "array", "items": {"type": "string"}}
    },
    "required": ["evaluation_id", "status", "message", "created_at"]
  })");
  schemas.add("Evaluation", R"({
    "type": "object",
    "properties": {
      "evaluation_id": {"type": "string"},
      "status": {"type": "string", "enum": ["created", "running", "paused", "completed", "failed", "cancelled"]},
      "state": {"type": "string", "enum": ["queued", "preparing", "running", "paused", "completed", "failed", "cancelled"]},
      "progress": {"type": "number", "description": "0 to 1."},
      "progress_percent": {"type": "number"},
      "current_task": {"type": ["string", "null"]},
      "completed_tasks": {"type": "integer"}, "total_tasks": {"type": "integer"},
      "start_time": {"type": ["string", "null"], "format": "date-time"},
      "estimated_completion": {"type": ["string", "null"], "format": "date-time"},
      "error_message": {"type": ["string", "null"]},
      "error_code": {"type": ["string", "null"], "description": "As in errors of this API: TIMEOUT_ERROR, DATASET_CHANGED, ..."},
      "model_id": {"type": "string"},
      "samples": {"type": "object", "description": "Counts. in_flight: calls on the wire; waiting: calls that are asked for and wait for their turn."},
      "cost": {"type": ["number", "null"], "description": "Dollars; null while unknown."},
      "last_seq": {"type": "integer", "description": "Number of the newest event."},
      "output": {"$ref": "#/components/schemas/Output"}
    },
    "required": ["evaluation_id", "status", "state", "progress", "current_task", "completed_tasks", "total_tasks",
                 "start_time", "estimated_completion", "error_message"]
  })");
  schemas.add("EvaluationList", R"({
    "type": "object",
    "properties": {
      "items": {"type": "array", "items": {"$ref": "#/components/schemas/Evaluation"}},
      "total": {"type": "integer"}, "page": {"type": "integer"}, "page_size": {"type": "integer"}
    },
    "required": ["items", "total", "page", "page_size"]
  })");
}

route declared(http_method method, const char* path, permission needs, const char* summary,
               route_handler handler) {
  route out;
  out.method = method;
  out.path = path;
  out.needs = needs;
  out.tag = "evaluations";
  out.summary = summary;
  out.response_schema = "Evaluation";
  out.handler = std::move(handler);
  return out;
}

} // namespace

void add_evaluation_routes(route_table& table) {
  add_schemas(table.schemas());

  auto one = declared(http_method::post, "/evaluations", permission::evaluation_create, "Start an evaluation",
                      &create);
  one.details =
      "With Idempotency-Key the same request sent again answers the same evaluation (200). With dry_run the "
      "plan and its cost are answered (200) and nothing is started.";
  one.request_schema = "EvaluationRequest";
  one.response_schema = "EvaluationCreated";
  one.success = 201;
  one.header_parameters = {"Idempotency-Key"};
  table.add(std::move(one));

  one = declared(http_method::get, "/evaluations", permission::evaluation_read, "Evaluations, newest first",
                 &list);
  one.details = "Administrators and viewers see everybody's, evaluators their own.";
  one.response_schema = "EvaluationList";
  one.query = paging_parameters();
  query_parameter status;
  status.name = "status";
  status.type = parameter_type::choice;
  status.summary = "Only those in this status or state";
  status.choices = {"created", "queued",    "preparing", "running",
                    "paused",  "completed", "failed",    "cancelled"};
  one.query.push_back(std::move(status));
  query_parameter owner;
  owner.name = "owner";
  owner.summary = "Only those of this user";
  one.query.push_back(std::move(owner));
  table.add(std::move(one));

  table.add(declared(http_method::get, "/evaluations/{id}", permission::evaluation_read,
                     "How far an evaluation is", &find));

  one = declared(http_method::erase, "/evaluations/{id}", permission::evaluation_manage,
                 "Cancel an evaluation, or remove it", &cancel_or_purge);
  one.details =
      "Cancelling keeps the answers that were paid for, and is final. With purge=true an evaluation that has "
      "ended is removed with everything that belongs to it; 409 while it has not ended, 404 once it is gone.";
  query_parameter purge;
  purge.name = "purge";
  purge.type = parameter_type::flag;
  purge.summary = "Remove it for good";
  purge.fallback = "false";
  one.query = {std::move(purge)};
  table.add(std::move(one));

  one = declared(http_method::post, "/evaluations/{id}/pause", permission::evaluation_manage, "Pause",
                 verb_handler(run_verb::pause));
  one.details = "No new calls; those on their way finish and are kept.";
  table.add(std::move(one));
  table.add(declared(http_method::post, "/evaluations/{id}/resume", permission::evaluation_manage, "Go on",
                     verb_handler(run_verb::resume)));
  one = declared(http_method::post, "/evaluations/{id}/retry", permission::evaluation_manage,
                 "Ask the failed samples again", verb_handler(run_verb::retry));
  one.details = "Also what was never asked. A run whose budget was spent goes on with a higher max_cost.";
  one.request_schema = "RetryRequest";
  one.body_optional = true;
  table.add(std::move(one));
  one = declared(http_method::post, "/results/{id}/redact", permission::evaluation_manage,
                 "Remove the texts of an evaluation, keep its scores", verb_handler(run_verb::redact));
  one.details = "Prompts, answers, targets, extracted answers and messages of errors go, within seconds; "
                "scores, usage, "
                "cost and times stay. 409 while the evaluation has not ended. Again it changes nothing.";
  table.add(std::move(one));
  table.add(declared(http_method::post, "/evaluations/{id}/cancel", permission::evaluation_manage,
                     "Cancel an evaluation, as DELETE does", verb_handler(run_verb::cancel)));
}

} // namespace assay::server
