#include "core/tasks/task_catalogue.hpp"

#include "core/tasks/name_hint.hpp"

#include <algorithm>
#include <array>
#include <fstream>
#include <set>
#include <utility>

namespace assay::tasks {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view scenarios = "_scenarios";
/// Categories whose groups exist with tasks or without.
constexpr std::array<std::string_view, 2> promised_categories{"single_turn", "multi_turn"};
constexpr int depth_limit = 8;
constexpr std::streamsize read_limit = (1 << 20) + 1;

bool has(const std::vector<std::string>& list, std::string_view word) {
  return std::find(list.begin(), list.end(), word) != list.end();
}

bool in_group(const task_definition& task, std::string_view name) {
  if (has(task.tags, name) || task.category == name)
    return true;
  if (task.id.value.starts_with(name) && task.id.value.size() > name.size()
      && task.id.value[name.size()] == '_')
    return true;
  const std::string prefix = task.category + std::string(scenarios);
  if (!name.starts_with(prefix))
    return false;
  name.remove_prefix(prefix.size());
  if (name.empty())
    return true;
  if (name.front() != '_')
    return false;
  name.remove_prefix(1);
  return has(task.tags, name) || has(task.languages, name);
}

/// A name that is a group of a category that there is, or that every catalogue promises, with tasks or
/// without.
bool is_scenario_group(std::string_view name, const std::vector<std::string>& categories) {
  return std::any_of(categories.begin(), categories.end(), [&](const std::string& category) {
    const auto prefix = category + std::string(scenarios);
    return name == prefix || name.starts_with(prefix + "_");
  });
}

/// A model of which nothing is known is taken for one that does.
bool answers_with_text(const std::vector<std::string>& capabilities) {
  const auto words = documented_capabilities(capabilities);
  return !has(words, "embeddings") || has(words, "text_generation") || has(words, "text");
}

bool is_task_file(const fs::path& path) {
  const std::string name = path.filename().string();
  return !name.starts_with('_') && !name.starts_with('.')
         && (path.extension() == ".yaml" || path.extension() == ".yml");
}

/// Collects the task files below @p folder, ordered.
std::optional<fault> find_files(const fs::path& folder, std::vector<fs::path>& files) {
  std::error_code error;
  fs::recursive_directory_iterator entries(folder, error);
  for (; !error && entries != fs::recursive_directory_iterator(); entries.increment(error)) {
    std::error_code unknown;
    const bool hidden = entries->path().filename().string().starts_with('.');
    if (entries->is_directory(unknown) && (hidden || entries.depth() + 1 >= depth_limit))
      entries.disable_recursion_pending();
    else if (entries->is_regular_file(unknown) && is_task_file(entries->path()))
      files.push_back(entries->path());
  }
  std::sort(files.begin(), files.end());
  if (error)
    return fault{errc::not_found, "cannot read the task folder: " + error.message(), folder.string(),
                 "create it, or correct the configured path"};
  return std::nullopt;
}

} // namespace

void task_catalogue::add(task_definition task) {
  std::string id = task.id.value;
  tasks_.insert_or_assign(std::move(id), std::make_shared<const task_definition>(std::move(task)));
}

std::shared_ptr<const task_definition> task_catalogue::find(const task_id& id) const {
  const auto found = tasks_.find(id.value);
  return found == tasks_.end() ? nullptr : found->second;
}

std::vector<std::shared_ptr<const task_definition>> task_catalogue::list(const task_filter& filter) const {
  const std::string difficulty = canonical_difficulty(filter.difficulty);
  std::vector<std::shared_ptr<const task_definition>> out;
  for (const auto& [id, task] : tasks_) {
    const bool fits = (filter.category.empty() || task->category == filter.category)
                      && (filter.difficulty.empty() || task->difficulty == difficulty)
                      && (filter.tag.empty() || has(task->tags, filter.tag))
                      && (filter.language.empty() || has(task->languages, filter.language));
    if (fits)
      out.push_back(task);
  }
  return out;
}

std::vector<task_id> task_catalogue::group(std::string_view name) const {
  std::vector<task_id> ids;
  if (name.empty())
    return ids;
  for (const auto& [id, task] : tasks_)
    if (in_group(*task, name))
      ids.push_back(task->id);
  return ids;
}

