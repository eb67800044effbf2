#include "core/tasks/lm_eval/includes.hpp"
#include "core/tasks/lm_eval/task_config.hpp"
#include "core/tasks/lm_eval/task_reader.hpp"
#include "core/tasks/name_hint.hpp"

#include <algorithm>
#include <string_view>
#include <utility>

namespace assay::tasks::lm_eval {
namespace {

namespace fs = std::filesystem;

/// Groups, lists, and files of one task.
class file_reader {
public:
  explicit file_reader(const read_options& options) : options_(options) {}

  loaded_file read(const fs::path& file) {
    auto raw = load_config(file, options_.root);
    if (!raw)
      out_.faults.push_back(raw.error());
    else
      dispatch(*raw);
    return std::move(out_);
  }

private:
  void complain(const config_entry& entry, std::string path, std::string message, std::string hint = {}) {
    out_.faults.push_back(
        {errc::invalid_argument, std::move(message), place_of(entry, path), std::move(hint)});
  }

  void dispatch(const raw_config& raw) {
    if (const auto* python = raw.find("class"))
      return complain(*python, "class", "tasks that are Python classes are not supported",
                      "write the task as YAML; functions may stay in Python");
    const auto* task = raw.find("task");
    const auto* tasks = raw.find("task_list");
    if (tasks != nullptr)
      return take_list(raw, *tasks);
    if (raw.find("group") != nullptr && (task == nullptr || !task->node.IsScalar()))
      return take_group(raw);
    if (task == nullptr || task->node.IsNull())
      return; // A template, for others to include.
    if (task->node.IsSequence())
      return complain(*task, "task", "a list of tasks is a group's, and this file names no group",
                      "add group: NAME, or write task: NAME");
    take_task(raw);
  }

  void take_task(const raw_config& raw) {
    if (auto task = read_task(raw, options_, out_.faults))
      out_.tasks.push_back(std::move(*task));
  }

  static raw_config laid_over(raw_config base, const raw_config& over) {
    for (const auto& [key, entry] : over.entries)
      base.entries.insert_or_assign(key, entry);
    for (const auto& file : over.files)
      if (std::find(base.files.begin(), base.files.end(), file) == base.files.end())
        base.files.push_back(file);
    return base;
  }

  /// The file's keys are shared; each entry of the list has its own over them.
  void take_list(const raw_config& raw, const config_entry& tasks) {
    if (!tasks.node.IsSequence() || tasks.node.size() == 0)
      return complain(tasks, "task_list", "expected a list of tasks");
    raw_config base = raw;
    base.entries.erase("task_list");
    for (size_t i = 0; i < tasks.node.size(); ++i) {
      const config_entry at{tasks.node[i], tasks.file};
      const auto path = "task_list[" + std::to_string(i) + "]";
      if (!at.node.IsMap() || !at.node["task"].IsDefined()) {
        complain(at, path, "expected a mapping with the key task", "for example: - task: NAME");
        continue;
      }
      auto own = load_inline(at.node, at.file, options_.root);
      if (!own)
        out_.faults.push_back(own.error());
      else
        take_task(laid_over(base, *own));
    }
  }

  void take_group(const raw_config& raw) {
    const auto& named = *raw.find("group");
    if (!named.node.IsScalar() || named.node.Scalar().empty())
      return complain(named, "group", "expected the group's name");
    group_config group;
    group.name = named.node.Scalar();
    if (const auto* alias = raw.find("group_alias"); alias != nullptr && alias->node.IsScalar())
      group.alias = alias->node.Scalar();
    const std::vector<std::string> known{"group",    "group_alias",           "task",
                                         "metadata", "aggregate_metric_list", "include"};
    for (const auto& [key, entry] : raw.entries)
      if (std::find(known.begin(), known.end(), key) == known.end())
        complain(entry, key, "a group has no such key", name_hint(key, known));
    const auto* members = raw.find("task");
    if (members == nullptr || !members->node.IsSequence() || members->node.size() == 0)
      return complain(members != nullptr ? *members : named, "task", "expected a list of tasks or groups",
                      "for example: task: [one_task, another]");
    if (const auto* list = raw.find("aggregate_metric_list"))
      take_aggregates(*list, group);
    take_members(raw, *members, group);
    out_.groups.push_back(std::move(group));
  }

  /// A list, or one mapping.
  void take_aggregates(const config_entry& list, group_config& group) {
    if (list.node.IsNull())
      return;
    if (list.node.IsMap())
      return take_aggregate(list, "aggregate_metric_list", group);
    if (!list.node.IsSequence())
      return complain(list, "aggregate_metric_list", "expected a list of metrics",
                      "for example: [{metric: exact_match, weight_by_size: true}]");
    for (size_t i = 0; i < list.node.size(); ++i)
      take_aggregate({list.node[i], list.file}, "aggregate_metric_list[" + std::to_string(i) + "]", group);
  }

