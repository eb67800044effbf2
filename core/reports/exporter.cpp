#include "core/reports/exporter.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <utility>

namespace assay::reports {

namespace {

constexpr std::array<std::pair<export_format, std::string_view>, 8> format_names{{
    {export_format::json, "json"},
    {export_format::jsonl, "jsonl"},
    {export_format::csv, "csv"},
    {export_format::lm_eval, "lm-eval"},
    {export_format::eval_log, "evallog"},
    {export_format::junit, "junit"},
    {export_format::html, "html"},
    {export_format::promptfoo, "promptfoo"},
}};

fault needs_a_task(const run_record& run) {
  std::string names;
  for (const auto& unit : units_of(run))
    names += (names.empty() ? "" : ", ") + unit_name(run, unit);
  return {errc::invalid_argument, "this format has one file for each task: name one", "task",
          "the run has " + names};
}

std::string_view extension(export_format format) noexcept {
  switch (format) {
  case export_format::jsonl:
    return ".jsonl";
  case export_format::csv:
    return ".csv";
  case export_format::junit:
    return ".xml";
  case export_format::html:
    return ".html";
  case export_format::json:
  case export_format::lm_eval:
  case export_format::eval_log:
  case export_format::promptfoo:
    return ".json";
  }
  return ".json";
}

} // namespace

std::string_view to_string(export_format format) noexcept {
  for (const auto& [value, name] : format_names)
    if (value == format)
      return name;
  return "unknown";
}

std::optional<export_format> export_format_from_string(std::string_view name) noexcept {
  for (const auto& [value, known] : format_names)
    if (known == name)
      return value;
  return std::nullopt;
}

std::string_view media_type(export_format format, bool samples_part) noexcept {
  switch (format) {
  case export_format::jsonl:
    return "application/x-ndjson";
  case export_format::csv:
    return "text/csv; charset=utf-8; header=present";
  case export_format::junit:
    return "application/xml";
  case export_format::html:
    return "text/html; charset=utf-8";
  case export_format::lm_eval:
    return samples_part ? "application/x-ndjson" : "application/json";
  case export_format::json:
  case export_format::eval_log:
  case export_format::promptfoo:
    return "application/json";
  }
  return "application/octet-stream";
}

std::vector<export_unit> units_of(const run_record& run) {
  std::vector<export_unit> out;
  for (size_t task = 0; task < run.spec.tasks.size(); ++task)
    for (size_t variant = 0; variant < std::max<size_t>(run.spec.prompt_types.size(), 1); ++variant)
      out.push_back({static_cast<uint16_t>(task), static_cast<uint16_t>(variant)});
  return out;
}

std::string unit_name(const run_record& run, const export_unit& unit) {
  const auto& spec = run.spec;
  auto out = unit.task < spec.tasks.size() ? spec.tasks[unit.task].id.value : std::to_string(unit.task);
  if (spec.prompt_types.size() > 1 && unit.variant < spec.prompt_types.size())
    out += "_" + spec.prompt_types[unit.variant];
  return out;
}

std::string dataset_name(const pinned_task& task) {
  const auto slash = task.dataset_path.rfind('/');
  return slash == std::string::npos ? task.dataset_path : task.dataset_path.substr(slash + 1);
}

std::optional<double> shown_score(const sample_record& sample) noexcept {
  for (const auto& score : sample.scores)
    if (score.scorer == 0)
      return score.value;
  return std::nullopt;
}

const std::vector<std::string>& scorer_names(const run_record& run, uint16_t task) noexcept {
  static const std::vector<std::string> none;
  return task < run.spec.tasks.size() ? run.spec.tasks[task].scorer_names : none;
}

std::string safe_file_name(std::string_view name) {
  std::string out;
  for (const char c : name) {
    const bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    out += is_letter || c == '.' || c == '_' || c == '-' ? c : '_';
  }
  // Neither a hidden file nor a way up.
  if (out.empty() || out.front() == '.')
    out.insert(out.begin(), '_');
  return out.substr(0, 150);
}

result<std::unique_ptr<exporter>> make_exporter(const report_facts& facts, const export_options& options) {
  const auto units = units_of(facts.run);
  if (options.unit && std::find(units.begin(), units.end(), *options.unit) == units.end())
    return fault{errc::invalid_argument, "the run has no such task and prompt type", "task", {}};
  const bool needs_unit = options.format == export_format::eval_log
                          || (options.format == export_format::lm_eval && options.samples_part);
  auto unit = options.unit;
  if (needs_unit && !unit) {
    if (units.size() != 1)
      return needs_a_task(facts.run);
    unit = units.front();
  }
  switch (options.format) {
  case export_format::json:
    return detail::make_json_exporter(facts);
  case export_format::jsonl:
    return detail::make_jsonl_exporter(facts);
  case export_format::csv:
    return detail::make_csv_exporter(facts);
  case export_format::lm_eval:
    return options.samples_part ? detail::make_lm_eval_samples_exporter(facts, *unit)
                                : detail::make_lm_eval_results_exporter(facts);
  case export_format::eval_log:
    return detail::make_eval_log_exporter(facts, *unit);
  case export_format::junit:
    return detail::make_junit_exporter(facts, options);
  case export_format::promptfoo:
    return detail::make_promptfoo_exporter(facts, options);
  case export_format::html:
    return detail::make_html_exporter(facts, options);
  }
  return fault{errc::unsupported, "unknown format", "format", {}};
}

std::vector<export_file> export_files(const run_record& run, const export_options& options) {
  const auto id = to_string(run.spec.id);
  if (options.format == export_format::lm_eval) {
    const auto folder = safe_file_name(detail::sanitized_model_name(run.spec.wire_model)) + "/";
    const auto date = detail::date_id(run);
    std::vector<export_file> out{{folder + "results_" + date + ".json", options}};
    for (const auto& unit : units_of(run)) {
      auto samples = options;
      samples.unit = unit;
      samples.samples_part = true;
      out.push_back(
          {folder + "samples_" + safe_file_name(unit_name(run, unit)) + "_" + date + ".jsonl", samples});
    }
    return out;
  }
  if (options.format == export_format::eval_log) {
    std::vector<export_file> out;
    for (const auto& unit : units_of(run)) {
      auto one = options;
      one.unit = unit;
      out.push_back(
          {detail::date_id(run) + "_" + safe_file_name(unit_name(run, unit)) + "_" + id + ".json", one});
    }
    return out;
  }
  return {{id + std::string(extension(options.format)), options}};
}

namespace detail {

std::string date_id(const run_record& run) {
  const auto at = run.finished_at.value_or(run.spec.created_at);
  const auto day = std::chrono::floor<std::chrono::days>(at);
  const std::chrono::year_month_day date{day};
  const std::chrono::hh_mm_ss time{at - day};
  std::array<char, 64> buffer{};
  std::snprintf(buffer.data(), buffer.size(), "%04d-%02u-%02uT%02d-%02d-%02d.%03d000",
                static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                static_cast<unsigned>(date.day()), static_cast<int>(time.hours().count()),
                static_cast<int>(time.minutes().count()), static_cast<int>(time.seconds().count()),
                static_cast<int>(time.subseconds().count()));
  return buffer.data();
}

std::string sanitized_model_name(std::string_view name) {
  // re.sub(r"[\"<>:/|\\?*\[\]]+", "__", name)
  constexpr std::string_view awkward = "\"<>:/|\\?*[]";
  std::string out;
  bool inside = false;
  for (const char c : name) {
    const bool is_awkward = awkward.find(c) != std::string_view::npos;
    if (!is_awkward)
      out += c;
    else if (!inside)
      out += "__";
    inside = is_awkward;
  }
  return out;
}

} // namespace detail

} // namespace assay::reports
