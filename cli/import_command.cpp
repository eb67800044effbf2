#include "cli/arguments.hpp"
#include "cli/commands.hpp"
#include "cli/earlier_runs.hpp"
#include "cli/files.hpp"
#include "cli/load_settings.hpp"
#include "core/reports/lm_eval_import.hpp"
#include "core/stats/aggregate.hpp"
#include "storage/writer.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <condition_variable>
#include <filesystem>
#include <memory>
#include <mutex>
#include <random>
#include <utility>

namespace assay::cli {

namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr auto replace = json::error_handler_t::replace;
constexpr size_t rows_a_batch = 500;
constexpr double same_metric = 1e-6;

struct import_flags {
  std::vector<std::string> files;
  std::string model;
  std::string task;
};

/// The files of one run, read and checked.
struct imported_run {
  std::vector<std::pair<std::string, reports::lm_eval_samples>> tasks; ///< Name and samples.
  std::optional<reports::lm_eval_results> results;
  std::vector<std::string> notes;
};

bool is_results_file(const fs::path& path) {
  return path.filename().string().starts_with("results_") && path.extension() == ".json";
}

/// Where the file's own numbers differ from those of its samples, somebody should know.
void compare_with_results(imported_run& run) {
  if (!run.results)
    return;
  for (const auto& [task, samples] : run.tasks) {
    const auto known = run.results->metrics.find(task);
    if (known == run.results->metrics.end())
      continue;
    const auto sums = samples.summaries();
    for (size_t i = 0; i < samples.scorers().size(); ++i) {
      const auto& name = samples.scorers()[i];
      const auto there = known->second.find(name.find(',') == std::string::npos ? name + ",none" : name);
      if (there != known->second.end() && std::abs(there->second - sums[i].mean) > same_metric)
        run.notes.push_back(task + ": the mean of " + name + " is " + show_number(sums[i].mean, 6)
                            + " here and " + show_number(there->second, 6) + " in the results file");
    }
  }
}

result<imported_run> read_files(const import_flags& flags) {
  imported_run out;
  for (const auto& name : flags.files) {
    const fs::path path = name;
    if (is_results_file(path)) {
      const auto text = read_file(path, size_t{256} << 20);
      if (!text)
        return text.error();
      auto results = reports::read_lm_eval_results(*text, name);
      if (!results)
        return results.error();
      out.results = std::move(*results);
      continue;
    }
    auto task = flags.task.empty() ? reports::task_of_samples_file(path.filename().string())
                                   : std::optional{flags.task};
    if (!task)
      return fault{errc::invalid_argument, "the file's name does not say its task", name,
                   "call it samples_<task>_<date>.jsonl, or name the task with --task"};
    const auto twice =
        std::any_of(out.tasks.begin(), out.tasks.end(), [&](const auto& one) { return one.first == *task; });
    if (twice)
      return fault{errc::invalid_argument, "two files are of the task " + *task, name,
                   "import one run at a time"};
    auto samples = reports::lm_eval_samples::read(name);
    if (!samples)
      return samples.error();
    for (const auto& note : samples->notes())
      out.notes.push_back(name + ": " + note);
    out.tasks.emplace_back(std::move(*task), std::move(*samples));
  }
  if (out.tasks.empty())
    return fault{errc::invalid_argument, "no file of samples is named", "FILE",
                 "give samples_<task>_<date>.jsonl; results_<date>.json may stand beside it"};
  compare_with_results(out);
  return out;
}

run_record record_of(const imported_run& from, const import_flags& flags, wall_time now) {
  run_record out;
  auto& spec = out.spec;
  std::random_device entropy;
  spec.id = run_id{static_cast<uint32_t>(std::chrono::duration_cast<seconds>(now.time_since_epoch()).count()),
                   static_cast<uint32_t>(entropy())};
  spec.kind = run_kind::imported;
  spec.owner = command_line_user();
  const auto known = from.results ? from.results->model : std::string{};
  spec.model = model_id{!flags.model.empty() ? flags.model : known.empty() ? "imported" : known};
  spec.provider = provider_id{"imported"};
  spec.wire_model = spec.model.value;
  spec.prompt_types = {"imported"};
  spec.num_fewshot = from.results ? from.results->num_fewshot : 0;
  spec.created_at = now;
  auto files = json::array();
  uint64_t samples = 0;
  for (const auto& [name, read] : from.tasks) {
    pinned_task task;
    task.id = task_id{name};
    task.scorer_names = read.scorers();
    task.dataset_rows = read.documents();
    task.sample_count = read.documents();
    spec.tasks.push_back(std::move(task));
    spec.epochs = std::max<uint16_t>(spec.epochs, static_cast<uint16_t>(read.epochs()));
    samples += read.samples();
    std::error_code ignored;
    files.push_back(
        {{"path", fs::absolute(read.path(), ignored).string()}, {"sha256", read.hash()}, {"task", name}});
  }
  spec.metadata =
      json{{"imported", {{"format", "lm-eval"}, {"files", std::move(files)}}}}.dump(-1, ' ', false, replace);
  spec.requested = "{}";
  spec.fingerprint = "imported:" + to_string(spec.id);
  out.state = run_state::completed;
  out.progress.total = samples;
  out.progress.done = samples;
  out.progress.scored = samples;
  out.progress.completed_tasks = static_cast<uint32_t>(spec.tasks.size());
  out.started_at = now;
  out.finished_at = now;
  if (from.results && from.results->date && *from.results->date > 0 && *from.results->date < 4e9)
    out.started_at = out.finished_at =
        wall_time{milliseconds{static_cast<int64_t>(*from.results->date * 1000)}};
  return out;
}

json interval_json(const stats::summary& sum) {
  if (sum.method == stats::interval_method::none)
    return nullptr;
  return {{"low", sum.confidence.low},
          {"high", sum.confidence.high},
          {"level", 0.95},
          {"method", stats::to_string(sum.method)}};
}

json task_result(const std::string& name, const reports::lm_eval_samples& samples) {
  const auto sums = samples.summaries();
  json scorers = json::object();
  json metrics = json::object();
  for (size_t i = 0; i < sums.size(); ++i) {
    metrics[samples.scorers()[i]] = sums[i].count > 0 ? json(sums[i].mean) : json(nullptr);
    scorers[samples.scorers()[i]] = {{"mean", sums[i].count > 0 ? json(sums[i].mean) : json(nullptr)},
                                     {"stderr", sums[i].standard_error},
                                     {"confidence_interval", interval_json(sums[i])},
                                     {"n", sums[i].count}};
  }
  // As for a task of our own: its first scorer's.
  const bool scored = !sums.empty() && sums.front().count > 0;
  metrics["accuracy"] = scored ? json(sums.front().mean) : json(nullptr);
  metrics.emplace("completeness", nullptr);
  metrics.emplace("code_quality", nullptr);
  json numbers{{"score", metrics["accuracy"]},
               {"stderr", scored ? json(sums.front().standard_error) : json(nullptr)},
               {"confidence_interval", scored ? interval_json(sums.front()) : json(nullptr)},
               {"n", scored ? sums.front().count : 0},
               {"samples", samples.samples()},
               {"errors", 0},
               {"error_classes", json::object()},
               {"metrics", std::move(metrics)},
               {"scorers", std::move(scorers)},
               {"cost", nullptr},
               {"usage", nullptr},
               {"execution_time", nullptr}};
  auto variant = numbers;
  variant["prompt_type"] = "imported";
  numbers["task_id"] = name;
  numbers["status"] = "completed";
  numbers["expected_samples"] = samples.samples();
  numbers["output"] = nullptr;
  numbers["error_message"] = nullptr;
  numbers["prompt_types"] = json::array({std::move(variant)});
  return numbers;
}

std::string document_of(const imported_run& from, run_record& record) {
  auto results = json::array();
  auto summary = json::object();
  std::vector<std::optional<double>> scores;
  for (size_t i = 0; i < from.tasks.size(); ++i) {
    const auto& [name, samples] = from.tasks[i];
    results.push_back(task_result(name, samples));
    const auto& task = results.back();
    for (const auto& [metric, value] : task["metrics"].items())
      if (!value.is_null())
        summary[name + "." + metric] = value;
    const bool scored = task["score"].is_number();
    scores.push_back(scored ? std::optional{task["score"].get<double>()} : std::nullopt);
    if (scored) {
      const auto n = task["n"].get<uint64_t>();
      record.progress.add_score(i, {task["score"].get<double>() * static_cast<double>(n), n});
    }
  }
  const auto overall = stats::overall_score(scores);
  const json document{{"evaluation_id", to_string(record.spec.id)},
                      {"kind", "imported"},
                      {"model_id", record.spec.model.value},
                      {"provider", record.spec.provider.value},
                      {"wire_model", record.spec.wire_model},
                      {"status", "completed"},
                      {"state", "completed"},
                      {"simulated", false},
                      {"summary_metrics",
                       {{"overall_score", overall ? json(*overall) : json(nullptr)},
                        {"average_execution_time", nullptr},
                        {"total_samples", record.progress.done},
                        {"errors", 0},
                        {"total_cost", nullptr}}},
                      {"metrics_summary", std::move(summary)},
                      {"task_results", std::move(results)},
                      {"notes", from.notes},
                      {"prompt_types", record.spec.prompt_types},
                      {"metadata", json::parse(record.spec.metadata)},
                      {"num_fewshot", record.spec.num_fewshot},
                      {"epochs", record.spec.epochs},
                      {"created_at", to_rfc3339(record.spec.created_at)},
                      {"completed_at", to_rfc3339(*record.finished_at)},
                      {"execution_time", nullptr},
                      {"error_message", nullptr}};
  return document.dump(-1, ' ', false, replace);
}

/// Hands rows to a writer a few hundred at a time, and waits for each: what waits for the disk stays small.
class row_writer {
public:
  explicit row_writer(const std::shared_ptr<storage::store>& store)
      : writer_(storage::writer::start(store, {}, [this](storage::commit_report&& done) { take(done); })) {}

