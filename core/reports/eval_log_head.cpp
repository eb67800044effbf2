#include "core/reports/eval_log_parts.hpp"
#include "core/reports/result_view.hpp"

#include <algorithm>

namespace assay::reports::detail {

namespace {

using nlohmann::json;

std::string_view log_status(run_state state) noexcept {
  switch (state) {
  case run_state::completed:
    return "success";
  case run_state::failed:
    return "error";
  case run_state::cancelled:
    return "cancelled";
  case run_state::queued:
  case run_state::preparing:
  case run_state::running:
  case run_state::paused:
    return "started";
  }
  return "started";
}

json json_of(const std::string& text) {
  auto parsed = json::parse(text, nullptr, false);
  return parsed.is_object() ? parsed : json::object();
}

void write_metric(json_writer& out, std::string_view name, double value) {
  out.key(name).begin_object().member("name", name);
  out.key("group").null();
  out.key("value").number(value);
  out.key("params").begin_object().end_object();
  out.key("metadata").null().end_object();
}

/// Everything that stands before the samples: eval, plan, results, stats and the like.
class eval_log_head {
public:
  eval_log_head(const report_facts& facts, const export_unit& unit);

  /// Opens the log's object and ends with the key of the samples.
  void write(json_writer& out) const;

private:
  const pinned_task& task() const { return facts_.run.spec.tasks[unit_.task]; }
  void write_config(json_writer& out) const;
  void write_dataset(json_writer& out) const;
  void write_eval(json_writer& out) const;
  void write_plan(json_writer& out) const;
  void write_results(json_writer& out) const;
  void write_stats(json_writer& out) const;

