#include "core/reports/json_writer.hpp"
#include "core/reports/lm_eval_rows.hpp"
#include "core/reports/result_view.hpp"
#include "core/tasks/byte_reader.hpp"
#include "core/tasks/dataset.hpp"
#include "core/values/text.hpp"

#include <algorithm>

// The files of lm-evaluation-harness: results_<date>.json, written with indent 2, and
// samples_<task>_<date>.jsonl with one line for each document and filter.
namespace assay::reports::detail {

namespace {

using nlohmann::json;
using tasks::sha256_hex;

void write_generation(json_writer& out, const sampling& generation) {
  out.begin_object();
  out.key("until").begin_array();
  for (const auto& text : generation.stop)
    out.text(text);
  out.end_array();
  const auto temperature = generation.temperature.value_or(0.0);
  out.key("do_sample").boolean(temperature > 0);
  out.key("temperature").number(temperature);
  if (generation.top_p)
    out.key("top_p").number(*generation.top_p);
  if (generation.max_tokens)
    out.key("max_gen_toks").count(*generation.max_tokens);
  out.end_object();
}

} // namespace

std::string document_text(const sample_row& row, const response_record* response, int indent) {
  std::string text;
  json_writer out(text, indent);
  if (const auto* document = row.document()) {
    out.value(*document);
    return text;
  }
  out.begin_object();
  out.member("input", response ? response->prompt.view() : std::string_view{});
  out.member("target", response ? response->target.view() : std::string_view{});
  out.end_object();
  return text;
}

lm_eval_hashes hashes_of(const sample_row& row, const response_record* response) {
  lm_eval_hashes out;
  out.document = sha256_hex(document_text(row, response, 2));
  out.prompt = sha256_hex(response ? valid_utf8(response->prompt) : std::string{});
  out.target = sha256_hex(response ? valid_utf8(response->target) : std::string{});
  return out;
}

namespace {

// -- samples -----------------------------------------------------------------------------------------------

class samples_exporter final : public exporter {
public:
  samples_exporter(const report_facts& facts, const export_unit& unit)
      : facts_(facts), unit_(unit), filters_(filters_of(scorer_names(facts.run, unit.task))) {
    if (filters_.empty())
      filters_.push_back({"none", {}});
  }

  void row(unsigned, const sample_row& row, const text_sink& out) override {
    const auto* response = row.response();
    const auto hashes = hashes_of(row, response);
    for (const auto& filter : filters_)
      out(line(row, response, hashes, filter) + "\n");
  }

private:
  std::string line(const sample_row& row, const response_record* response, const lm_eval_hashes& hashes,
                   const filter_group& filter) const {
    const auto prompt = response ? response->prompt.view() : std::string_view{};
    const auto answer = response ? response->answer.view() : std::string_view{};
    std::string text;
    json_writer out(text);
    out.begin_object();
    out.key("doc_id").count(row.sample.address.sample);
    out.key("doc");
    write_document(out, row, prompt, response);
    out.member("target", response ? response->target.view() : std::string_view{});
    out.key("arguments").begin_object().key("gen_args_0").begin_object();
    out.member("arg_0", prompt);
    out.key("arg_1");
    write_generation(out, facts_.run.spec.tasks[unit_.task].generation);
    out.end_object().end_object();
    out.key("resps").begin_array().begin_array().text(answer).end_array().end_array();
    out.key("filtered_resps").begin_array().text(filtered(row.sample, filter, answer)).end_array();
    out.member("filter", filter.filter);
    out.key("metrics").begin_array();
    for (const auto& [scorer, metric] : filter.metrics)
      if (value_of(row.sample, scorer))
        out.text(metric);
    out.end_array();
    out.member("doc_hash", hashes.document);
    out.member("prompt_hash", hashes.prompt);
    out.member("target_hash", hashes.target);
    for (const auto& [scorer, metric] : filter.metrics)
      if (const auto value = value_of(row.sample, scorer))
        out.key(metric).number(*value);
    // Only where a document has several lines: the keys above are those that other tools know.
    if (facts_.run.spec.epochs > 1)
      out.key("epoch").count(row.sample.address.epoch);
    out.end_object();
    return text;
  }