  result<void> add(sample_record&& sample, response_record&& response) {
    batch_.samples.push_back(std::move(sample));
    batch_.responses.push_back(std::move(response));
    return batch_.samples.size() < rows_a_batch ? result<void>{} : flush();
  }

  /// The run comes last: until then nobody sees its rows.
  result<void> finish(run_record&& record, std::string document) {
    batch_.results.emplace_back(record.spec.id, std::move(document));
    batch_.runs.push_back(std::move(record));
    return flush();
  }

private:
  result<void> flush() {
    if (!writer_)
      return writer_.error();
    batch_.ticket = ++ticket_;
    auto batch = std::exchange(batch_, {});
    if (auto taken = (*writer_)->submit(std::move(batch)); !taken)
      return taken;
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return done_ >= ticket_; });
    if (error_)
      return *error_;
    return {};
  }

  void take(const storage::commit_report& report) {
    const std::lock_guard guard(mutex_);
    for (const auto& one : report.tickets) {
      done_ = std::max(done_, one.ticket);
      if (one.error && !error_)
        error_ = one.error;
    }
    changed_.notify_all();
  }

  storage::write_batch batch_;
  std::mutex mutex_;
  std::condition_variable changed_;
  uint64_t ticket_ = 0;
  uint64_t done_ = 0;
  std::optional<fault> error_;
  // Last: its thread reports until it ends.
  result<std::unique_ptr<storage::writer>> writer_;
};