std::vector<std::string> task_catalogue::group_names() const {
  std::set<std::string> names;
  for (const auto& [id, task] : tasks_) {
    const std::string prefix = task->category + std::string(scenarios);
    names.insert(task->category);
    names.insert(prefix);
    for (const auto* words : {&task->tags, &task->languages})
      for (const std::string& word : *words)
        names.insert(prefix + "_" + word);
    names.insert(task->tags.begin(), task->tags.end());
  }
  return {names.begin(), names.end()};
}

std::vector<std::string> task_catalogue::scenario_groups() const {
  std::set<std::string> names;
  for (const auto& [id, task] : tasks_)
    names.insert(task->category + std::string(scenarios));
  return {names.begin(), names.end()};
}

std::vector<std::string> task_catalogue::groups_for(const model_profile& model) const {
  if (!model.supported_tasks.empty() || !answers_with_text(model.capabilities))
    return model.supported_tasks;
  std::vector<std::string> out;
  for (const auto category : promised_categories)
    out.push_back(std::string(category).append(scenarios));
  for (std::string& name : scenario_groups())
    if (!has(out, name))
      out.push_back(std::move(name));
  return out;
}

result<std::vector<task_id>> task_catalogue::resolve(std::span<const task_id> names) const {
  std::vector<task_id> out;
  std::set<std::string> seen;
  for (size_t i = 0; i < names.size(); ++i) {
    std::vector<task_id> meant;
    if (tasks_.contains(names[i].value))
      meant.push_back(names[i]);
    else
      meant = group(names[i].value);
    if (meant.empty()) {
      std::vector<std::string> known;
      std::vector<std::string> categories(promised_categories.begin(), promised_categories.end());
      for (const auto& [id, task] : tasks_) {
        known.push_back(id);
        categories.push_back(task->category);
      }
      for (std::string& name : group_names())
        known.push_back(std::move(name));
      const auto shown = "`" + names[i].value.substr(0, 128) + "`";
      return fault{errc::not_found,
                   is_scenario_group(names[i].value, categories) ? "the group " + shown + " has no tasks yet"
                                                                 : "no task or group is called " + shown,
                   "task_ids[" + std::to_string(i) + "]", name_hint(names[i].value, known)};
    }
    for (task_id& id : meant)
      if (seen.insert(id.value).second)
        out.push_back(std::move(id));
  }
  return out;
}

result<task_definition> load_task_file(const fs::path& file) {
  std::error_code error;
  if (!fs::is_regular_file(file, error))
    return fault{errc::not_found, "there is no such task file", file.string(), "correct the path"};
  std::ifstream in(file, std::ios::binary);
  std::string text(read_limit, '\0');
  in.read(text.data(), read_limit);
  if (in.bad() || !in.is_open())
    return fault{errc::not_found, "cannot read the task file", file.string(), "check the file's permissions"};
  text.resize(static_cast<size_t>(in.gcount()));
  auto task = parse_task(text, file.string(), file.parent_path());
  if (task.has_error())
    return task;
  for (const std::string& dataset : {task->dataset, task->fewshot.dataset})
    if (!fs::is_regular_file(dataset, error))
      return fault{errc::dataset_unreadable, "the dataset " + dataset + " does not exist",
                   file.string() + ": dataset", "the path is relative to the task file"};
  return task;
}

loaded_tasks load_task_folder(std::span<const fs::path> folders) {
  loaded_tasks loaded;
  auto catalogue = std::make_shared<task_catalogue>();
  for (const fs::path& folder : folders) {
    std::vector<fs::path> files;
    if (auto problem = find_files(folder, files))
      loaded.faults.push_back(*std::move(problem));
    std::map<std::string, std::string> here;
    for (const fs::path& file : files) {
      auto task = load_task_file(file);
      if (task.has_error()) {
        loaded.faults.push_back(task.error());
        continue;
      }
      const auto [first, fresh] = here.emplace(task->id.value, file.string());
      if (fresh)
        catalogue->add(std::move(*task));
      else
        loaded.faults.push_back(fault{errc::conflict,
                                      "the task `" + task->id.value + "` is also in " + first->second,
                                      file.string() + ": id", "give one of them another id"});
    }
  }
  loaded.catalogue = std::move(catalogue);
  return loaded;
}

} // namespace assay::tasks