  static void write_document(json_writer& out, const sample_row& row, std::string_view prompt,
                             const response_record* response) {
    if (const auto* document = row.document()) {
      out.value(*document);
      return;
    }
    out.begin_object();
    out.member("input", prompt);
    out.member("target", response ? response->target.view() : std::string_view{});
    out.end_object();
  }

  static const score_value* score_of(const sample_record& sample, size_t scorer) {
    for (const auto& score : sample.scores)
      if (score.scorer == scorer)
        return &score;
    return nullptr;
  }
  static std::optional<double> value_of(const sample_record& sample, size_t scorer) {
    const auto* score = score_of(sample, scorer);
    return score ? std::optional{score->value} : std::nullopt;
  }
  static std::string_view filtered(const sample_record& sample, const filter_group& filter,
                                   std::string_view answer) {
    for (const auto& [scorer, metric] : filter.metrics)
      if (const auto* score = score_of(sample, scorer); score && !score->extracted.empty())
        return score->extracted;
    return answer;
  }

  const report_facts& facts_;
  const export_unit unit_;
  std::vector<filter_group> filters_;
};

// -- results -----------------------------------------------------------------------------------------------

class results_exporter final : public exporter {
public:
  explicit results_exporter(const report_facts& facts)
      : facts_(facts), result_(facts), units_(units_of(facts.run)) {
    for (size_t i = 0; i < units_.size(); ++i)
      hashes_.emplace_back();
    for (const auto& task : facts.run.spec.tasks)
      origins_.push_back(lm_eval_origin_of(task));
  }

  void row(unsigned, const sample_row& row, const text_sink&) override {
    const auto& at = row.sample.address;
    const size_t unit = at.task * variants() + at.variant;
    if (at.variant >= variants() || unit >= hashes_.size())
      return;
    const auto one = hashes_of(row, row.response());
    // A document has one line for each filter, and each line counts.
    const auto lines = std::max<size_t>(filters_of(scorer_names(facts_.run, at.task)).size(), 1);
    for (size_t i = 0; i < lines; ++i)
      hashes_[unit].update(one.document + one.prompt + one.target);
  }

  void end_pass(unsigned, const text_sink& out) override {
    std::string text;
    json_writer json(text, 2);
    json.begin_object();
    write_results(json);
    write_configs(json);
    write_per_task(json);
    write_config(json);
    write_rest(json);
    json.end_object();
    out(text);
  }

private:
  size_t variants() const { return std::max<size_t>(facts_.run.spec.prompt_types.size(), 1); }
  std::string name(const export_unit& unit) const { return unit_name(facts_.run, unit); }
  const std::optional<lm_eval_origin>& origin(const export_unit& unit) const { return origins_[unit.task]; }
  uint64_t shots(const export_unit& unit) const {
    return origin(unit) ? origin(unit)->num_fewshot : facts_.run.spec.num_fewshot;
  }
  const pinned_task& task(const export_unit& unit) const { return facts_.run.spec.tasks[unit.task]; }

  void write_results(json_writer& out) const {
    out.key("results").begin_object();
    for (const auto& unit : units_) {
      const auto& numbers = result_.of(facts_.run, unit);
      const auto* scorers = member(numbers, "scorers");
      out.key(name(unit)).begin_object();
      out.member("name", name(unit)).member("alias", name(unit));
      out.key("sample_len").count(samples_of(unit));
      for (const auto& scorer : task(unit).scorer_names) {
        const auto known = metric_of(scorer);
        const auto* one = scorers ? member(*scorers, scorer) : nullptr;
        const auto mean = one ? number_at(*one, "mean") : std::nullopt;
        const auto error = one ? number_at(*one, "stderr") : std::nullopt;
        if (!mean)
          continue;
        out.key(known.metric + "," + known.filter).number(*mean);
        out.key(known.metric + "_stderr," + known.filter);
        if (error)
          out.number(*error);
        else
          out.text("N/A");
      }
      out.end_object();
    }
    out.end_object();
    write_groups(out);
  }

