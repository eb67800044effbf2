#include "core/reports/exporter.hpp"
#include "core/reports/markup.hpp"

#include <algorithm>

// JUnit XML, as CI systems read it: a suite for each task and prompt type, a case for each sample.
namespace assay::reports::detail {

namespace {

constexpr size_t shown_bytes = 2000;

enum class verdict : uint8_t { passed, failed, error, skipped };

class junit_exporter final : public exporter {
public:
  junit_exporter(const report_facts& facts, const export_options& options)
      : facts_(facts), pass_score_(options.pass_score) {}

  /// The numbers of a suite stand in front of its cases.
  unsigned passes() const override { return 2; }

  void row(unsigned pass, const sample_row& row, const text_sink& out) override {
    if (pass == 0)
      return count(row.sample);
    const export_unit unit{row.sample.address.task, row.sample.address.variant};
    if (!open_ || !(*open_ == unit)) {
      close_suite(out);
      open_suite(unit, out);
    }
    write_case(row, out);
  }

  void end_pass(unsigned pass, const text_sink& out) override {
    if (pass == 0)
      return begin_suites(out);
    close_suite(out);
    out("</testsuites>\n");
  }

private:
  struct tally {
    uint64_t tests = 0;
    uint64_t failures = 0;
    uint64_t errors = 0;
    uint64_t skipped = 0;
    milliseconds time{0};
  };

  verdict judge(const sample_record& sample) const {
    if (sample.status == sample_status::failed)
      return verdict::error;
    const auto score = shown_score(sample);
    if (!score)
      return verdict::skipped;
    return *score >= pass_score_ ? verdict::passed : verdict::failed;
  }

  void add(tally& to, const sample_record& sample) const {
    const auto what = judge(sample);
    ++to.tests;
    to.failures += what == verdict::failed ? 1 : 0;
    to.errors += what == verdict::error ? 1 : 0;
    to.skipped += what == verdict::skipped ? 1 : 0;
    to.time += sample.duration;
  }

  void count(const sample_record& sample) {
    add(all_, sample);
    auto& tasks = by_unit_;
    const size_t index = number_of({sample.address.task, sample.address.variant});
    if (tasks.size() <= index)
      tasks.resize(index + 1);
    add(tasks[index], sample);
  }

  size_t number_of(const export_unit& unit) const {
    return unit.task * std::max<size_t>(facts_.run.spec.prompt_types.size(), 1) + unit.variant;
  }

  static std::string numbers(const tally& of) {
    const auto number = [](const char* name, uint64_t value) {
      return std::string(" ") + name + "=\"" + std::to_string(value) + "\"";
    };
    return number("tests", of.tests) + number("failures", of.failures) + number("errors", of.errors)
           + number("skipped", of.skipped) + " time=\"" + seconds_of(of.time) + "\"";
  }

  static std::string seconds_of(milliseconds time) {
    return fixed(static_cast<double>(time.count()) / 1000.0, 3);
  }

  void begin_suites(const text_sink& out) const {
    out("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\""
        + escape_markup(facts_.run.spec.model.value) + "\"" + numbers(all_) + ">\n");
  }

  void open_suite(const export_unit& unit, const text_sink& out) {
    open_ = unit;
    const auto& run = facts_.run;
    std::string text = "<testsuite name=\"" + escape_markup(unit_name(run, unit)) + "\""
                       + numbers(by_unit_[number_of(unit)]) + " timestamp=\""
                       + to_rfc3339(run.started_at.value_or(run.spec.created_at)) + "\">\n<properties>\n";
    const auto property = [&](const char* name, const std::string& value) {
      text += std::string("<property name=\"") + name + "\" value=\"" + escape_markup(value) + "\"/>\n";
    };
    property("evaluation_id", to_string(run.spec.id));
    property("model_id", run.spec.model.value);
    property("provider", run.spec.provider.value);
    property("pass_score", fixed(pass_score_, 3));
    out(text + "</properties>\n");
  }

  void close_suite(const text_sink& out) {
    if (open_)
      out("</testsuite>\n");
    open_.reset();
  }

  void write_case(const sample_row& row, const text_sink& out) const {
    const auto& sample = row.sample;
    const auto& at = sample.address;
    std::string text = "<testcase classname=\"" + escape_markup(unit_name(facts_.run, *open_))
                       + "\" name=\"sample " + std::to_string(at.sample)
                       + (facts_.run.spec.epochs > 1 ? ", epoch " + std::to_string(at.epoch) : "")
                       + "\" time=\"" + seconds_of(sample.duration) + "\"";
    const auto what = judge(sample);
    if (what == verdict::passed)
      return out(text + "/>\n");
    text += ">";
    if (what == verdict::skipped)
      return out(text + "<skipped message=\"no score\"/></testcase>\n");
    const auto* response = row.response();
    if (what == verdict::error) {
      const auto code = sample.error ? std::string(to_string(*sample.error)) : std::string("unknown");
      text += "<error type=\"" + code + "\" message=\""
              + escape_markup(shorten(response ? response->error_message : std::string{}, shown_bytes))
              + "\"/>";
      return out(text + "</testcase>\n");
    }
    text += "<failure type=\"score\" message=\"score " + fixed(shown_score(sample).value_or(0), 3)
            + " is below " + fixed(pass_score_, 3) + "\">";
    if (response)
      text += escape_markup("expected: " + shorten(response->target.view(), shown_bytes)
                            + "\nanswer: " + shorten(response->answer.view(), shown_bytes));
    out(text + "</failure></testcase>\n");
  }

  const report_facts& facts_;
  const double pass_score_;
  tally all_;
  std::vector<tally> by_unit_;
  std::optional<export_unit> open_;
};

} // namespace

std::unique_ptr<exporter> make_junit_exporter(const report_facts& facts, const export_options& options) {
  return std::make_unique<junit_exporter>(facts, options);
}

} // namespace assay::reports::detail