  const report_facts& facts_;
  const export_unit unit_;
  const result_view result_;
  const nlohmann::json numbers_; ///< What the result says of the task and prompt type.
  const std::string model_;
};

} // namespace

void write_nulls(json_writer& out, std::initializer_list<const char*> keys) {
  for (const auto* key : keys)
    out.key(key).null();
}

void write_empty_objects(json_writer& out, std::initializer_list<const char*> keys) {
  for (const auto* key : keys)
    out.key(key).begin_object().end_object();
}

void write_usage(json_writer& out, uint64_t input, uint64_t output, uint64_t cached, uint64_t reasoning,
                 const std::optional<double>& cost) {
  out.begin_object();
  out.key("input_tokens").count(input).key("output_tokens").count(output);
  out.key("total_tokens").count(input + output);
  out.key("input_tokens_cache_write").null();
  out.key("input_tokens_cache_read").count(cached);
  out.key("reasoning_tokens").count(reasoning);
  out.key("total_cost").number(cost);
  out.end_object();
}

void write_error(json_writer& out, std::string_view message) {
  out.begin_object()
      .member("message", message)
      .member("traceback", "")
      .member("traceback_ansi", "")
      .end_object();
}

std::string model_name(const run_record& run) { return run.spec.provider.value + "/" + run.spec.wire_model; }

eval_log_head::eval_log_head(const report_facts& facts, const export_unit& unit)
    : facts_(facts), unit_(unit), result_(facts), numbers_(result_.of(facts.run, unit)),
      model_(model_name(facts.run)) {}

void eval_log_head::write(json_writer& out) const {
  out.begin_object();
  out.key("version").count(2);
  out.member("status", log_status(facts_.run.state));
  write_eval(out);
  write_plan(out);
  write_results(out);
  write_stats(out);
  out.key("error");
  if (facts_.run.state == run_state::failed && facts_.run.error)
    write_error(out, facts_.run.error->message);
  else
    out.null();
  out.key("invalidated").boolean(false);
  out.key("log_updates").null().key("config_updates").null();
  out.key("tags").begin_array().end_array();
  out.key("metadata").value(json_of(facts_.run.spec.metadata));
  out.key("samples");
}

void eval_log_head::write_config(json_writer& out) const {
  const auto& generation = task().generation;
  out.begin_object();
  if (generation.temperature)
    out.key("temperature").number(*generation.temperature);
  if (generation.top_p)
    out.key("top_p").number(*generation.top_p);
  if (generation.frequency_penalty)
    out.key("frequency_penalty").number(*generation.frequency_penalty);
  if (generation.presence_penalty)
    out.key("presence_penalty").number(*generation.presence_penalty);
  if (generation.max_tokens)
    out.key("max_tokens").count(*generation.max_tokens);
  if (generation.seed)
    out.key("seed").integer(*generation.seed);
  if (!generation.stop.empty()) {
    out.key("stop_seqs").begin_array();
    for (const auto& text : generation.stop)
      out.text(text);
    out.end_array();
  }
  out.end_object();
}

void eval_log_head::write_dataset(json_writer& out) const {
  out.key("dataset").begin_object();
  out.member("name", dataset_name(task()));
  out.member("location", dataset_name(task()));
  out.key("samples").count(task().sample_count);
  // Ids are rows: all of them, from 0.
  out.key("sample_ids").null();
  out.key("shuffled").boolean(false);
  out.end_object();
}

void eval_log_head::write_eval(json_writer& out) const {
  const auto& spec = facts_.run.spec;
  const auto id = to_string(spec.id);
  const auto name = unit_name(facts_.run, unit_);
  out.key("eval").begin_object();
  out.key("eval_set_id").null();
  out.member("eval_id", id + "_" + std::to_string(unit_.task) + "_" + std::to_string(unit_.variant));
  out.member("run_id", id);
  out.member("created", to_rfc3339(spec.created_at));
  out.member("task", name);
  out.member("task_id", name);
  out.key("task_version").count(0);
  write_nulls(out, {"task_file"});
  out.member("task_display_name", name);
  out.member("task_registry_name", task().id.value);
  write_empty_objects(out, {"task_attribs"});
  for (const auto* key : {"task_args", "task_args_passed"}) {
    out.key(key).begin_object();
    if (unit_.variant < spec.prompt_types.size())
      out.member("prompt_type", spec.prompt_types[unit_.variant]);
    out.key("num_fewshot").count(spec.num_fewshot);
    out.end_object();
  }
  out.member("solver", "generate");
  write_empty_objects(out, {"solver_args", "solver_args_passed"});
  out.key("tags").begin_array().end_array();
  write_dataset(out);
  out.key("sandbox").null();
  out.member("model", model_);
  out.key("model_generate_config");
  write_config(out);
  out.key("model_base_url").null();
  out.key("model_args").begin_object().member("model", spec.wire_model).end_object();
  out.key("model_roles").null();
  out.key("config").begin_object();
  if (spec.limit)
    out.key("limit").count(*spec.limit);
  out.key("epochs").count(spec.epochs);
  out.key("epochs_reducer").begin_array().text("mean").end_array();
  out.key("log_samples").boolean(spec.log_samples);
  if (spec.time_limit)
    out.key("time_limit").count(static_cast<uint64_t>(spec.time_limit->count()));
  out.end_object();
  out.key("revision").null();
  out.key("packages").begin_object().member("assay", facts_.version).end_object();
  out.key("metadata").value(json_of(spec.metadata));
  out.key("viewer").null();
  out.key("scorers").begin_array();
  for (const auto& scorer : task().scorer_names)
    out.begin_object()
        .member("name", scorer)
        .key("options")
        .begin_object()
        .end_object()
        .key("metadata")
        .begin_object()
        .end_object()
        .end_object();
  out.end_array();
  out.key("metrics").begin_array().end_array();
  out.end_object();
}

void eval_log_head::write_plan(json_writer& out) const {
  out.key("plan").begin_object();
  out.member("name", "plan");
  out.key("steps").begin_array();
  out.begin_object().member("solver", "generate").key("params").begin_object().end_object().end_object();
  out.end_array();
  out.key("finish").null();
  out.key("config");
  write_config(out);
  out.end_object();
}

void eval_log_head::write_results(json_writer& out) const {
  const auto samples = count_at(numbers_, "samples");
  const auto errors = count_at(numbers_, "errors");
  out.key("results").begin_object();
  out.key("total_samples").count(task().sample_count * facts_.run.spec.epochs);
  out.key("completed_samples").count(samples - std::min(errors, samples));
  out.key("early_stopping").null();
  out.key("scores").begin_array();
  const auto* scorers = member(numbers_, "scorers");
  for (const auto& name : task().scorer_names) {
    const auto* one = scorers ? member(*scorers, name) : nullptr;
    const auto scored = one ? count_at(*one, "n") : 0;
    out.begin_object();
    out.member("name", name).member("scorer", name);
    out.key("reducer");
    if (facts_.run.spec.epochs > 1)
      out.text("mean");
    else
      out.null();
    out.key("scored_samples").count(scored);
    out.key("unscored_samples").count(samples - std::min(samples, scored));
    out.key("params").begin_object().end_object();
    out.key("metrics").begin_object();
    if (const auto mean = one ? number_at(*one, "mean") : std::nullopt)
      write_metric(out, "mean", *mean);
    if (const auto error = one ? number_at(*one, "stderr") : std::nullopt)
      write_metric(out, "stderr", *error);
    out.end_object();
    out.key("metadata").null().end_object();
  }
  out.end_array();
  out.key("metadata").begin_object();
  if (const auto score = number_at(numbers_, "score"))
    out.key("score").number(*score);
  out.end_object().end_object();
}

void eval_log_head::write_stats(json_writer& out) const {
  const auto& run = facts_.run;
  out.key("stats").begin_object();
  out.member("started_at", run.started_at ? to_rfc3339(*run.started_at) : std::string{});
  out.member("completed_at", run.finished_at ? to_rfc3339(*run.finished_at) : std::string{});
  out.key("model_usage").begin_object().key(model_);
  const auto* usage = member(numbers_, "usage");
  const auto tokens = [&](const char* key) { return usage ? count_at(*usage, key) : 0; };
  write_usage(out, tokens("prompt_tokens"), tokens("completion_tokens"), tokens("cached_tokens"),
              tokens("reasoning_tokens"), number_at(numbers_, "cost"));
  out.end_object();
  write_empty_objects(out, {"role_usage"});
  out.key("connection_limit_history").begin_array().end_array();
  out.end_object();
}

void write_log_head(json_writer& out, const report_facts& facts, const export_unit& unit) {
  eval_log_head(facts, unit).write(out);
}

} // namespace assay::reports::detail
