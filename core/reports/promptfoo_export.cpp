#include "core/reports/json_writer.hpp"
#include "core/reports/result_view.hpp"

#include <algorithm>

// promptfoo's results file, version 3 (https://www.promptfoo.dev/docs/configuration/outputs): a prompt for
// each task and prompt type, a result for each sample.
namespace assay::reports::detail {

namespace {

constexpr std::string_view pass_scorer = "pass";

class promptfoo_exporter final : public exporter {
public:
  promptfoo_exporter(const report_facts& facts, const export_options& options)
      : facts_(facts), pass_score_(options.pass_score), units_(units_of(facts.run)), sums_(units_.size()) {}

  void begin(const text_sink& out) override {
    std::string text = "{\"evalId\": ";
    append_json_text(text, "eval-" + to_string(facts_.run.spec.id));
    text += ", \"results\": {\"version\": 3, \"timestamp\": ";
    append_json_text(text, to_rfc3339(facts_.run.finished_at.value_or(facts_.run.spec.created_at)));
    out(text + ", \"results\": [");
  }

  void row(unsigned, const sample_row& row, const text_sink& out) override {
    const size_t unit = number_of(row.sample.address);
    if (unit >= units_.size())
      return;
    std::string text = first_ ? "\n" : ",\n";
    first_ = false;
    json_writer json(text);
    write(json, row, unit);
    out(text);
  }

  void end_pass(unsigned, const text_sink& out) override {
    std::string text = "\n], \"prompts\": ";
    json_writer prompts(text);
    prompts.begin_array();
    sums all;
    for (size_t i = 0; i < units_.size(); ++i) {
      write_prompt(prompts, units_[i], sums_[i]);
      all.add(sums_[i]);
    }
    prompts.end_array();
    text += ", \"stats\": ";
    json_writer stats(text);
    stats.begin_object();
    stats.key("successes")
        .count(all.passed)
        .key("failures")
        .count(all.failed)
        .key("errors")
        .count(all.errors);
    stats.key("tokenUsage");
    write_usage(stats, all.usage, all.passed + all.failed + all.errors);
    stats.end_object();
    text += "}, \"config\": ";
    json_writer config(text);
    config.begin_object();
    config.key("providers").begin_array().text(facts_.run.spec.model.value).end_array();
    config.member("description", "evaluation " + to_string(facts_.run.spec.id));
    config.end_object();
    out(text + ", \"shareableUrl\": null}\n");
  }

private:
  struct sums {
    uint64_t passed = 0;
    uint64_t failed = 0;
    uint64_t errors = 0;
    double score = 0;
    milliseconds time{0};
    token_usage_total usage;
    std::optional<money> cost;

    void add(const sums& other) {
      passed += other.passed;
      failed += other.failed;
      errors += other.errors;
      usage.prompt_tokens += other.usage.prompt_tokens;
      usage.completion_tokens += other.usage.completion_tokens;
      usage.cached_tokens += other.usage.cached_tokens;
    }
  };

  size_t number_of(const sample_address& at) const {
    return at.task * std::max<size_t>(facts_.run.spec.prompt_types.size(), 1) + at.variant;
  }

  std::string label(const export_unit& unit) const { return unit_name(facts_.run, unit); }

  /// The scorer of that name decides, else the first one's value.
  bool has_passed(const sample_record& sample) const {
    const auto& names = scorer_names(facts_.run, sample.address.task);
    for (const auto& score : sample.scores)
      if (score.scorer < names.size() && names[score.scorer] == pass_scorer)
        return score.value >= 1;
    const auto first = shown_score(sample);
    return first && *first >= pass_score_;
  }

