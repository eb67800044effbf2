#pragma once

#include "core/tasks/row_value.hpp"
#include "core/values/errors.hpp"
#include "core/values/run.hpp"
#include "core/values/sample.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// A run in the forms that people and other tools read. Every writer gets the samples one after another and
/// holds none of them, so that its memory does not grow with the run. The same run gives the same bytes.
namespace assay::reports {

/// Takes the next piece of a text.
using text_sink = std::function<void(std::string_view)>;

enum class export_format : uint8_t {
  json,      ///< The result with all its samples.
  jsonl,     ///< The samples, one JSON object a line, as the API shows them.
  csv,       ///< The samples as a table: RFC 4180, UTF-8.
  lm_eval,   ///< lm-evaluation-harness: results_*.json and samples_*.jsonl.
  eval_log,  ///< inspect's EvalLog, version 2, JSON.
  junit,     ///< JUnit XML: a sample is a test case.
  html,      ///< A report that opens offline.
  promptfoo, ///< promptfoo's results file, version 3.
};

std::string_view to_string(export_format format) noexcept;
std::optional<export_format> export_format_from_string(std::string_view name) noexcept;
/// @returns `application/json`, ...
std::string_view media_type(export_format format, bool samples_part) noexcept;

/// One task asked with one prompt type: what other tools call a task.
struct export_unit {
  uint16_t task = 0;
  uint16_t variant = 0;

  bool operator==(const export_unit&) const = default;
};

struct export_options {
  export_format format = export_format::json;
  /// Only these samples. eval_log and the samples of lm_eval need one.
  std::optional<export_unit> unit = {};
  bool samples_part = false; ///< Of lm_eval: the file of samples instead of that of results.
  double pass_score = 1.0;   ///< Of junit and promptfoo: a sample with less has failed.
  size_t worst_samples = 20; ///< Of html.
};

/// What is known of a run besides its samples.
struct report_facts {
  run_record run;
  std::string result;  ///< The result document, JSON text; the run's status when there is none.
  std::string version; ///< Of this program.
};

/// One sample and, on request, what belongs to it. Valid during one call.
struct sample_row {
  const sample_record& sample;
  std::function<const response_record*()> response; ///< Its last answer; null when there is none.
  std::function<const tasks::row_value*()>
      document; ///< Its row of the dataset; null when that cannot be read.
};

/// Writes one file. Calls: begin, then for each pass every row by address and end_pass; the text is whole
/// after the last one.
class exporter {
public:
  virtual ~exporter() = default;

  /// How often all rows have to come.
  virtual unsigned passes() const { return 1; }
  virtual void begin(const text_sink&) {}
  virtual void row(unsigned pass, const sample_row& row, const text_sink& out) = 0;
  virtual void end_pass(unsigned, const text_sink&) {}
};

/// @param facts Kept by the caller as long as the exporter.
/// @returns invalid_argument when the options lack what the format needs, or name what the run has not.
result<std::unique_ptr<exporter>> make_exporter(const report_facts& facts, const export_options& options);

/// One file of an export.
struct export_file {
  std::string name; ///< A relative path; its steps are safe as file names.
  export_options options;
};

/// @returns the files that make up the run in this format, in order.
std::vector<export_file> export_files(const run_record& run, const export_options& options);

/// @returns the tasks and prompt types of a run.
std::vector<export_unit> units_of(const run_record& run);

/// @returns the name that other tools see: the task's, with the prompt type behind it when the run has
/// several.
std::string unit_name(const run_record& run, const export_unit& unit);

/// @returns the name of the task's dataset without its folder: where files lie is nobody else's business.
std::string dataset_name(const pinned_task& task);

/// @returns the sample's score as lists show it: its first scorer's; nothing when it has none.
std::optional<double> shown_score(const sample_record& sample) noexcept;

/// @returns scorer names by task.
const std::vector<std::string>& scorer_names(const run_record& run, uint16_t task) noexcept;

/// @returns @p name with every character that is awkward in a file name as `_`.
std::string safe_file_name(std::string_view name);

namespace detail {

std::unique_ptr<exporter> make_json_exporter(const report_facts& facts);
std::unique_ptr<exporter> make_jsonl_exporter(const report_facts& facts);
std::unique_ptr<exporter> make_csv_exporter(const report_facts& facts);
std::unique_ptr<exporter> make_lm_eval_results_exporter(const report_facts& facts);
std::unique_ptr<exporter> make_lm_eval_samples_exporter(const report_facts& facts, const export_unit& unit);
std::unique_ptr<exporter> make_eval_log_exporter(const report_facts& facts, const export_unit& unit);
std::unique_ptr<exporter> make_junit_exporter(const report_facts& facts, const export_options& options);
std::unique_ptr<exporter> make_promptfoo_exporter(const report_facts& facts, const export_options& options);
std::unique_ptr<exporter> make_html_exporter(const report_facts& facts, const export_options& options);

/// @returns `2024-01-01T12-00-00.250000`: Python's isoformat() with `-` for `:`, of the run's end.
std::string date_id(const run_record& run);
/// @returns @p name as lm-evaluation-harness puts it into paths.
std::string sanitized_model_name(std::string_view name);

} // namespace detail

} // namespace assay::reports
