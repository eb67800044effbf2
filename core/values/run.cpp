#include "core/values/run.hpp"

#include "core/values/json_fields.hpp"
#include "core/values/text.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace assay {

namespace {

using json_fields::find;
using json_fields::read;
using json_fields::write;

/// Unknown words come from a newer version; guessing a state could run paid calls again.
[[noreturn]] void refuse(const nlohmann::json& in, const std::string& what) {
  throw nlohmann::json::other_error::create(501, what, &in);
}

template <class Tag>
void read_id(const nlohmann::json& in, const char* key, text_id<Tag>& out) {
  read(in, key, out.value);
}

run_id run_id_of(const nlohmann::json& value) {
  const auto text = value.get<std::string>();
  const auto id = run_id_from_string(text);
  if (!id)
    refuse(value, "'" + text + "' is not an evaluation id");
  return *id;
}

/// A way to use the cache that this version does not know must not turn into paying for every answer again.
cache_use cache_use_of(const nlohmann::json& value) {
  const auto name = value.get<std::string>();
  const auto use = cache_use_from_string(name);
  if (!use)
    refuse(value, "'" + name + "' is no way to use the response cache");
  return *use;
}

call_way call_way_of(const nlohmann::json& value) {
  const auto name = value.is_string() ? value.get<std::string>() : std::string{};
  const auto way = call_way_from_string(name);
  if (!way)
    refuse(value, "unknown way of calls '" + name + "'");
  return *way;
}

nlohmann::json file_to_json(const pinned_file& file) {
  return {{"path", file.path}, {"hash", file.hash}, {"rows", file.rows}};
}

pinned_file file_from_json(const nlohmann::json& in) {
  pinned_file file;
  read(in, "path", file.path);
  read(in, "hash", file.hash);
  read(in, "rows", file.rows);
  return file;
}

nlohmann::json task_to_json(const pinned_task& task) {
  nlohmann::json out{
      {"task_id", task.id.value},
      {"definition", task.definition},
      {"definition_hash", task.definition_hash},
      {"dataset_path", task.dataset_path},
      {"dataset_hash", task.dataset_hash},
      {"dataset_rows", task.dataset_rows},
      {"sample_count", task.sample_count},
      {"scorer_names", task.scorer_names},
      {"generation", task.generation},
  };
  if (task.fewshot)
    out["fewshot"] = file_to_json(*task.fewshot);
  return out;
}

pinned_task task_from_json(const nlohmann::json& in) {
  pinned_task task;
  read_id(in, "task_id", task.id);
  read(in, "definition", task.definition);
  read(in, "definition_hash", task.definition_hash);
  read(in, "dataset_path", task.dataset_path);
  read(in, "dataset_hash", task.dataset_hash);
  read(in, "dataset_rows", task.dataset_rows);
  read(in, "sample_count", task.sample_count);
  read(in, "scorer_names", task.scorer_names);
  read(in, "generation", task.generation);
  if (const auto* file = find(in, "fewshot"))
    task.fewshot = file_from_json(*file);
  return task;
}

nlohmann::json rules_to_json(const call_rules& rules) {
  auto out = nlohmann::json::object();
  if (rules.timeout)
    out["timeout_ms"] = rules.timeout->count();
  write(out, "max_retries", rules.max_retries);
  write(out, "num_concurrent", rules.num_concurrent);
  return out;
}

call_rules rules_from_json(const nlohmann::json& in) {
  call_rules rules;
  if (const auto* timeout = find(in, "timeout_ms"))
    rules.timeout = milliseconds{json_fields::convert<int64_t>(*timeout, "timeout_ms")};
  read(in, "max_retries", rules.max_retries);
  read(in, "num_concurrent", rules.num_concurrent);
  return rules;
}

nlohmann::json judge_to_json(const pinned_judge& judge) {
  nlohmann::json out{
      {"model_id", judge.model.value}, {"provider", judge.provider.value}, {"wire_model", judge.wire_model}};
  write(out, "prices", judge.prices);
  if (!judge.route.models.empty())
    out["route"] = judge.route;
  if (judge.calls != call_rules{})
    out["calls"] = rules_to_json(judge.calls);
  return out;
}

pinned_judge judge_from_json(const nlohmann::json& in) {
  pinned_judge judge;
  read_id(in, "model_id", judge.model);
  read_id(in, "provider", judge.provider);
  read(in, "wire_model", judge.wire_model);
  read(in, "prices", judge.prices);
  read(in, "route", judge.route);
  if (const auto* rules = find(in, "calls"))
    judge.calls = rules_from_json(*rules);
  return judge;
}

nlohmann::json fault_to_json(const fault& error) {
  return {{"code", to_string(error.code)},
          {"message", valid_utf8(error.message)},
          {"where", valid_utf8(error.where)},
          {"hint", valid_utf8(error.hint)}};
}

fault fault_from_json(const nlohmann::json& in) {
  fault error;
  std::string code;
  read(in, "code", code);
  error.code = errc_from_string(code);
  read(in, "message", error.message);
  read(in, "where", error.where);
  read(in, "hint", error.hint);
  return error;
}

nlohmann::json usage_to_json(const token_usage_total& usage) {
  return {{"prompt_tokens", usage.prompt_tokens},
          {"completion_tokens", usage.completion_tokens},
          {"total_tokens", usage.prompt_tokens + usage.completion_tokens},
          {"cached_tokens", usage.cached_tokens},
          {"reasoning_tokens", usage.reasoning_tokens}};
}

token_usage_total usage_from_json(const nlohmann::json& in) {
  token_usage_total usage;
  read(in, "prompt_tokens", usage.prompt_tokens);
  read(in, "completion_tokens", usage.completion_tokens);
  read(in, "cached_tokens", usage.cached_tokens);
  read(in, "reasoning_tokens", usage.reasoning_tokens);
  return usage;
}

nlohmann::json progress_to_json(const run_progress& progress) {
  nlohmann::json out{
      {"total", progress.total},
      {"done", progress.done},
      {"failed", progress.failed},
      {"possibly_billed", progress.possibly_billed},
      {"completed_tasks", progress.completed_tasks},
      {"current_task", progress.current_task.value},
      {"usage", usage_to_json(progress.usage)},
      {"score_sum", progress.score_sum},
      {"scored", progress.scored},
      {"in_flight", progress.in_flight},
      {"samples_per_second", progress.samples_per_second},
  };
  for (const auto& task : progress.task_scores)
    out["task_scores"].push_back({task.sum, task.count});
  if (progress.cached != 0)
    out["cached"] = progress.cached;
  if (progress.waiting != 0)
    out["waiting"] = progress.waiting;
  if (progress.in_batches != 0)
    out["in_batches"] = progress.in_batches;
  write(out, "cost_nanodollars", progress.cost);
  write(out, "judge_cost_nanodollars", progress.judge_cost);
  write(out, "estimated_completion_ms", progress.estimated_completion);
  return out;
}

run_progress progress_from_json(const nlohmann::json& in) {
  run_progress progress;
  read(in, "total", progress.total);
  read(in, "done", progress.done);
  read(in, "failed", progress.failed);
  read(in, "possibly_billed", progress.possibly_billed);
  read(in, "cached", progress.cached);
  read(in, "completed_tasks", progress.completed_tasks);
  read_id(in, "current_task", progress.current_task);
  if (const auto* usage = find(in, "usage"))
    progress.usage = usage_from_json(*usage);
  read(in, "score_sum", progress.score_sum);
  read(in, "scored", progress.scored);
  if (const auto* tasks = find(in, "task_scores"))
    for (const auto& task : *tasks)
      progress.task_scores.push_back({task.at(0).get<double>(), task.at(1).get<uint64_t>()});
  read(in, "in_flight", progress.in_flight);
  read(in, "waiting", progress.waiting);
  read(in, "in_batches", progress.in_batches);
  read(in, "samples_per_second", progress.samples_per_second);
  read(in, "cost_nanodollars", progress.cost);
  read(in, "judge_cost_nanodollars", progress.judge_cost);
  read(in, "estimated_completion_ms", progress.estimated_completion);
  return progress;
}

/// @returns the object written as @p text; an empty one when there is none.
nlohmann::json object_of(const std::string& text) {
  auto value = nlohmann::json::parse(text, nullptr, false);
  return value.is_object() ? value : nlohmann::json::object();
}

double percent_of(double fraction) noexcept { return std::floor(fraction * 1000.0) / 10.0; }

} // namespace

