#include "cli/run_report.hpp"

#include "actors/runs/run_counts.hpp"
#include "actors/runs/store_run_worker.hpp"
#include "cli/exit_codes.hpp"
#include "cli/files.hpp"
#include "cli/interrupted.hpp"
#include "cli/progress.hpp"
#include "config/providers.hpp"
#include "storage/result_files.hpp"
#include "storage/snapshot.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <iterator>

namespace assay::cli {

namespace {

using nlohmann::json;

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
  out.title = model_label(outcome.record.spec);
  // Another provider's address may be the mock's; only the answers tell then.
  if (at(out.document, {"simulated"}) == true && out.title == outcome.record.spec.model.value)
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
  const auto time = execution_time_of(record);
  if (!time)
    return "-";
  const auto duration = *time;
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

std::string state_cell(const run_outcome& outcome) {
  // The reason stands whole below the table.
  constexpr size_t most = 60;
  const auto& record = outcome.record;
  std::string out(outcome.interrupted ? interrupted_word : to_string(record.state));
  if (record.error)
    out += ": " + explained(record).message;
  return cut_to_width(on_one_line(out), most);
}

/// @returns what helps after a failure of this kind at a provider.
std::string advice(errc code, const provider_id& provider) {
  const auto variable = config::key_variable(provider.value);
  const auto key = variable.empty() ? "providers." + provider.value + ".api_key" : variable;
  switch (code) {
  case errc::quota_exhausted:
    return "its key has no credit left: top up the account, or set another key in " + key;
  case errc::credentials_rejected:
    return variable.empty() ? "it usually needs no key: check providers." + provider.value
                                  + ".base_url, or set a key in " + key
                            : "check the key in " + key;
  case errc::connect_failed:
    return "check the network, its proxy and providers." + provider.value + ".base_url";
  case errc::rate_limited:
    return "lower the limits of the model, or ask for higher ones";
  case errc::provider_timeout:
  case errc::provider_unavailable:
  case errc::truncated_answer:
  case errc::malformed_answer:
  case errc::breaker_open:
    return "the provider has trouble; `assay retry` asks again later";
  default:
    return {};
  }
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
           + (done.possibly_billed > 0 ? ", " + show_count(done.possibly_billed) + " possibly billed" : "")
           + (outcomes[i]->record.maybe_lost_calls > 0
                  ? " (at most " + show_count(possibly_billed_at_most(outcomes[i]->record)) + ")"
                  : "")
           + (done.cached > 0 ? ", " + show_count(done.cached) + " from the cache" : "");
  });
  add_footer(out, "cost", size, [&](size_t i) { return cost_cell(columns[i].document); });
  add_footer(out, "tokens", size, [&](size_t i) { return tokens_cell(columns[i].document); });
  add_footer(out, "time", size, [&](size_t i) { return time_cell(outcomes[i]->record); });
  add_footer(out, "state", size, [&](size_t i) { return state_cell(*outcomes[i]); });
  add_footer(out, "run", size, [&](size_t i) { return to_string(outcomes[i]->record.spec.id); });
  return out;
}

std::string agreement_line(const json& pair, const char* first, const char* second) {
  const auto name = [&](const char* key) {
    const auto& value = at(pair, {key});
    return value.is_string() ? on_one_line(value.get<std::string>()) : std::string("?");
  };
  return name(first) + " and " + name(second) + ": kappa "
         + show_number(number(at(pair, {"cohens_kappa"})), 3) + ", "
         + show_number(number(at(pair, {"same"})), 3) + " the same, n "
         + show_count(count(at(pair, {"samples"}))) + "\n";
}

