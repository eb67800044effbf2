#include "core/reports/eval_log_parts.hpp"

#include <algorithm>
#include <array>
#include <cstdio>

// inspect's EvalLog, version 2, as JSON: one file for each task and prompt type, which `inspect view` opens.
namespace assay::reports::detail {

namespace {

std::string_view stop_reason(finish_reason reason) noexcept {
  switch (reason) {
  case finish_reason::stop:
    return "stop";
  case finish_reason::length:
    return "max_tokens";
  case finish_reason::content_filter:
    return "content_filter";
  case finish_reason::tool_calls:
    return "tool_calls";
  case finish_reason::unknown:
    return "unknown";
  }
  return "unknown";
}

/// The same for the same place, so that an export made twice is the same file.
std::string stable_id(run_id run, const sample_address& at) {
  std::array<char, 40> text{};
  std::snprintf(text.data(), text.size(), "%016llx%04x%04x%08x%04x",
                static_cast<unsigned long long>(run.value), unsigned{at.task}, unsigned{at.variant},
                at.sample, unsigned{at.epoch});
  return text.data();
}

void write_sample_usage(json_writer& out, const sample_record& sample) {
  const auto& usage = sample.usage;
  const auto cost = sample.cost ? std::optional{to_dollars(*sample.cost)} : std::nullopt;
  write_usage(out, usage.prompt_tokens, usage.completion_tokens, usage.cached_tokens, usage.reasoning_tokens,
              cost);
}

/// Time that the call took, waits for a turn left out.
double working_seconds(const response_record& response) {
  const auto& t = response.timing;
  return static_cast<double>((t.connect + t.first_byte + t.transfer).count()) / 1e6;
}

class eval_log_exporter final : public exporter {
public:
  eval_log_exporter(const report_facts& facts, const export_unit& unit)
      : facts_(facts), unit_(unit), model_(model_name(facts.run)) {}

  /// The reductions stand behind the samples.
  unsigned passes() const override { return facts_.run.spec.epochs > 1 ? 1 + reducers() : 1; }

  void begin(const text_sink& out) override {
    std::string text;
    json_writer json(text);
    write_log_head(json, facts_, unit_);
    // The object goes on with the samples.
    out(text + "[");
  }

  void row(unsigned pass, const sample_row& row, const text_sink& out) override {
    if (pass > 0)
      return reduce(pass - 1, row, out);
    std::string text = first_ ? "\n" : ",\n";
    first_ = false;
    json_writer json(text);
    write_sample(json, row);
    out(text);
  }

  void end_pass(unsigned pass, const text_sink& out) override {
    std::string text;
    if (pass == 0)
      text += "\n], \"reductions\": ";
    if (pass == 0 && passes() == 1)
      text += "null}\n";
    if (passes() > 1) {
      if (pass > 0) {
        text += reduced();
        text += "]}";
      }
      if (pass + 1 == passes()) {
        text += "]}\n";
      } else {
        const auto& name = scorer_names(facts_.run, unit_.task)[pass];
        text += pass == 0 ? "[" : ", ";
        text += "{\"scorer\": ";
        append_json_text(text, name);
        text += ", \"reducer\": \"mean\", \"samples\": [";
        first_ = true;
      }
    }
    out(text);
  }

private:
  unsigned reducers() const { return static_cast<unsigned>(scorer_names(facts_.run, unit_.task).size()); }
  const pinned_task& task() const { return facts_.run.spec.tasks[unit_.task]; }

  // -- samples ---------------------------------------------------------------------------------------------

  void write_sample(json_writer& out, const sample_row& row) const {
    const auto& sample = row.sample;
    const auto* response = row.response();
    const auto prompt = response ? response->prompt.view() : std::string_view{};
    const auto answer = response ? response->answer.view() : std::string_view{};
    const auto uuid = stable_id(facts_.run.spec.id, sample.address);
    out.begin_object();
    out.key("id").count(sample.address.sample);
    out.key("epoch").count(uint64_t{sample.address.epoch} + 1);
    out.member("input", prompt);
    out.key("choices").null();
    out.member("target", response ? response->target.view() : std::string_view{});
    write_nulls(out, {"sandbox", "files", "setup"});
    out.key("messages").begin_array();
    out.begin_object().member("id", uuid + "u").member("content", prompt).member("source", "input");
    out.member("role", "user").end_object();
    if (!sample.error || !answer.empty())
      write_answer(out, uuid, answer);
    out.end_array();
    write_output(out, sample, response, uuid, answer);
    write_scores(out, sample, answer);
    write_metadata(out, row);
    write_empty_objects(out, {"store"});
    out.key("events").begin_array().end_array();
    out.key("timelines").null();
    out.key("model_usage").begin_object().key(model_);
    write_sample_usage(out, sample);
    out.end_object();
    write_empty_objects(out, {"role_usage"});
    out.key("model_fallbacks").null();
    write_times(out, sample, response);
    out.member("uuid", uuid);
    out.key("invalidation").null();
    out.key("error");
    if (sample.error)
      write_error(out,
                  std::string(to_string(*sample.error))
                      + (response && !response->error_message.empty() ? ": " + response->error_message : ""));
    else
      out.null();
    write_retries(out, response);
    write_empty_objects(out, {"attachments"});
    write_nulls(out, {"events_data", "limit"});
    out.key("turn_count").count(1);
    write_nulls(out, {"token_limit", "token_limit_type", "token_limit_usage"});
    out.end_object();
  }

