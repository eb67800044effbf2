#include "cli/run_report.hpp"

#include "actors/runs/store_run_worker.hpp"
#include "cli/files.hpp"
#include "storage/snapshot.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace assay::cli {

namespace {

using nlohmann::json;

constexpr auto replace = json::error_handler_t::replace;
/// A page with its answers must be read well within a snapshot's life.
constexpr size_t sample_page_rows = 200;

/// The member at a path of names, or null.
const json& at(const json& from, std::initializer_list<const char*> names) {
  static const json nothing;
  const auto* here = &from;
  for (const auto* name : names) {
    if (!here->is_object())
      return nothing;
    const auto found = here->find(name);
    if (found == here->end())
      return nothing;
    here = &*found;
  }
  return *here;
}

std::optional<double> number(const json& value) {
  return value.is_number() ? std::optional{value.get<double>()} : std::nullopt;
}

uint64_t count(const json& value) { return value.is_number_unsigned() ? value.get<uint64_t>() : 0; }

struct row_name {
  std::string task;
  std::string prompt;
  bool operator==(const row_name&) const = default;
};

/// The numbers of one run by task and prompt type.
struct column_data {
  std::string title;
  json document;
  std::vector<std::pair<row_name, json>> cells;
};

column_data column_of(const run_outcome& outcome) {
  column_data out;
  out.document = outcome_json(outcome);
  out.title = outcome.record.spec.model.value;
  if (at(out.document, {"simulated"}) == true)
    out.title += " (simulated)";
  const auto& tasks = at(out.document, {"task_results"});
  if (!tasks.is_array())
    return out;
  for (const auto& task : tasks) {
    const auto id = at(task, {"task_id"}).get<std::string>();
    for (const auto& prompt : at(task, {"prompt_types"}))
      out.cells.emplace_back(row_name{id, at(prompt, {"prompt_type"}).get<std::string>()}, prompt);
  }
  return out;
}

std::string score_cell(const json& numbers) {
  const auto n = count(at(numbers, {"n"}));
  const auto errors = count(at(numbers, {"errors"}));
  std::string out;
  if (const auto score = number(at(numbers, {"score"}))) {
    out = show_number(score, 3) + " ± " + show_number(number(at(numbers, {"stderr"})), 3);
    const auto& interval = at(numbers, {"confidence_interval"});
    if (interval.is_object())
      out += " [" + show_number(number(at(interval, {"low"})), 3) + ", "
             + show_number(number(at(interval, {"high"})), 3) + "]";
    out += "  n " + show_count(n);
  } else {
    out = "-  n " + show_count(count(at(numbers, {"samples"})));
  }
  if (errors > 0)
    out += ", " + show_count(errors) + (errors == 1 ? " error" : " errors");
  return out;
}

std::vector<row_name> rows_of(const std::vector<column_data>& columns) {
  std::vector<row_name> rows;
  for (const auto& column : columns)
    for (const auto& [name, cell] : column.cells)
      if (std::find(rows.begin(), rows.end(), name) == rows.end())
        rows.push_back(name);
  return rows;
}

std::string tokens_cell(const json& document) {
  const auto& usage = at(document, {"summary_metrics", "usage"});
  if (!usage.is_object())
    return "-";
  return show_count(count(at(usage, {"prompt_tokens"}))) + " in, "
         + show_count(count(at(usage, {"completion_tokens"}))) + " out";
}

std::string time_cell(const run_record& record) {
  if (!record.started_at || !record.finished_at)
    return "-";
  const auto duration = *record.finished_at - *record.started_at;
  std::string out = to_human(duration);
  if (duration.count() > 0)
    out += " ("
           + show_number(
               static_cast<double>(record.progress.done) * 1000.0 / static_cast<double>(duration.count()), 1)
           + "/s)";
  return out;
}

std::string cost_cell(const json& document) {
  const auto cost = number(at(document, {"summary_metrics", "total_cost"}));
  return cost ? to_string(from_dollars(*cost)) : "unknown";
}

std::string state_cell(const run_record& record) {
  std::string out(to_string(record.state));
  if (record.error)
    out += ": " + record.error->message;
  return on_one_line(out);
}

template <class Cell>
void add_footer(table& out, const char* name, size_t columns, Cell cell) {
  std::vector<std::string> cells{name, ""};
  for (size_t i = 0; i < columns; ++i)
    cells.push_back(cell(i));
  out.add(std::move(cells));
}

table build_table(const std::vector<column_data>& columns, const std::vector<const run_outcome*>& outcomes) {
  std::vector<table::column> titles{{"task"}, {"prompt"}};
  for (const auto& column : columns)
    titles.push_back({column.title});
  table out(std::move(titles));
  for (const auto& row : rows_of(columns)) {
    std::vector<std::string> cells{row.task, row.prompt};
    for (const auto& column : columns) {
      const auto found = std::find_if(column.cells.begin(), column.cells.end(),
                                      [&](const auto& cell) { return cell.first == row; });
      cells.push_back(found == column.cells.end() ? "" : score_cell(found->second));
    }
    out.add(std::move(cells));
  }
  out.add_rule();
  const auto size = columns.size();
  add_footer(out, "overall", size, [&](size_t i) {
    return show_number(number(at(columns[i].document, {"summary_metrics", "overall_score"})), 3);
  });
  add_footer(out, "samples", size, [&](size_t i) {
    const auto& done = outcomes[i]->record.progress;
    return show_count(done.done) + " of " + show_count(done.total)
           + (done.failed > 0 ? ", " + show_count(done.failed) + " failed" : "")
           + (done.possibly_billed > 0 ? ", " + show_count(done.possibly_billed) + " possibly billed" : "");
  });
  add_footer(out, "cost", size, [&](size_t i) { return cost_cell(columns[i].document); });
  add_footer(out, "tokens", size, [&](size_t i) { return tokens_cell(columns[i].document); });
  add_footer(out, "time", size, [&](size_t i) { return time_cell(outcomes[i]->record); });
  add_footer(out, "state", size, [&](size_t i) { return state_cell(outcomes[i]->record); });
  add_footer(out, "run", size, [&](size_t i) { return to_string(outcomes[i]->record.spec.id); });
  return out;
}

std::filesystem::path result_file(const run_outcome& outcome, const std::filesystem::path& path,
                                  bool single) {
  const auto model = as_file_name(outcome.record.spec.model.value);
  if (path.extension() != ".json")
    return path / model / ("results_" + to_string(outcome.record.spec.id) + ".json");
  return single ? path : path.parent_path() / (path.stem().string() + "_" + model + ".json");
}

/// The file of a task's samples, beside the result.
std::filesystem::path samples_file(const std::filesystem::path& beside, const run_outcome& outcome,
                                   const task_id& task, bool folder) {
  const auto name = as_file_name(task.value);
  const auto file = folder ? "samples_" + name + "_" + to_string(outcome.record.spec.id) + ".jsonl"
                           : beside.stem().string() + "_samples_" + name + ".jsonl";
  return beside.parent_path() / file;
}

result<void> write_samples(const std::shared_ptr<storage::store>& from, const run_record& record,
                           uint16_t task, const std::filesystem::path& file) {
  return write_file_atomically(file, [&](const text_sink& sink) {
    return for_each_sample(from, record, task, [&](const json& sample) {
      sink(sample.dump(-1, ' ', false, replace) + "\n");
      return true;
    });
  });
}

std::string name_or_number(const std::vector<std::string>& names, size_t index) {
  return index < names.size() ? names[index] : std::to_string(index);
}

json full_sample(storage::snapshot& view, const run_record& record, const sample_record& sample) {
  static const std::vector<std::string> no_names;
  const auto& spec = record.spec;
  const bool known = sample.address.task < spec.tasks.size();
  const auto response = view.find_response(record.spec.id, sample.address);
  const auto* found = response && *response ? &**response : nullptr;
  auto out = sample_to_json(sample, found, known ? spec.tasks[sample.address.task].scorer_names : no_names);
  out["task_id"] = known ? spec.tasks[sample.address.task].id.value : std::to_string(sample.address.task);
  out["prompt_type"] = name_or_number(spec.prompt_types, sample.address.variant);
  out["model_id"] = spec.model.value;
  return out;
}

} // namespace

