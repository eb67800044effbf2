#pragma once

#include "core/tasks/data_places.hpp"
#include "core/tasks/task_definition.hpp"
#include "core/values/model.hpp"

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace assay::tasks {

/// What a list of tasks is narrowed to; empty members do not narrow.
struct task_filter {
  std::string category{};
  std::string difficulty{}; ///< Also easy, medium, hard.
  std::string tag{};
  std::string language{};
};

/// How the values of a group's tasks become one: lm-evaluation-harness's aggregate_metric_list.
struct group_aggregate {
  std::string metric;
  std::vector<std::string> filters; ///< At least one; `none` where the tasks have no filters.
  bool weight_by_size = true;       ///< A task counts as often as it has samples.
};

/// Tasks under one name.
struct task_group {
  std::string name;
  std::string alias;                ///< Shown instead of the name; may be empty.
  std::vector<std::string> members; ///< Tasks, groups or tags.
  std::vector<group_aggregate> aggregates;
};

/// All known tasks by id. Immutable once loaded; a reload makes another one.
class task_catalogue {
public:
  /// Replaces a task of the same id.
  void add(task_definition task);

  /// Makes the group's name stand for its members, which may come later. Added to what it stands for already.
  void add_group(const task_group& group);
  /// Takes over all groups of @p other.
  void add_groups_of(const task_catalogue& other);

  /// @returns the groups with aggregates among @p names and the groups inside these, ordered by name, as a
  /// run pins them: a JSON array of {name, alias, tasks, aggregates}; empty text when there is none.
  std::string aggregates_of(std::span<const task_id> names) const;

  /// @returns the task, or null.
  std::shared_ptr<const task_definition> find(const task_id& id) const;
  /// Ordered by id.
  std::vector<std::shared_ptr<const task_definition>> list(const task_filter& filter = {}) const;

  /// @returns the tasks that @p name stands for, ordered by id: the members of a group of that name, those of
  /// the groups inside it too; those tagged with it, of that category, whose
  /// id begins with it and an underscore, or for `<category>_scenarios` and `<category>_scenarios_<word>`
  /// those of the category, in the second form with the word as a tag or language. Empty for a name that is
  /// no group.
  std::vector<task_id> group(std::string_view name) const;

  /// @returns every name that group() knows except prefixes of ids, ordered.
  std::vector<std::string> group_names() const;

  /// @returns `<category>_scenarios` of every category, ordered: the groups that together hold all tasks.
  std::vector<std::string> scenario_groups() const;

  /// @returns the groups of tasks that @p model can do: those that its configuration names. Without such, a
  /// model that answers with text can do tasks of every category, also of those that every catalogue
  /// promises; one that does not (embeddings) can do none.
  std::vector<std::string> groups_for(const model_profile& model) const;

  /// Replaces groups by their tasks and drops repetitions; a task's own id goes before a group of that name.
  /// Fails with errc::not_found for an unknown name; `where` is `task_ids[i]` and the hint the nearest name.
  result<std::vector<task_id>> resolve(std::span<const task_id> names) const;

  size_t size() const noexcept { return tasks_.size(); }

private:
  void collect(std::string_view name, std::set<std::string>& ids,
               std::set<std::string, std::less<>>& seen) const;

  std::map<std::string, std::shared_ptr<const task_definition>, std::less<>> tasks_;
  void collect_groups(std::string_view name, std::set<std::string, std::less<>>& out) const;

  std::map<std::string, task_group, std::less<>> groups_;
};

/// A catalogue, and the files that could not become a part of it.
struct loaded_tasks {
  std::shared_ptr<const task_catalogue> catalogue;
  std::vector<fault> faults;
};

/// Loads every .yaml and .yml file below the folders, at most 8 deep, in order of their names; names that
/// begin with `_` or `.` are passed over. A task of a later folder replaces one of the same id; twice in one
/// folder is a fault, as is a missing dataset. A folder that does not exist is a fault too. A broken file
/// hides no other. Task files of lm-evaluation-harness are read too; what they include, import and read must
/// lie in the same folder, data files there or in @p places.
loaded_tasks load_task_folder(std::span<const std::filesystem::path> folders, const data_places& places = {});

/// Reads one task file. Fails as parse_task() does, with errc::not_found when there is no such file, and with
/// errc::dataset_unreadable when the dataset is missing; errc::unsupported for a file that holds several.
result<task_definition> load_task_file(const std::filesystem::path& file);

/// What is in one file: a task, or several and groups of them in a file of lm-evaluation-harness; nothing for
/// a template, which other files include.
struct loaded_task_file {
  std::vector<task_definition> tasks;
  std::vector<task_group> groups;
  std::vector<fault> faults; ///< Every mistake, of a task of assay's own too.
};

/// @param root Where everything that a file of lm-evaluation-harness names must lie; empty: anywhere.
loaded_task_file load_all_tasks(const std::filesystem::path& file, const std::filesystem::path& root = {},
                                const data_places& places = {});

} // namespace assay::tasks