  void write_answer(json_writer& out, const std::string& uuid, std::string_view answer) const {
    out.begin_object().member("id", uuid + "a").member("content", answer).member("source", "generate");
    out.member("role", "assistant").key("tool_calls").null().member("model", model_).end_object();
  }

  void write_output(json_writer& out, const sample_record& sample, const response_record* response,
                    const std::string& uuid, std::string_view answer) const {
    out.key("output").begin_object();
    out.text_or_null("model", response && !response->served_model.empty() ? response->served_model : model_);
    out.key("choices").begin_array();
    if (response && !response->error) {
      out.begin_object().key("message");
      write_answer(out, uuid, answer);
      out.member("stop_reason", stop_reason(response->finish)).key("logprobs").null().end_object();
    }
    out.end_array();
    out.member("completion", answer);
    out.key("usage");
    write_sample_usage(out, sample);
    out.key("time").number(response ? working_seconds(*response) : 0.0);
    out.key("metadata").begin_object();
    if (response)
      out.text_or_null("request_id", response->request_id);
    out.end_object();
    out.key("error");
    if (response && response->error)
      out.text(to_string(*response->error));
    else
      out.null();
    out.end_object();
  }

  void write_scores(json_writer& out, const sample_record& sample, std::string_view answer) const {
    out.key("scores").begin_object();
    const auto& names = task().scorer_names;
    for (const auto& score : sample.scores) {
      out.key(score.scorer < names.size() ? names[score.scorer] : "scorer_" + std::to_string(score.scorer));
      out.begin_object();
      out.key("value").number(score.value);
      out.member("answer", score.extracted.empty() ? answer : std::string_view(score.extracted));
      write_nulls(out, {"explanation", "metadata"});
      out.key("history").begin_array().end_array().end_object();
    }
    out.end_object();
  }

  void write_metadata(json_writer& out, const sample_row& row) const {
    const auto& spec = facts_.run.spec;
    const auto* response = row.response();
    out.key("metadata").begin_object();
    if (unit_.variant < spec.prompt_types.size())
      out.member("prompt_type", spec.prompt_types[unit_.variant]);
    out.key("cached").boolean(row.sample.cached);
    out.key("possibly_billed").boolean(row.sample.possibly_billed);
    out.key("tries").count(row.sample.tries);
    if (response) {
      out.text_or_null("key", response->key).text_or_null("served_by", response->served_by);
      out.key("simulated").boolean(response->simulated);
    }
    if (const auto* document = row.document())
      out.key("doc").value(*document);
    out.end_object();
  }

  static void write_times(json_writer& out, const sample_record& sample, const response_record* response) {
    const auto total = static_cast<double>(sample.duration.count()) / 1000.0;
    if (response) {
      out.member("started_at", to_rfc3339(response->finished_at - sample.duration));
      out.member("completed_at", to_rfc3339(response->finished_at));
    } else {
      write_nulls(out, {"started_at", "completed_at"});
    }
    out.key("total_time").number(total);
    out.key("working_time").number(response ? working_seconds(*response) : total);
  }

  static void write_retries(json_writer& out, const response_record* response) {
    out.key("error_retries").begin_array();
    if (response) {
      // The last failure of a call that failed was not followed by another try.
      const auto followed =
          response->failures.size() - (response->error && !response->failures.empty() ? 1 : 0);
      for (size_t i = 0; i < followed; ++i)
        write_error(out, std::string(to_string(response->failures[i].error)) + ": "
                             + response->failures[i].message);
    }
    out.end_array();
  }

  // -- reductions ------------------------------------------------------------------------------------------

  void reduce(unsigned scorer, const sample_row& row, const text_sink& out) {
    const auto sample = row.sample.address.sample;
    if (reduced_sample_ && *reduced_sample_ != sample)
      out(reduced());
    reduced_sample_ = sample;
    for (const auto& score : row.sample.scores)
      if (score.scorer == scorer) {
        sum_ += score.value;
        ++count_;
      }
  }

  /// @returns the mean of the epochs of the sample that was met last.
  std::string reduced() {
    std::string text;
    if (reduced_sample_ && count_ > 0) {
      text = first_ ? "" : ", ";
      first_ = false;
      json_writer json(text);
      json.begin_object().key("value").number(sum_ / static_cast<double>(count_));
      json.key("answer").null().key("explanation").null().key("metadata").null();
      json.key("history").begin_array().end_array();
      json.key("sample_id").count(*reduced_sample_).end_object();
    }
    reduced_sample_.reset();
    sum_ = 0;
    count_ = 0;
    return text;
  }

  const report_facts& facts_;
  const export_unit unit_;
  const std::string model_;
  bool first_ = true;
  std::optional<uint32_t> reduced_sample_;
  double sum_ = 0;
  uint64_t count_ = 0;
};

} // namespace

std::unique_ptr<exporter> make_eval_log_exporter(const report_facts& facts, const export_unit& unit) {
  return std::make_unique<eval_log_exporter>(facts, unit);
}

} // namespace assay::reports::detail