/// Where a task has judges.
std::string render_agreement(const column_data& column) {
  std::string out;
  for (const auto& [name, numbers] : column.cells) {
    const auto& agreement = at(numbers, {"agreement"});
    const auto start = "agreement, " + on_one_line(name.task) + ", " + on_one_line(name.prompt) + ", ";
    if (const auto& panels = at(agreement, {"judges"}); panels.is_array())
      for (const auto& panel : panels) {
        const auto& scorer = at(panel, {"scorer"});
        out += start + (scorer.is_string() ? on_one_line(scorer.get<std::string>()) : std::string("?"))
               + ": alpha " + show_number(number(at(panel, {"krippendorff_alpha"})), 3) + ", n "
               + show_count(count(at(panel, {"samples"}))) + "\n";
        if (const auto& pairs = at(panel, {"pairs"}); pairs.is_array())
          for (const auto& pair : pairs)
            out += start + agreement_line(pair, "first", "second");
      }
    if (const auto& scorers = at(agreement, {"scorers"}); scorers.is_array())
      for (const auto& pair : scorers)
        out += start + agreement_line(pair, "judge", "scorer");
  }
  return out;
}

/// A path that ends in .json is the result's own; its samples go beside it under its name.
storage::result_file_names names_of(const run_outcome& outcome, const std::filesystem::path& path,
                                    bool single, bool with_samples) {
  if (path.extension() != ".json")
    return storage::result_files_of(outcome.record, with_samples);
  const auto stem =
      path.stem().string() + (single ? "" : "_" + as_file_name(outcome.record.spec.model.value));
  storage::result_file_names out;
  out.result = stem + ".json";
  if (with_samples)
    for (const auto& task : outcome.record.spec.tasks)
      out.samples.emplace_back(stem + "_samples_" + as_file_name(task.id.value) + ".jsonl");
  return out;
}

} // namespace

fault explained(const run_record& record) {
  auto out = record.error.value_or(fault{});
  const auto& provider = record.spec.provider;
  if (exit_code_of(out.code) != exit_code::provider || provider.value.empty())
    return out;
  if (out.message.find(provider.value) == std::string::npos)
    out.message = "provider " + provider.value + ": " + out.message;
  if (out.hint.empty())
    out.hint = advice(out.code, provider);
  return out;
}

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
  refresh_counts(from, out.record);
  if (out.document.empty() && out.record.progress.done > 0)
    if (auto computed = compute_result(from, out.record))
      out.document = std::move(*computed);
  return out;
}

json outcome_json(const run_outcome& outcome) {
  auto out = storage::result_or_status(outcome.record, outcome.document);
  if (outcome.interrupted)
    out["interrupted"] = true;
  return out;
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

std::string render_agreements(const std::vector<run_outcome>& outcomes) {
  std::string out;
  for (const auto& outcome : outcomes) {
    const auto column = column_of(outcome);
    const auto lines = render_agreement(column);
    if (!lines.empty())
      out += (outcomes.size() > 1 ? column.title + "\n" : "") + lines;
  }
  return out;
}

result<void> check_output_path(const std::filesystem::path& path) {
  const bool is_file = path.extension() == ".json";
  std::error_code ignored;
  if (is_file && std::filesystem::is_directory(path, ignored))
    return fault{errc::store_unreadable, "cannot write: it is a folder", path.string(),
                 "name a file, or a folder whose name does not end in .json"};
  const auto probe = (is_file ? path.parent_path() : path) / ".assay-can-write";
  if (auto written = write_file_atomically(probe, ""); !written) {
    auto reason = written.error();
    reason.where = path.string();
    return reason;
  }
  std::filesystem::remove(probe, ignored);
  return {};
}

result<std::vector<std::filesystem::path>> write_outcomes(const std::shared_ptr<storage::store>& from,
                                                          const std::vector<run_outcome>& outcomes,
                                                          const std::filesystem::path& path,
                                                          bool with_samples) {
  std::vector<std::filesystem::path> files;
  const auto where = path.extension() == ".json" ? path.parent_path() : path;
  const auto folder = storage::output_folder::open(where.empty() ? "." : where);
  if (!folder)
    return folder.error();
  for (const auto& outcome : outcomes) {
    const auto names = names_of(outcome, path, outcomes.size() == 1, with_samples);
    const auto written = storage::write_result_files(from, outcome.record, outcome.document, *folder, names);
    if (!written)
      return written.error();
    for (const auto& file : *written)
      files.push_back(where / file);
  }
  return files;
}

} // namespace assay::cli