  void write_groups(json_writer& out) const {
    const auto* groups = member(result_.document(), "groups");
    if (groups != nullptr && groups->is_object()) {
      out.key("groups").begin_object();
      for (const auto& [group, numbers] : groups->items())
        write_group(out, group, numbers);
      out.end_object();
    }
    out.key("group_subtasks").begin_object();
    if (groups != nullptr && groups->is_object())
      for (const auto& [group, numbers] : groups->items()) {
        out.key(group).begin_array();
        for (const auto& unit : units_)
          if (const auto& tasks = numbers["tasks"];
              std::find(tasks.begin(), tasks.end(), task(unit).id.value) != tasks.end())
            out.text(name(unit));
        out.end_array();
      }
    for (const auto& unit : units_)
      out.key(name(unit)).begin_array().end_array();
    out.end_object();
  }

  static void write_group(json_writer& out, const std::string& group, const json& numbers) {
    out.key(group).begin_object();
    out.member("name", group).member("alias", numbers.value("alias", group));
    out.key("sample_len").count(count_at(numbers, "n"));
    for (const auto& [name, value] : numbers["metrics"].items()) {
      const auto known = metric_of(name);
      out.key(known.metric + "," + known.filter).number(value.get<double>());
      out.key(known.metric + "_stderr," + known.filter);
      if (const auto error = number_at(numbers["stderr"], name))
        out.number(*error);
      else
        out.text("N/A");
    }
    out.end_object();
  }

  void write_configs(json_writer& out) const {
    const auto& spec = facts_.run.spec;
    out.key("configs").begin_object();
    for (const auto& unit : units_) {
      if (origin(unit)) {
        out.key(name(unit)).value(origin(unit)->config);
        continue;
      }
      out.key(name(unit)).begin_object();
      out.member("task", name(unit));
      out.member("dataset_path", dataset_name(task(unit)));
      out.key("num_fewshot").count(spec.num_fewshot);
      out.key("metric_list").begin_array();
      for (const auto& scorer : task(unit).scorer_names) {
        out.begin_object().member("metric", metric_of(scorer).metric);
        out.member("aggregation", "mean").key("higher_is_better").boolean(true).end_object();
      }
      out.end_array();
      out.member("output_type", "generate_until");
      out.key("generation_kwargs");
      write_generation(out, task(unit).generation);
      out.key("repeats").count(spec.epochs);
      out.key("should_decontaminate").boolean(false);
      out.key("metadata").begin_object().key("version").number(1.0);
      out.member("definition_hash", task(unit).definition_hash)
          .member("dataset_hash", task(unit).dataset_hash);
      if (unit.variant < spec.prompt_types.size())
        out.member("prompt_type", spec.prompt_types[unit.variant]);
      out.end_object().end_object();
    }
    out.end_object();
  }

  void write_per_task(json_writer& out) const {
    out.key("versions").begin_object();
    for (const auto& unit : units_)
      out.key(name(unit)).value(origin(unit) ? version_of(*origin(unit)) : json(1.0));
    out.end_object();
    out.key("n-shot").begin_object();
    for (const auto& unit : units_)
      out.key(name(unit)).count(shots(unit));
    out.end_object();
    out.key("higher_is_better").begin_object();
    for (const auto& unit : units_) {
      out.key(name(unit)).begin_object();
      const auto directions = origin(unit) ? directions_of(*origin(unit)) : std::map<std::string, bool>{};
      std::vector<std::string> seen;
      for (const auto& scorer : task(unit).scorer_names) {
        auto metric = metric_of(scorer).metric;
        if (std::find(seen.begin(), seen.end(), metric) != seen.end())
          continue;
        const auto known = directions.find(metric);
        out.key(metric).boolean(known == directions.end() || known->second);
        seen.push_back(std::move(metric));
      }
      out.end_object();
    }
    out.end_object();
    out.key("n-samples").begin_object();
    for (const auto& unit : units_) {
      out.key(name(unit)).begin_object();
      out.key("original").count(task(unit).dataset_rows).key("effective").count(task(unit).sample_count);
      out.end_object();
    }
    out.end_object();
  }