void to_json(nlohmann::json& out, const run_spec& spec) {
  auto tasks = nlohmann::json::array();
  for (const auto& task : spec.tasks)
    tasks.push_back(task_to_json(task));
  auto depends_on = nlohmann::json::array();
  for (const auto id : spec.depends_on)
    depends_on.push_back(to_string(id));
  out = nlohmann::json{
      {"kind", to_string(spec.kind)},
      {"owner", spec.owner.value},
      {"model_id", spec.model.value},
      {"provider", spec.provider.value},
      {"wire_model", spec.wire_model},
      {"tasks", std::move(tasks)},
      {"prompt_types", spec.prompt_types},
      {"epochs", spec.epochs},
      {"num_fewshot", spec.num_fewshot},
      {"random_seed", spec.random_seed},
      {"priority", spec.priority},
      {"weight", spec.weight},
      {"depends_on", std::move(depends_on)},
      {"context_mode", spec.context_mode},
      {"predict_only", spec.predict_only},
      {"log_samples", spec.log_samples},
      {"output_path", spec.output_path},
      {"metadata", spec.metadata},
      {"requested", spec.requested},
      {"fingerprint", spec.fingerprint},
      {"created_at_ms", spec.created_at.time_since_epoch().count()},
  };
  if (!spec.id.empty())
    out["evaluation_id"] = to_string(spec.id);
  write(out, "prices", spec.prices);
  if (!spec.route.models.empty())
    out["route"] = spec.route;
  if (spec.calls != call_rules{})
    out["calls"] = rules_to_json(spec.calls);
  if (spec.configuration_version != 0)
    out["configuration_version"] = spec.configuration_version;
  for (const auto& judge : spec.judges)
    out["judges"].push_back(judge_to_json(judge));
  if (!spec.origin.empty())
    out["origin"] = to_string(spec.origin);
  if (!spec.groups.empty())
    out["groups"] = spec.groups;
  if (!spec.model_choice.empty())
    out["model_choice"] = spec.model_choice;
  write(out, "stop_when", spec.stop_when);
  write(out, "limit", spec.limit);
  if (spec.cache != cache_use::off)
    out["cache"] = to_string(spec.cache);
  if (spec.way != call_way::online)
    out["way"] = to_string(spec.way);
  write(out, "max_cost_nanodollars", spec.max_cost);
  if (!spec.api_key.empty())
    out["api_key"] = spec.api_key;
  write(out, "key_budget_nanodollars", spec.key_budget);
  if (spec.time_limit)
    out["time_limit_s"] = spec.time_limit->count();
}