  void write(json_writer& out, const sample_row& row, size_t unit) {
    const auto& sample = row.sample;
    const auto* response = row.response();
    const bool failed = sample.status == sample_status::failed;
    const bool pass = !failed && has_passed(sample);
    const double score = shown_score(sample).value_or(0);
    count(sums_[unit], sample, failed, pass, score);
    out.begin_object();
    out.member("id", to_string(sample.run) + ":" + std::to_string(unit) + ":"
                         + std::to_string(sample.address.sample) + ":"
                         + std::to_string(sample.address.epoch));
    out.key("promptIdx").count(unit).key("testIdx").count(sample.address.sample);
    out.member("promptId", label(units_[unit]));
    out.key("prompt").begin_object();
    out.member("raw", response ? response->prompt.view() : std::string_view{});
    out.member("label", label(units_[unit])).end_object();
    out.key("provider")
        .begin_object()
        .member("id", facts_.run.spec.model.value)
        .member("label", "")
        .end_object();
    write_test(out, row);
    out.key("success").boolean(pass).key("score").number(score);
    out.key("failureReason").count(pass ? 0 : failed ? 2 : 1);
    if (failed)
      out.member("error", response && !response->error_message.empty()
                              ? response->error_message
                              : std::string(sample.error ? to_string(*sample.error) : "failed"));
    out.key("latencyMs").integer(sample.duration.count());
    out.key("cost").number(sample.cost ? std::optional(to_dollars(*sample.cost)) : std::nullopt);
    out.key("response").begin_object();
    out.member("output", response ? response->answer.view() : std::string_view{});
    out.key("cached").boolean(sample.cached).key("tokenUsage");
    token_usage_total usage;
    usage += sample.usage;
    write_usage(out, usage, 1);
    out.end_object();
    write_grading(out, sample, pass, score);
    out.end_object();
  }

  static void count(sums& to, const sample_record& sample, bool failed, bool pass, double score) {
    (failed ? to.errors : pass ? to.passed : to.failed) += 1;
    to.score += score;
    to.time += sample.duration;
    to.usage += sample.usage;
    if (sample.cost)
      to.cost = to.cost.value_or(money{}) + *sample.cost;
  }

  /// A row of a test file has its variables and assertions; any other row is its own variables.
  static void write_test(json_writer& out, const sample_row& row) {
    const auto* document = row.document();
    const auto* vars = document ? document->find("vars") : nullptr;
    const auto* target = document ? document->find("assert") : nullptr;
    const auto* list = target ? target->find("assert") : nullptr;
    const bool is_test = vars && vars->type() == tasks::row_value::kind::object;
    const auto write_vars = [&] {
      out.key("vars");
      if (is_test)
        out.value(*vars);
      else if (document)
        out.value(*document);
      else
        out.begin_object().end_object();
    };
    write_vars();
    out.key("testCase").begin_object();
    write_vars();
    out.key("assert");
    if (is_test && list)
      out.value(*list);
    else
      out.begin_array().end_array();
    out.end_object();
  }

  void write_grading(json_writer& out, const sample_record& sample, bool pass, double score) const {
    const auto& names = scorer_names(facts_.run, sample.address.task);
    std::string_view reason;
    out.key("namedScores").begin_object();
    for (const auto& one : sample.scores) {
      if (one.scorer < names.size())
        out.key(names[one.scorer]).number(one.value);
      if (one.scorer == 0)
        reason = one.extracted;
    }
    out.end_object();
    out.key("gradingResult").begin_object();
    out.key("pass").boolean(pass).key("score").number(score);
    out.member("reason", reason).end_object();
  }

  void write_prompt(json_writer& out, const export_unit& unit, const sums& of) const {
    out.begin_object();
    out.member("id", label(unit)).member("raw", label(unit)).member("label", label(unit));
    out.member("provider", facts_.run.spec.model.value);
    out.key("metrics").begin_object();
    out.key("score").number(of.score);
    out.key("testPassCount").count(of.passed).key("testFailCount").count(of.failed);
    out.key("testErrorCount").count(of.errors);
    out.key("totalLatencyMs").integer(of.time.count());
    out.key("tokenUsage");
    write_usage(out, of.usage, of.passed + of.failed + of.errors);
    out.key("cost").number(of.cost ? std::optional(to_dollars(*of.cost)) : std::nullopt);
    out.end_object().end_object();
  }

  static void write_usage(json_writer& out, const token_usage_total& usage, uint64_t requests) {
    out.begin_object();
    out.key("total").count(usage.prompt_tokens + usage.completion_tokens);
    out.key("prompt").count(usage.prompt_tokens).key("completion").count(usage.completion_tokens);
    out.key("cached").count(usage.cached_tokens).key("numRequests").count(requests);
    out.end_object();
  }

  const report_facts& facts_;
  const double pass_score_;
  const std::vector<export_unit> units_;
  std::vector<sums> sums_;
  bool first_ = true;
};

} // namespace

std::unique_ptr<exporter> make_promptfoo_exporter(const report_facts& facts, const export_options& options) {
  return std::make_unique<promptfoo_exporter>(facts, options);
}

} // namespace assay::reports::detail