  void take_aggregate(const config_entry& from, const std::string& path, group_config& group) {
    const auto has_text = [](const YAML::Node& node) { return node.IsDefined() && node.IsScalar(); };
    if (!from.node.IsMap() || !has_text(from.node["metric"]))
      return complain(from, path, "expected a mapping with the key metric");
    group_metric out;
    out.metric = from.node["metric"].Scalar();
    const std::vector<std::string> known{"metric", "aggregation", "weight_by_size", "filter_list"};
    for (const auto& item : from.node)
      if (item.first.IsScalar() && std::find(known.begin(), known.end(), item.first.Scalar()) == known.end())
        complain({item.first, from.file}, path + "." + item.first.Scalar(), "there is no such key",
                 name_hint(item.first.Scalar(), known));
    if (const YAML::Node how = from.node["aggregation"];
        how.IsDefined() && (!how.IsScalar() || how.Scalar() != "mean"))
      complain({how, from.file}, path + ".aggregation", "groups are only averaged", "write mean");
    if (const YAML::Node by_size = from.node["weight_by_size"];
        by_size.IsDefined() && !YAML::convert<bool>::decode(by_size, out.weight_by_size))
      complain({by_size, from.file}, path + ".weight_by_size", "expected true or false");
    const YAML::Node filters = from.node["filter_list"];
    if (has_text(filters))
      out.filters.push_back(filters.Scalar());
    else if (filters.IsDefined() && filters.IsSequence())
      for (const auto& one : filters)
        if (one.IsScalar())
          out.filters.push_back(one.Scalar());
    if (out.filters.empty())
      out.filters.emplace_back("none");
    group.aggregates.push_back(std::move(out));
  }

  void take_members(const raw_config& raw, const config_entry& members, group_config& group) {
    for (size_t i = 0; i < members.node.size(); ++i) {
      const config_entry at{members.node[i], members.file};
      const auto path = "task[" + std::to_string(i) + "]";
      if (at.node.IsScalar() && !at.node.Scalar().empty())
        group.members.push_back(at.node.Scalar());
      else if (at.node.IsMap())
        take_member(raw, at, path, group);
      else
        complain(at, path, "expected the name of a task or group, or a mapping");
    }
  }

  void take_member(const raw_config& raw, const config_entry& at, const std::string& path,
                   group_config& group) {
    auto own = load_inline(at.node, at.file, options_.root);
    if (!own) {
      out_.faults.push_back(own.error());
      return;
    }
    if (own->find("group") != nullptr) {
      if (const auto* name = own->find("group"); name->node.IsScalar())
        group.members.push_back(name->node.Scalar());
      return take_group(*own);
    }
    const auto* name = own->find("task");
    if (name == nullptr || !name->node.IsScalar())
      return complain(at, path, "expected the key task or group");
    group.members.push_back(name->node.Scalar());
    if (own->find("dataset_path") != nullptr) {
      own->files.insert(own->files.end(), raw.files.begin(), raw.files.end());
      return take_task(*own);
    }
    for (const auto& [key, entry] : own->entries)
      if (key != "task" && key != "task_alias")
        complain(entry, path + "." + key, "a group cannot change a task that stands elsewhere",
                 "write a task of its own that includes the other");
  }

  const read_options& options_;
  loaded_file out_;
};

} // namespace

bool is_lm_eval(const std::string& yaml) {
  // The outermost keys begin their lines. Nothing is parsed, so that broken files are reported by the reader
  // that they are meant for.
  bool own = false;
  bool theirs = false;
  for (size_t begin = 0; begin < yaml.size();) {
    const size_t end = std::min(yaml.find('\n', begin), yaml.size());
    const std::string_view line = std::string_view(yaml).substr(begin, end - begin);
    begin = end + 1;
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos || line.front() == ' ' || line.front() == '#')
      continue;
    std::string_view key = line.substr(0, colon);
    if (key.size() > 1 && (key.front() == '"' || key.front() == '\'') && key.back() == key.front())
      key = key.substr(1, key.size() - 2);
    own = own || key == "id" || key == "dataset" || key == "prompts";
    theirs = theirs || key == "task" || key == "group" || key == "include" || key == "dataset_path"
             || key == "task_list" || key == "doc_to_text" || key == "class" || key == "output_type";
  }
  return theirs && !own;
}

loaded_file read_file(const fs::path& file, const read_options& options) {
  try {
    return file_reader{options}.read(fs::absolute(file).lexically_normal());
  } catch (const YAML::Exception& error) {
    loaded_file out;
    out.faults.push_back({errc::malformed_input, "cannot be read: " + error.msg,
                          file.string() + ":" + std::to_string(error.mark.line + 1), "see the line"});
    return out;
  }
}

} // namespace assay::tasks::lm_eval