result<run_outcome> read_outcome(const std::shared_ptr<storage::store>& from, run_id run) {
  run_outcome out;
  {
    auto view = storage::snapshot::open(from);
    if (!view)
      return view.error();
    auto record = view->find_run(run);
    if (!record)
      return record.error();
    if (!*record)
      return fault{
          errc::not_found, "there is no run " + to_string(run), {}, "`assay results` lists the runs"};
    out.record = std::move(**record);
    auto document = view->find_result(run);
    if (!document)
      return document.error();
    out.document = document->value_or("");
  }
  if (out.document.empty() && out.record.progress.done > 0)
    if (auto computed = compute_result(from, out.record))
      out.document = std::move(*computed);
  return out;
}

json outcome_json(const run_outcome& outcome) {
  auto parsed = json::parse(outcome.document, nullptr, false);
  return parsed.is_object() ? parsed : run_status_json(outcome.record);
}

std::string render_outcomes(const terminal& where, const std::vector<run_outcome>& outcomes) {
  std::vector<column_data> columns;
  std::vector<const run_outcome*> pointers;
  for (const auto& outcome : outcomes) {
    columns.push_back(column_of(outcome));
    pointers.push_back(&outcome);
  }
  const auto together = build_table(columns, pointers);
  if (outcomes.size() < 2 || where.columns == 0 || together.width() <= where.columns)
    return together.render(where);
  std::string out;
  for (size_t i = 0; i < columns.size(); ++i)
    out += (i > 0 ? "\n" : "") + build_table({columns[i]}, {pointers[i]}).render(where);
  return out;
}