result<void> store_run(const config::settings& settings, const imported_run& from, run_record record,
                       std::string document) {
  const auto store = storage::store::open(store_options_of(settings));
  if (!store) {
    auto reason = store.error();
    if (reason.code == errc::store_locked)
      reason.hint = "stop the farm that has the folder, or name another folder with --data-dir";
    return reason;
  }
  row_writer rows(*store);
  for (size_t task = 0; task < from.tasks.size(); ++task) {
    auto done = from.tasks[task].second.for_each([&](sample_record&& sample, response_record&& response) {
      sample.run = response.run = record.spec.id;
      sample.address.task = response.address.task = static_cast<uint16_t>(task);
      response.finished_at = *record.finished_at;
      response.served_model = record.spec.model.value;
      return rows.add(std::move(sample), std::move(response));
    });
    if (!done)
      return done;
  }
  return rows.finish(std::move(record), std::move(document));
}

exit_code import_command(command_context& context, const import_flags& flags) {
  const auto settings = load_settings(context);
  if (!settings)
    return report(context, settings.error());
  const auto read = read_files(flags);
  if (!read)
    return report(context, read.error());
  auto record = record_of(*read, flags, wall_now());
  auto document = document_of(*read, record);
  const auto id = to_string(record.spec.id);
  const auto shown = run_status_json(record);
  const auto samples = record.progress.done;
  for (const auto& note : read->notes)
    remark(context, note);
  if (auto stored = store_run(*settings, *read, std::move(record), std::move(document)); !stored)
    return report(context, stored.error());
  if (context.flags.json)
    print(shown.dump(2, ' ', false, replace) + "\n");
  else
    print(id + ": " + show_count(samples) + " samples of " + show_count(read->tasks.size())
          + (read->tasks.size() == 1 ? " task\n" : " tasks\n"));
  return exit_code::ok;
}

} // namespace

void add_import_command(CLI::App& app, command_context& context) {
  const auto flags = std::make_shared<import_flags>();
  auto* sub = app.add_subcommand(
      "import",
      "Store a run of lm-evaluation-harness, to look at and compare; it is never run. No farm may run");
  sub->add_option("FILE", flags->files, "samples_<task>_<date>.jsonl of one run, and its results_<date>.json")
      ->required();
  sub->add_option("-m,--model", flags->model, "What to call the model; default: as the results file does");
  sub->add_option("-t,--task", flags->task, "The task of a file whose name does not say it");
  examples(*sub, "  assay import results/my-model/samples_gsm8k_2024-01-01T12-00-00.000000.jsonl\n"
                 "  assay import samples_gsm8k_2024.jsonl results_2024.json --model my-model\n");
  sub->callback([&context, flags] {
    context.action = [flags](command_context& c) { return import_command(c, *flags); };
  });
}

} // namespace assay::cli