void from_json(const nlohmann::json& in, run_spec& out) {
  out = run_spec{};
  if (const auto* id = find(in, "evaluation_id"))
    out.id = run_id_of(*id);
  if (const auto* name = find(in, "kind")) {
    const auto kind = run_kind_from_string(name->is_string() ? name->get<std::string>() : std::string{});
    if (!kind)
      refuse(*name, "unknown kind of run");
    out.kind = *kind;
  }
  read_id(in, "owner", out.owner);
  read_id(in, "model_id", out.model);
  read_id(in, "provider", out.provider);
  read(in, "wire_model", out.wire_model);
  read(in, "prices", out.prices);
  read(in, "route", out.route);
  if (const auto* rules = find(in, "calls"))
    out.calls = rules_from_json(*rules);
  read(in, "configuration_version", out.configuration_version);
  if (const auto* tasks = find(in, "tasks"))
    for (const auto& task : *tasks)
      out.tasks.push_back(task_from_json(task));
  if (const auto* judges = find(in, "judges"))
    for (const auto& judge : *judges)
      out.judges.push_back(judge_from_json(judge));
  if (const auto* origin = find(in, "origin"))
    out.origin = run_id_of(*origin);
  read(in, "stop_when", out.stop_when);
  read(in, "prompt_types", out.prompt_types);
  read(in, "epochs", out.epochs);
  read(in, "limit", out.limit);
  if (const auto* use = find(in, "cache"))
    out.cache = cache_use_of(*use);
  if (const auto* way = find(in, "way"))
    out.way = call_way_of(*way);
  read(in, "max_cost_nanodollars", out.max_cost);
  read(in, "api_key", out.api_key);
  read(in, "key_budget_nanodollars", out.key_budget);
  read(in, "num_fewshot", out.num_fewshot);
  read(in, "random_seed", out.random_seed);
  read(in, "priority", out.priority);
  read(in, "weight", out.weight);
  if (const auto* limit = find(in, "time_limit_s"))
    out.time_limit = seconds{json_fields::convert<int64_t>(*limit, "time_limit_s")};
  if (const auto* ids = find(in, "depends_on"))
    for (const auto& id : *ids)
      out.depends_on.push_back(run_id_of(id));
  read(in, "context_mode", out.context_mode);
  read(in, "predict_only", out.predict_only);
  read(in, "log_samples", out.log_samples);
  read(in, "output_path", out.output_path);
  read(in, "groups", out.groups);
  read(in, "model_choice", out.model_choice);
  read(in, "metadata", out.metadata);
  read(in, "requested", out.requested);
  read(in, "fingerprint", out.fingerprint);
  read(in, "created_at_ms", out.created_at);
}