  void write_config(json_writer& out) const {
    const auto& spec = facts_.run.spec;
    const auto requested = json::parse(spec.requested, nullptr, false);
    out.key("config").begin_object();
    out.member("model", spec.provider.value);
    out.member("model_args", "model=" + spec.wire_model);
    for (const auto* unknown : {"model_num_parameters", "model_dtype", "model_revision", "model_sha"})
      out.key(unknown).null();
    const auto* batch = member(requested, "batch_size");
    out.key("batch_size").value(batch ? *batch : json(1));
    out.key("batch_sizes").begin_array().end_array();
    const auto* device = member(requested, "device");
    out.key("device").value(device ? *device : json(nullptr));
    out.key("use_cache").null();
    if (spec.limit)
      out.key("limit").number(static_cast<double>(*spec.limit));
    else
      out.key("limit").null();
    out.key("bootstrap_iters").count(0);
    const auto* sampling = member(requested, "gen_kwargs");
    out.key("gen_kwargs").value(sampling ? *sampling : json(nullptr));
    out.key("random_seed").integer(spec.random_seed);
    write_seed(out, requested, "numpy_seed", "numpy_random_seed");
    write_seed(out, requested, "torch_seed", "torch_random_seed");
    write_seed(out, requested, "fewshot_seed", "fewshot_random_seed");
    out.end_object();
  }

  void write_seed(json_writer& out, const json& requested, const char* key, const char* asked) const {
    const auto* seed = member(requested, asked);
    out.key(key).value(seed ? *seed : json(facts_.run.spec.random_seed));
  }

  void write_rest(json_writer& out) {
    const auto& run = facts_.run;
    out.key("git_hash").null();
    const auto date = run.started_at.value_or(run.spec.created_at).time_since_epoch();
    out.key("date").number(static_cast<double>(date.count()) / 1000.0);
    out.member("pretty_env_info", "assay " + facts_.version + ", evaluation " + to_string(run.spec.id));
    out.key("transformers_version").null();
    // Not a run of that program: who reads it must not think so.
    out.key("lm_eval_version").null();
    out.key("upper_git_hash").null();
    for (const auto* token : {"tokenizer_pad_token", "tokenizer_eos_token", "tokenizer_bos_token"})
      out.key(token).begin_array().text("None").text("None").end_array();
    out.key("eot_token_id").null().key("max_length").null();
    out.key("task_hashes").begin_object();
    for (size_t i = 0; i < units_.size(); ++i)
      out.member(name(units_[i]), hashes_[i].finish());
    out.end_object();
    out.member("model_source", run.spec.provider.value);
    out.member("model_name", run.spec.wire_model);
    out.member("model_name_sanitized", sanitized_model_name(run.spec.wire_model));
    out.key("system_instruction").null().key("system_instruction_sha").null();
    out.key("fewshot_as_multiturn").boolean(run.spec.num_fewshot > 0);
    out.key("chat_template").null().key("chat_template_sha").null();
    const auto time = execution_time_of(run);
    out.member("total_evaluation_time_seconds",
               python_float(time ? static_cast<double>(time->count()) / 1000.0 : 0.0));
  }

  uint64_t samples_of(const export_unit& unit) const {
    const auto counted = count_at(result_.of(facts_.run, unit), "samples");
    return counted > 0 ? counted : task(unit).sample_count;
  }

  const report_facts& facts_;
  const result_view result_;
  const std::vector<export_unit> units_;
  std::vector<tasks::sha256_digest> hashes_;           ///< By unit.
  std::vector<std::optional<lm_eval_origin>> origins_; ///< By task; nothing for tasks of assay's own.
};

} // namespace

std::unique_ptr<exporter> make_lm_eval_results_exporter(const report_facts& facts) {
  return std::make_unique<results_exporter>(facts);
}

std::unique_ptr<exporter> make_lm_eval_samples_exporter(const report_facts& facts, const export_unit& unit) {
  return std::make_unique<samples_exporter>(facts, unit);
}

} // namespace assay::reports::detail
