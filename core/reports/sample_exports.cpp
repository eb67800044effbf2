#include "core/reports/exporter.hpp"
#include "core/reports/markup.hpp"

#include "core/values/text.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>

// The samples as the API shows them, and as a table.
namespace assay::reports::detail {

namespace {

using nlohmann::json;

constexpr auto replace = json::error_handler_t::replace;

std::string task_name(const run_record& run, uint16_t task) {
  return task < run.spec.tasks.size() ? run.spec.tasks[task].id.value : std::to_string(task);
}

std::string variant_name(const run_record& run, uint16_t variant) {
  return variant < run.spec.prompt_types.size() ? run.spec.prompt_types[variant] : std::to_string(variant);
}

std::string sample_text(const run_record& run, const sample_row& row) {
  const auto& at = row.sample.address;
  auto out = sample_to_json(row.sample, row.response(), scorer_names(run, at.task));
  out["task_id"] = task_name(run, at.task);
  out["prompt_type"] = variant_name(run, at.variant);
  out["model_id"] = run.spec.model.value;
  return out.dump(-1, ' ', false, replace);
}

class jsonl_exporter final : public exporter {
public:
  explicit jsonl_exporter(const report_facts& facts) : facts_(facts) {}

  void row(unsigned, const sample_row& row, const text_sink& out) override {
    out(sample_text(facts_.run, row) + "\n");
  }

private:
  const report_facts& facts_;
};

class json_exporter final : public exporter {
public:
  explicit json_exporter(const report_facts& facts) : facts_(facts) {}

  void begin(const text_sink& out) override {
    auto document = json::parse(facts_.result, nullptr, false);
    if (!document.is_object())
      document = run_status_json(facts_.run);
    document.erase("samples");
    auto text = document.dump(-1, ' ', false, replace);
    text.pop_back();
    out(text + (document.empty() ? "" : ",") + "\"samples\":[");
  }
  void row(unsigned, const sample_row& row, const text_sink& out) override {
    out((first_ ? "\n" : ",\n") + sample_text(facts_.run, row));
    first_ = false;
  }
  void end_pass(unsigned, const text_sink& out) override { out("\n]}\n"); }

private:
  const report_facts& facts_;
  bool first_ = true;
};

// -- CSV ---------------------------------------------------------------------------------------------------

/// A cell of text. One that a spreadsheet would take for a formula gets an apostrophe in front, which it
/// shows as no part of the text.
std::string text_cell(std::string_view text) {
  auto out = valid_utf8(text);
  constexpr std::string_view formula_starts = "=+-@\t\r";
  if (!out.empty() && formula_starts.find(out.front()) != std::string_view::npos)
    out.insert(out.begin(), '\'');
  if (out.find_first_of(",\"\r\n") == std::string::npos)
    return out;
  std::string quoted = "\"";
  for (const char c : out) {
    if (c == '"')
      quoted += '"';
    quoted += c;
  }
  return quoted + "\"";
}

std::string number_cell(double value) { return json(value).dump(); }

class csv_exporter final : public exporter {
public:
  explicit csv_exporter(const report_facts& facts) : facts_(facts) {
    for (const auto& task : facts.run.spec.tasks)
      for (const auto& name : task.scorer_names)
        if (std::find(scorers_.begin(), scorers_.end(), name) == scorers_.end())
          scorers_.push_back(name);
  }

  void begin(const text_sink& out) override {
    std::string line = "evaluation_id,model_id,task_id,prompt_type,sample,epoch,status,score";
    for (const auto& name : scorers_)
      line += "," + text_cell("score_" + name);
    line += ",error,error_message,tries,duration_ms,prompt_tokens,completion_tokens,cost,finish_reason,key,"
            "served_by,finished_at,extracted,target,prompt,answer\r\n";
    out(line);
  }

  void row(unsigned, const sample_row& row, const text_sink& out) override {
    const auto& sample = row.sample;
    const auto& at = sample.address;
    const auto& run = facts_.run;
    std::string line = to_string(run.spec.id) + "," + text_cell(run.spec.model.value) + ","
                       + text_cell(task_name(run, at.task)) + "," + text_cell(variant_name(run, at.variant))
                       + "," + std::to_string(at.sample) + "," + std::to_string(at.epoch) + ","
                       + std::string(to_string(sample.status)) + ",";
    if (const auto score = shown_score(sample))
      line += number_cell(*score);
    add_scores(line, sample);
    const auto* response = row.response();
    line += "," + (sample.error ? std::string(to_string(*sample.error)) : std::string{}) + ","
            + (response ? text_cell(response->error_message) : std::string{}) + ","
            + std::to_string(sample.tries) + "," + std::to_string(sample.duration.count()) + ","
            + std::to_string(sample.usage.prompt_tokens) + ","
            + std::to_string(sample.usage.completion_tokens) + ","
            + (sample.cost ? number_cell(to_dollars(*sample.cost)) : std::string{}) + ",";
    add_response(line, sample, response);
    out(line + "\r\n");
  }

private:
  void add_scores(std::string& line, const sample_record& sample) const {
    const auto& names = scorer_names(facts_.run, sample.address.task);
    for (const auto& name : scorers_) {
      line += ",";
      for (const auto& score : sample.scores)
        if (score.scorer < names.size() && names[score.scorer] == name)
          line += number_cell(score.value);
    }
  }

  static void add_response(std::string& line, const sample_record& sample, const response_record* response) {
    const auto extracted = sample.scores.empty() ? std::string{} : text_cell(sample.scores.front().extracted);
    if (!response) {
      line += ",,,," + extracted + ",,,";
      return;
    }
    if (response->finish != finish_reason::unknown)
      line += to_string(response->finish);
    line += "," + text_cell(response->key) + "," + text_cell(response->served_by) + ","
            + to_rfc3339(response->finished_at) + "," + extracted + "," + text_cell(response->target) + ","
            + text_cell(response->prompt) + "," + text_cell(response->answer);
  }

  const report_facts& facts_;
  std::vector<std::string> scorers_; ///< Of all tasks, each once.
};

} // namespace

std::unique_ptr<exporter> make_json_exporter(const report_facts& facts) {
  return std::make_unique<json_exporter>(facts);
}
std::unique_ptr<exporter> make_jsonl_exporter(const report_facts& facts) {
  return std::make_unique<jsonl_exporter>(facts);
}
std::unique_ptr<exporter> make_csv_exporter(const report_facts& facts) {
  return std::make_unique<csv_exporter>(facts);
}

} // namespace assay::reports::detail