void to_json(nlohmann::json& out, const run_rest& rest) {
  out = nlohmann::json::array({rest.from.time_since_epoch().count(), rest.to.time_since_epoch().count()});
}

void from_json(const nlohmann::json& in, run_rest& out) {
  out.from = wall_time{milliseconds{in.at(0).get<int64_t>()}};
  out.to = wall_time{milliseconds{in.at(1).get<int64_t>()}};
}

void to_json(nlohmann::json& out, const run_record& run) {
  out = nlohmann::json{
      {"spec", run.spec},
      {"state", to_string(run.state)},
      {"generation", run.generation},
      {"progress", progress_to_json(run.progress)},
      {"last_seq", run.last_seq},
  };
  if (run.started_generations)
    out["started_generations"] = *run.started_generations;
  if (run.open_calls_at_most != 0)
    out["open_calls_at_most"] = run.open_calls_at_most;
  if (run.sent_calls_at_most != 0)
    out["sent_calls_at_most"] = run.sent_calls_at_most;
  if (run.lost_calls != 0)
    out["lost_calls"] = run.lost_calls;
  if (run.maybe_lost_calls != 0)
    out["maybe_lost_calls"] = run.maybe_lost_calls;
  if (!run.waiting_for.empty())
    out["waiting_for"] = valid_utf8(run.waiting_for);
  if (run.yielded)
    out["yielded"] = true;
  write(out, "started_at_ms", run.started_at);
  write(out, "finished_at_ms", run.finished_at);
  write(out, "redacted_at_ms", run.redacted_at);
  if (run.active_for)
    out["active_ms"] = run.active_for->count();
  write(out, "active_until_ms", run.active_until);
  if (!run.rests.empty())
    out["rests"] = run.rests;
  if (run.error)
    out["error"] = fault_to_json(*run.error);
  write(out, "stopped_early", run.stopped_early);
}

void from_json(const nlohmann::json& in, run_record& out) {
  out = run_record{};
  in.at("spec").get_to(out.spec);
  const auto name = in.at("state").get<std::string>();
  const auto state = run_state_from_string(name);
  if (!state)
    refuse(in, "unknown state '" + name + "'");
  out.state = *state;
  read(in, "generation", out.generation);
  if (const auto* progress = find(in, "progress"))
    out.progress = progress_from_json(*progress);
  read(in, "last_seq", out.last_seq);
  read(in, "open_calls_at_most", out.open_calls_at_most);
  read(in, "sent_calls_at_most", out.sent_calls_at_most);
  read(in, "lost_calls", out.lost_calls);
  read(in, "maybe_lost_calls", out.maybe_lost_calls);
  read(in, "waiting_for", out.waiting_for);
  read(in, "yielded", out.yielded);
  read(in, "stopped_early", out.stopped_early);
  read(in, "started_at_ms", out.started_at);
  read(in, "started_generations", out.started_generations);
  read(in, "finished_at_ms", out.finished_at);
  read(in, "redacted_at_ms", out.redacted_at);
  if (const auto* active = find(in, "active_ms"))
    out.active_for = milliseconds{json_fields::convert<int64_t>(*active, "active_ms")};
  read(in, "active_until_ms", out.active_until);
  read(in, "rests", out.rests);
  if (const auto* error = find(in, "error"))
    out.error = fault_from_json(*error);
}