result<std::vector<std::filesystem::path>> write_outcomes(const std::shared_ptr<storage::store>& from,
                                                          const std::vector<run_outcome>& outcomes,
                                                          const std::filesystem::path& path,
                                                          bool with_samples) {
  std::vector<std::filesystem::path> files;
  for (const auto& outcome : outcomes) {
    const auto file = result_file(outcome, path, outcomes.size() == 1);
    if (auto written = write_file_atomically(file, outcome_json(outcome).dump(2, ' ', false, replace) + "\n");
        !written)
      return written.error();
    files.push_back(file);
    const auto& tasks = outcome.record.spec.tasks;
    for (size_t i = 0; with_samples && i < tasks.size(); ++i) {
      const auto samples = samples_file(file, outcome, tasks[i].id, path.extension() != ".json");
      if (auto written = write_samples(from, outcome.record, static_cast<uint16_t>(i), samples); !written)
        return written.error();
      files.push_back(samples);
    }
  }
  return files;
}

result<void> for_each_sample(const std::shared_ptr<storage::store>& from, const run_record& record,
                             std::optional<uint16_t> only_task,
                             const std::function<bool(const json&)>& each) {
  std::optional<sample_address> after;
  if (only_task && *only_task > 0) {
    // The last place that a sample of the task before could have.
    after = sample_address{
        static_cast<uint16_t>(*only_task - 1), UINT16_MAX, UINT32_MAX, UINT16_MAX, UINT16_MAX, UINT16_MAX};
  }
  do {
    auto view = storage::snapshot::open(from);
    if (!view)
      return view.error();
    auto page = view->page_samples(record.spec.id, after, sample_page_rows);
    if (!page)
      return page.error();
    std::vector<json> ready;
    for (const auto& sample : page->samples) {
      if (only_task && sample.address.task != *only_task)
        continue;
      ready.push_back(full_sample(*view, record, sample));
    }
    const bool past = only_task && !page->samples.empty() && page->samples.back().address.task > *only_task;
    after = page->next;
    // What the caller does with them may be slow: the view must not wait for it.
    { const auto ended = std::move(*view); }
    for (const auto& sample : ready)
      if (!each(sample))
        return {};
    if (past)
      return {};
  } while (after);
  return {};
}

} // namespace assay::cli
