#include "core/tasks/preparation.hpp"

#include "core/tasks/dataset.hpp"
#include "core/tasks/lm_eval/task_config.hpp"
#include "core/tasks/prepared_file.hpp"
#include "core/tasks/promptfoo/definition.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>
#include <system_error>
#include <utility>

namespace assay::tasks {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

/// Raised when the same task would be prepared otherwise than before.
constexpr int preparation_version = 1;
constexpr size_t most_modules = 200;
constexpr std::streamsize module_limit = std::streamsize{4} << 20U;

/// The content of all Python files of a folder: which of them a function imports is not known.
std::string hash_modules(const std::string& folder) {
  std::error_code error;
  std::set<fs::path> files;
  for (const auto& one : fs::directory_iterator(folder, error))
    if (one.path().extension() == ".py" && files.size() < most_modules)
      files.insert(one.path());
  std::string all;
  for (const auto& file : files) {
    std::ifstream in(file, std::ios::binary);
    std::string text(static_cast<size_t>(module_limit), '\0');
    in.read(text.data(), module_limit);
    text.resize(static_cast<size_t>(std::max<std::streamsize>(in.gcount(), 0)));
    all.append(file.filename().string()).append(":").append(sha256_hex(text)).append("\n");
  }
  return sha256_hex(all);
}

result<std::string> hashes_of(const lm_eval::data_source& source) {
  std::string out;
  for (const auto& file : source.files) {
    const auto facts = inspect_dataset(file);
    if (!facts)
      return facts.error();
    out.append(facts->sha256).append(" ");
  }
  return out;
}

/// Adds to @p out what decides the prompts of @p task.
std::optional<fault> describe(const lm_eval::task_config& task, const preparation_options& options,
                              json& out) {
  out["format"] = "lm_eval";
  out["task"] = task.json;
  out["scorers"] = task.scorers;
  const auto count = options.num_fewshot.value_or(task.num_fewshot);
  out["num_fewshot"] = count;
  auto rows = hashes_of(task.rows);
  if (!rows)
    return rows.error();
  out["rows"] = *rows;
  if (count > 0) {
    out["seed"] = options.seed.value_or(1234);
    auto examples = task.examples == task.rows ? rows : hashes_of(task.examples);
    if (!examples)
      return examples.error();
    out["examples"] = *examples;
  }
  if (task.functions.empty())
    return std::nullopt;
  std::set<std::string> folders{task.folder};
  for (const auto& file : task.files)
    folders.insert(fs::path(file).parent_path().string());
  for (const auto& folder : folders)
    out["modules"].push_back(hash_modules(folder));
  return std::nullopt;
}

} // namespace

bool preparation::is_done() const {
  std::error_code unknown;
  return fs::is_regular_file(rows_path, unknown) && fs::is_regular_file(definition_path, unknown);
}

result<preparation> plan_preparation(std::shared_ptr<const task_definition> task,
                                     const preparation_options& options) {
  if (!task->is_unprepared())
    return fault{errc::unsupported, "the task needs no preparation", task->id.value, {}};
  json decides;
  if (task->promptfoo)
    decides = {{"format", "promptfoo"},
               {"task", promptfoo::own_yaml(*task->promptfoo, {})},
               {"rows", sha256_hex(promptfoo::rows_text(*task->promptfoo))}};
  else if (auto problem = describe(*task->lm_eval, options, decides))
    return *std::move(problem);
  decides["version"] = preparation_version;
  if (options.limit)
    decides["limit"] = *options.limit;
  preparation out;
  out.key = sha256_hex(decides.dump(-1, ' ', false, json::error_handler_t::replace));
  out.needs_python = task->lm_eval != nullptr;
  out.task = std::move(task);
  out.options = options;
  out.rows_path = (fs::path(options.folder) / (out.key + ".jsonl")).string();
  out.definition_path = (fs::path(options.folder) / (out.key + ".yaml")).string();
  return out;
}

result<task_definition> load_prepared(const preparation& done) {
  std::ifstream in(done.definition_path, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  if (!in.is_open() || in.bad() || text.empty())
    return fault{errc::not_found, "the task is not prepared", done.definition_path, "submit the run again"};
  auto out = parse_task(text, done.definition_path, fs::path(done.options.folder));
  if (out)
    out->file = done.task->file;
  return out;
}

bool is_prepared_dataset(std::string_view dataset, std::string_view folder) {
  constexpr size_t key_length = 64;
  if (folder.empty() || !dataset.starts_with(folder) || !dataset.ends_with(".jsonl"))
    return false;
  auto name = dataset.substr(folder.size());
  while (name.starts_with('/'))
    name.remove_prefix(1);
  return name.size() == key_length + 6
         && name.substr(0, key_length).find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

result<dataset_facts> inspect_data(const task_definition& task) {
  if (!task.promptfoo)
    return inspect_dataset(task.dataset, task.format);
  const auto text = promptfoo::rows_text(*task.promptfoo);
  return dataset_facts{sha256_hex(text), task.promptfoo->rows.size(), text.size()};
}

std::string python_folder(const task_definition& task) {
  return task.lm_eval && !task.lm_eval->functions.empty() ? task.lm_eval->folder : std::string{};
}

result<std::unique_ptr<preparation_steps>> begin_preparation(const preparation& what) {
  return what.task->promptfoo ? begin_promptfoo(what) : begin_lm_eval(what);
}

} // namespace assay::tasks
