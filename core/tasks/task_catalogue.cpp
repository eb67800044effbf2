#include "core/tasks/task_catalogue.hpp"

#include "core/tasks/lm_eval/definition.hpp"
#include "core/tasks/name_hint.hpp"
#include "core/tasks/promptfoo/definition.hpp"

#include <nlohmann/json.hpp>

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
  return !name.starts_with('_') && !name.starts_with('.') && name != "datasets.yaml"
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

void task_catalogue::add_group(const task_group& group) {
  auto& known = groups_[group.name];
  known.name = group.name;
  if (!group.alias.empty())
    known.alias = group.alias;
  known.members.insert(known.members.end(), group.members.begin(), group.members.end());
  if (!group.aggregates.empty())
    known.aggregates = group.aggregates;
}

void task_catalogue::add_groups_of(const task_catalogue& other) {
  for (const auto& [name, group] : other.groups_)
    add_group(group);
}

void task_catalogue::collect_groups(std::string_view name, std::set<std::string, std::less<>>& out) const {
  const auto found = groups_.find(name);
  // A task's own id goes before a group of that name.
  if (found == groups_.end() || tasks_.contains(name) || !out.emplace(name).second)
    return;
  for (const std::string& member : found->second.members)
    collect_groups(member, out);
}

std::string task_catalogue::aggregates_of(std::span<const task_id> names) const {
  std::set<std::string, std::less<>> meant;
  for (const auto& name : names)
    collect_groups(name.value, meant);
  auto out = nlohmann::json::array();
  for (const auto& name : meant) {
    const auto& group_of_it = groups_.find(name)->second;
    if (group_of_it.aggregates.empty())
      continue;
    auto tasks = nlohmann::json::array();
    for (const auto& id : group(name))
      tasks.push_back(id.value);
    auto aggregates = nlohmann::json::array();
    for (const auto& one : group_of_it.aggregates)
      aggregates.push_back(
          {{"metric", one.metric}, {"filters", one.filters}, {"weight_by_size", one.weight_by_size}});
    out.push_back({{"name", name},
                   {"alias", group_of_it.alias},
                   {"tasks", std::move(tasks)},
                   {"aggregates", std::move(aggregates)}});
  }
  return out.empty() ? std::string{} : out.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

void task_catalogue::collect(std::string_view name, std::set<std::string>& ids,
                             std::set<std::string, std::less<>>& seen) const {
  if (!seen.emplace(name).second)
    return;
  if (const auto group = groups_.find(name); group != groups_.end())
    for (const std::string& member : group->second.members) {
      if (tasks_.contains(member))
        ids.insert(member);
      else
        collect(member, ids, seen);
    }
  for (const auto& [id, task] : tasks_)
    if (in_group(*task, name))
      ids.insert(id);
}

std::vector<task_id> task_catalogue::group(std::string_view name) const {
  std::vector<task_id> ids;
  if (name.empty())
    return ids;
  std::set<std::string> found;
  std::set<std::string, std::less<>> seen;
  collect(name, found, seen);
  for (const std::string& id : found)
    ids.emplace_back(id);
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
  for (const auto& [name, members] : groups_)
    if (!group(name).empty())
      names.insert(name);
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

namespace {

result<std::string> read_text(const fs::path& file) {
  std::error_code error;
  if (!fs::is_regular_file(file, error))
    return fault{errc::not_found, "there is no such task file", file.string(), "correct the path"};
  std::ifstream in(file, std::ios::binary);
  std::string text(read_limit, '\0');
  in.read(text.data(), read_limit);
  if (in.bad() || !in.is_open())
    return fault{errc::not_found, "cannot read the task file", file.string(), "check the file's permissions"};
  text.resize(static_cast<size_t>(in.gcount()));
  return text;
}

void load_own(const fs::path& file, const std::string& text, loaded_task_file& out) {
  auto task = parse_task(text, file.string(), file.parent_path());
  if (!task) {
    out.faults = find_mistakes(text, file.string(), file.parent_path());
    return;
  }
  std::error_code error;
  for (const std::string& dataset : {task->dataset, task->fewshot.dataset})
    if (!fs::is_regular_file(dataset, error)) {
      out.faults.push_back({errc::dataset_unreadable, "the dataset " + dataset + " does not exist",
                            file.string() + ": dataset", "the path is relative to the task file"});
      return;
    }
  out.tasks.push_back(std::move(*task));
}

void load_lm_eval(const fs::path& file, const lm_eval::read_options& options, loaded_task_file& out) {
  auto loaded = lm_eval::read_file(file, options);
  out.faults = std::move(loaded.faults);
  for (auto& config : loaded.tasks) {
    auto task = lm_eval::to_definition(std::move(config));
    if (task)
      out.tasks.push_back(std::move(*task));
    else
      out.faults.push_back(task.error());
  }
  for (auto& group : loaded.groups) {
    task_group made{std::move(group.name), std::move(group.alias), std::move(group.members), {}};
    for (auto& one : group.aggregates)
      made.aggregates.push_back({std::move(one.metric), std::move(one.filters), one.weight_by_size});
    out.groups.push_back(std::move(made));
  }
}

void load_promptfoo(const fs::path& file, const std::string& text, const fs::path& root,
                    const data_places& places, loaded_task_file& out) {
  auto loaded = promptfoo::read_file(file, text, root, places);
  out.faults = std::move(loaded.faults);
  if (!out.faults.empty())
    return;
  std::error_code error;
  auto task =
      promptfoo::to_definition(std::move(loaded.file), fs::absolute(file, error).lexically_normal().string());
  if (task)
    out.tasks.push_back(std::move(*task));
  else
    out.faults.push_back(task.error());
}

/// Puts the files of one folder into the catalogue.
class folder_loader {
public:
  folder_loader(task_catalogue& catalogue, std::vector<fault>& faults)
      : catalogue_(catalogue), faults_(faults) {}

  void take(const fs::path& file, loaded_task_file&& loaded) {
    faults_.insert(faults_.end(), loaded.faults.begin(), loaded.faults.end());
    for (auto& task : loaded.tasks) {
      const auto [first, fresh] = here_.emplace(task.id.value, file.string());
      if (fresh)
        catalogue_.add(std::move(task));
      else
        faults_.push_back(fault{errc::conflict,
                                "the task `" + task.id.value + "` is also in " + first->second,
                                file.string() + ": " + (task.lm_eval ? "task" : "id"),
                                "give one of them another " + std::string(task.lm_eval ? "name" : "id")});
    }
    for (const auto& group : loaded.groups)
      catalogue_.add_group(group);
  }

private:
  task_catalogue& catalogue_;
  std::vector<fault>& faults_;
  std::map<std::string, std::string> here_;
};

} // namespace

loaded_task_file load_all_tasks(const fs::path& file, const fs::path& root, const data_places& places) {
  loaded_task_file out;
  const auto text = read_text(file);
  if (!text)
    out.faults.push_back(text.error());
  else if (lm_eval::is_lm_eval(*text))
    load_lm_eval(file, {root, places}, out);
  else if (promptfoo::is_promptfoo(*text))
    load_promptfoo(file, *text, root, places, out);
  else
    load_own(file, *text, out);
  return out;
}

result<task_definition> load_task_file(const fs::path& file) {
  auto loaded = load_all_tasks(file);
  if (!loaded.faults.empty())
    return std::move(loaded.faults.front());
  if (loaded.tasks.size() == 1)
    return std::move(loaded.tasks.front());
  return fault{errc::unsupported,
               loaded.tasks.empty() && loaded.groups.empty() ? "the file holds no task of its own"
                                                             : "the file holds several tasks",
               file.string(), "name its folder, and a task or group in it"};
}

loaded_tasks load_task_folder(std::span<const fs::path> folders, const data_places& places) {
  loaded_tasks loaded;
  auto catalogue = std::make_shared<task_catalogue>();
  for (const fs::path& folder : folders) {
    std::vector<fs::path> files;
    if (auto problem = find_files(folder, files))
      loaded.faults.push_back(*std::move(problem));
    folder_loader loader{*catalogue, loaded.faults};
    for (const fs::path& file : files)
      loader.take(file, load_all_tasks(file, folder, places));
  }
  loaded.catalogue = std::move(catalogue);
  return loaded;
}

} // namespace assay::tasks