nlohmann::json run_status_json(const run_record& run) {
  const auto& spec = run.spec;
  const auto& progress = run.progress;
  // A run without samples has no fraction, yet it completes.
  const double fraction = run.state == run_state::completed ? 1.0 : std::min(progress.fraction(), 1.0);
  auto task_ids = nlohmann::json::array();
  for (const auto& task : spec.tasks)
    task_ids.push_back(task.id.value);
  auto depends_on = nlohmann::json::array();
  for (const auto id : spec.depends_on)
    depends_on.push_back(to_string(id));
  nlohmann::json out{
      {"evaluation_id", to_string(spec.id)},
      {"kind", to_string(spec.kind)},
      {"status", engine_status(run.state)},
      {"state", to_string(run.state)},
      {"redacted_at", json_fields::time_or_null(run.redacted_at)},
      {"progress", fraction},
      {"progress_percent", percent_of(fraction)},
      {"current_task", nullptr},
      {"completed_tasks", progress.completed_tasks},
      {"total_tasks", spec.tasks.size()},
      {"start_time", json_fields::time_or_null(run.started_at)},
      {"estimated_completion", nullptr},
      {"error_message", nullptr},
      {"error_code", nullptr},
      {"error", nullptr},
      {"created_at", to_rfc3339(spec.created_at)},
      {"finished_at", json_fields::time_or_null(run.finished_at)},
      {"execution_time", nullptr},
      {"model_id", spec.model.value},
      {"provider", spec.provider.value},
      {"task_ids", std::move(task_ids)},
      {"prompt_types", spec.prompt_types},
      {"epochs", spec.epochs},
      {"random_seed", spec.random_seed},
      {"context_mode", spec.context_mode},
      {"metadata", object_of(spec.metadata)},
      {"configuration", object_of(spec.requested)},
      {"depends_on", std::move(depends_on)},
      {"samples",
       {{"total", progress.total},
        {"done", progress.done},
        {"failed", progress.failed},
        {"in_flight", progress.in_flight},
        {"waiting", progress.waiting},
        {"in_batches", progress.in_batches},
        {"possibly_billed", progress.possibly_billed},
        {"possibly_billed_at_most", possibly_billed_at_most(run)},
        {"lost_calls", run.lost_calls},
        {"cached", progress.cached}}},
      {"waiting_for", run.waiting_for.empty() || is_final(run.state)
                          ? nlohmann::json(nullptr)
                          : nlohmann::json(valid_utf8(run.waiting_for))},
      {"score", nullptr},
      {"cost", json_fields::dollars_or_null(progress.cost)},
      {"judge_cost", json_fields::dollars_or_null(progress.judge_cost)},
      {"usage", usage_to_json(progress.usage)},
      {"samples_per_second", progress.samples_per_second},
      {"cache", to_string(spec.cache)},
      {"execution", to_string(spec.way)},
      {"max_cost", json_fields::dollars_or_null(spec.max_cost)},
      {"priority", spec.priority},
      {"weight", spec.weight},
      {"owner", spec.owner.value},
      {"generation", run.generation},
      {"last_seq", run.last_seq},
  };
  if (spec.configuration_version != 0)
    out["configuration_version"] = spec.configuration_version;
  if (!progress.current_task.empty() && !is_final(run.state))
    out["current_task"] = progress.current_task.value;
  if (!is_final(run.state))
    out["estimated_completion"] = json_fields::time_or_null(progress.estimated_completion);
  if (!spec.model_choice.empty())
    out["model_choice"] = valid_utf8(spec.model_choice);
  if (!spec.origin.empty())
    out["origin"] = to_string(spec.origin);
  if (spec.stop_when)
    out["early_stopping"] = *spec.stop_when;
  if (run.stopped_early)
    out["stopped_early"] = early_stop_json(*run.stopped_early);
  if (const auto score = progress.score())
    out["score"] = *score;
  if (const auto time = execution_time_of(run))
    out["execution_time"] = std::chrono::duration<double>(*time).count();
  if (run.error) {
    out["error"] = fault_to_json(*run.error);
    out["error_message"] = out["error"]["message"];
    out["error_code"] = api_code(run.error->code);
  }
  return out;
}

std::string run_to_text(const run_record& run) {
  return nlohmann::json(run).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

run_record run_from_text(std::string_view text) { return nlohmann::json::parse(text).get<run_record>(); }

} // namespace assay
