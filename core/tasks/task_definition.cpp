#include "core/tasks/task_definition.hpp"

#include "core/tasks/name_hint.hpp"
#include "core/tasks/task_options.hpp"
#include "core/tasks/yaml_fields.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace assay::tasks {
namespace {

constexpr size_t file_limit = size_t{1} << 20U;
constexpr std::array<std::string_view, 4> context_modes{"no_context", "minimal_context", "full_context",
                                                        "domain_context"};

std::string absolute(const std::string& path, const std::filesystem::path& base_dir) {
  const std::filesystem::path given(path);
  if (given.is_absolute())
    return given.lexically_normal().string();
  // A task file that is named without a folder has an empty one.
  const auto folder = base_dir.empty() ? std::filesystem::path(".") : base_dir;
  return std::filesystem::absolute(folder / given).lexically_normal().string();
}

std::optional<dataset_format> read_format(const yaml_fields& fields, std::string_view key,
                                          std::string_view dataset_key, const std::string& path) {
  if (fields.has(key)) {
    const std::string word = fields.text(key);
    const auto format = dataset_format_from_string(word);
    if (!format)
      fields.wrong(key, "no dataset format is called `" + word + "`", "known: jsonl, json, csv, tsv");
    return format;
  }
  if (!path.empty() && !dataset_format_of(path))
    fields.wrong(dataset_key, "cannot tell the dataset's format by its extension",
                 "use .jsonl, .json, .csv or .tsv, or name " + std::string(key));
  return std::nullopt;
}

void read_identity(const yaml_fields& fields, task_definition& task) {
  task.id = task_id(fields.text("id"));
  if (!fields.has("id"))
    fields.wrong("id", "the task has no id", "for example: id: my_task");
  else if (!is_caller_id(task.id.value))
    fields.wrong("id", "`" + task.id.value.substr(0, 40) + "` cannot be an id",
                 "use letters, digits, dots, dashes and underscores, at most 128");
  task.name = fields.text("name", task.id.value);
  task.category = fields.text("category", "single_turn");
  if (task.category.empty())
    fields.wrong("category", "the category is empty");
  const std::string difficulty = fields.text("difficulty", "intermediate");
  task.difficulty = canonical_difficulty(difficulty);
  if (task.difficulty.empty())
    fields.wrong("difficulty", "no difficulty is called `" + difficulty + "`",
                 "known: beginner, intermediate, advanced, or easy, medium, hard");
  task.description = fields.text("description");
  task.languages = fields.texts("languages");
  task.tags = fields.texts("tags");
  task.task_type = fields.text("task_type");
  task.estimated_duration =
      static_cast<uint32_t>(fields.integer("estimated_duration", 0, 31'536'000).value_or(60));
}

/// The words of core/scoring's reductions of repeats.
bool is_epochs_reducer(std::string_view word) {
  constexpr std::array<std::string_view, 5> plain{"mean", "median", "mode", "majority", "max"};
  if (std::find(plain.begin(), plain.end(), word) != plain.end())
    return true;
  for (const std::string_view start : {"at_least_", "pass_at_", "pass_hat_"}) {
    if (!word.starts_with(start))
      continue;
    const auto number = word.substr(start.size());
    return !number.empty() && number.size() <= 4 && number.front() != '0'
           && number.find_first_not_of("0123456789") == std::string_view::npos;
  }
  return false;
}

void read_data(const yaml_fields& fields, const std::filesystem::path& base_dir, task_definition& task) {
  const std::string dataset = fields.text("dataset");
  if (dataset.empty())
    fields.wrong("dataset", "the task has no dataset", "for example: dataset: questions.jsonl");
  else
    task.dataset = absolute(dataset, base_dir);
  task.format = read_format(fields, "dataset_format", "dataset", dataset);
  const bool fixed_targets = std::all_of(task.scorer_definitions.begin(), task.scorer_definitions.end(),
                                         [](const auto& s) { return !scoring::needs_target(s); });
  if (!fields.has("target") && !fixed_targets)
    fields.wrong("target", "the task has no target", "for example: target: \"{answer}\"");
  task.target = read_template(fields, "target");
  task.fewshot = {task.dataset, task.format, task.target};
  if (!fields.has("fewshot"))
    return;
  const yaml_fields fewshot(fields.get("fewshot"), "fewshot", fields.faults(),
                            {"dataset", "dataset_format", "answer"});
  if (fewshot.has("dataset")) {
    const std::string path = fewshot.text("dataset");
    task.fewshot.dataset = absolute(path, base_dir);
    task.fewshot.format = read_format(fewshot, "dataset_format", "dataset", path);
  }
  if (fewshot.has("answer"))
    task.fewshot.answer = read_template(fewshot, "answer");
}

void read_contexts(const yaml_fields& fields, task_definition& task) {
  if (!fields.has("contexts"))
    return;
  const YAML::Node node = fields.get("contexts");
  const yaml_fields contexts(node, "contexts", fields.faults(),
                             {"no_context", "minimal_context", "full_context", "domain_context"});
  for (const std::string_view mode : context_modes)
    if (contexts.has(mode))
      task.contexts.emplace(mode, contexts.text(mode));
}

void read_repeats(const yaml_fields& fields, task_definition& task) {
  if (fields.has("reference"))
    task.reference = read_template(fields, "reference");
  if (fields.has("wrong"))
    task.wrong = read_template(fields, "wrong");
  if (const auto epochs = fields.integer("epochs", 1, 1'000))
    task.epochs = static_cast<uint16_t>(*epochs);
  task.epochs_reducer = fields.text("epochs_reducer");
  if (!task.epochs_reducer.empty() && !is_epochs_reducer(task.epochs_reducer))
    fields.wrong(
        "epochs_reducer", "no reducer is called `" + task.epochs_reducer.substr(0, 40) + "`",
        "known: mean, median, mode, majority, max, at_least_K, pass_at_K, pass_hat_K, with a number for K");
}

void read_failed_samples(const yaml_fields& fields, task_definition& task) {
  const std::string word = fields.text("failed_samples", "exclude");
  if (word == "zero")
    task.failed_samples = stats::failed_samples::zero;
  else if (word != "exclude")
    fields.wrong("failed_samples", "expected exclude or zero, found `" + word + "`");
}

std::optional<fault> load(std::string_view yaml, std::string_view file_name, YAML::Node& out) {
  if (yaml.size() > file_limit)
    return fault{errc::too_large, "the task file is over 1 MiB", std::string(file_name),
                 "keep the samples in a dataset of their own"};
  try {
    out = YAML::Load(std::string(yaml));
    return std::nullopt;
  } catch (const YAML::Exception& error) {
    return fault{errc::malformed_input, "not valid YAML: " + error.msg,
                 std::string(file_name) + ":" + std::to_string(error.mark.line + 1),
                 "check indentation, colons and quotes on this line"};
  }
}

} // namespace

bool task_definition::asks_all_prompts() const noexcept {
  return origin.starts_with(R"({"format":"promptfoo")");
}

const prompt_variant* task_definition::find_prompt(std::string_view prompt_type) const noexcept {
  const auto found =
      std::find_if(prompts.begin(), prompts.end(), [&](const auto& p) { return p.name == prompt_type; });
  return found == prompts.end() ? nullptr : &*found;
}

std::vector<std::string> task_definition::prompt_types() const {
  std::vector<std::string> names;
  for (const prompt_variant& prompt : prompts)
    names.push_back(prompt.name);
  return names;
}

std::vector<std::string> task_definition::scorer_names() const {
  std::vector<std::string> names;
  for (const auto& scorer : scorer_definitions)
    names.push_back(scorer.name);
  return names;
}

std::vector<stats::scorer_weight> task_definition::scorer_weights() const {
  std::vector<stats::scorer_weight> weights;
  for (const auto& scorer : scorer_definitions) {
    stats::scorer_weight weight{scorer.weight, scorer.primary};
    if (scoring::run_aggregate empty(scorer); empty.is_own())
      weight.own = std::make_shared<const scoring::run_aggregate>(std::move(empty));
    weights.push_back(std::move(weight));
  }
  return weights;
}

bool is_context_mode(std::string_view word) noexcept {
  return std::find(context_modes.begin(), context_modes.end(), word) != context_modes.end();
}

namespace {

/// @returns what is wrong; @p task means nothing then.
std::vector<fault> read_task(std::string_view yaml, std::string_view file_name,
                             const std::filesystem::path& base_dir, task_definition& task) {
  YAML::Node node;
  if (auto problem = load(yaml, file_name, node))
    return {*std::move(problem)};
  yaml_faults faults{std::string(file_name)};
  task.file = file_name;
  task.source = yaml;
  try {
    const yaml_fields fields(node, "", faults,
                             {"id",
                              "name",
                              "category",
                              "difficulty",
                              "description",
                              "languages",
                              "tags",
                              "task_type",
                              "estimated_duration",
                              "dataset",
                              "dataset_format",
                              "prompts",
                              "prompt",
                              "target",
                              "scorer",
                              "scorers",
                              "generation",
                              "fewshot",
                              "failed_samples",
                              "contexts",
                              "reference",
                              "wrong",
                              "epochs",
                              "epochs_reducer",
                              "functions",
                              "origin"});
    if (node.IsMap()) {
      read_identity(fields, task);
      task.scorer_definitions = read_scorers(fields);
      task.prompts = read_prompts(fields);
      task.generation = read_generation(fields);
      read_data(fields, base_dir, task);
      read_contexts(fields, task);
      read_failed_samples(fields, task);
      read_repeats(fields, task);
      task.functions = absolute(fields.text("functions", "."), base_dir);
      task.origin = fields.text("origin");
    }
  } catch (const YAML::Exception& error) {
    faults.add(error.mark, "", "cannot be read: " + error.msg);
  }
  if (!faults.empty())
    return faults.all();
  for (const auto& definition : task.scorer_definitions) {
    auto made = scoring::make_scorer(definition);
    if (made.has_error())
      return {made.error()};
    task.scorers.push_back(std::move(*made));
  }
  return {};
}

} // namespace

result<task_definition> parse_task(std::string_view yaml, std::string_view file_name,
                                   const std::filesystem::path& base_dir) {
  task_definition task;
  auto mistakes = read_task(yaml, file_name, base_dir, task);
  if (!mistakes.empty())
    return std::move(mistakes.front());
  return task;
}

std::vector<fault> find_mistakes(std::string_view yaml, std::string_view file_name,
                                 const std::filesystem::path& base_dir) {
  task_definition task;
  return read_task(yaml, file_name, base_dir, task);
}

namespace {

bool needs_functions(const scoring::scorer_definition& scorer) {
  return scoring::need_of(scorer) == scoring::scorer_need::python;
}

} // namespace

std::string pinned_text(const task_definition& task) {
  // The text was parsed before, so it loads.
  YAML::Node node = YAML::Load(task.source);
  node["dataset"] = task.dataset;
  if (node["fewshot"] && node["fewshot"]["dataset"])
    node["fewshot"]["dataset"] = task.fewshot.dataset;
  // Only a task with functions depends on where its file lies.
  if (std::any_of(task.scorer_definitions.begin(), task.scorer_definitions.end(), needs_functions))
    node["functions"] = task.functions;
  YAML::Emitter out;
  out << node;
  return std::string(out.c_str(), out.size()) + "\n";
}

task_summary to_summary(const task_definition& task, uint64_t sample_count) {
  task_summary summary;
  summary.id = task.id;
  summary.name = task.name;
  summary.category = task.category;
  summary.difficulty = task.difficulty;
  summary.task_type = task.task_type;
  summary.description = task.description;
  summary.languages = task.languages;
  summary.tags = task.tags;
  summary.estimated_duration = task.estimated_duration;
  summary.prompt_types = task.prompt_types();
  summary.sample_count = sample_count;
  return summary;
}

} // namespace assay::tasks
