#include "core/experiments/batch.hpp"

#include "core/values/closest_word.hpp"
#include "core/values/task.hpp"

#include <algorithm>
#include <map>
#include <utility>

namespace assay::experiments {

namespace {

constexpr uint64_t quick_instances = 2;
constexpr uint64_t usual_instances = 20;

struct preset_name {
  std::string_view name;
  batch_preset preset;
};

constexpr preset_name preset_names[] = {
    {"quick", batch_preset::quick},      {"standard", batch_preset::standard},
    {"full", batch_preset::full},        {"parallel", batch_preset::parallel},
    {"quick_test", batch_preset::quick}, {"run_batch_test", batch_preset::standard},
    {"test_all", batch_preset::full},    {"run_parallel_test", batch_preset::parallel},
};

bool has(const std::vector<std::string>& words, const std::string& word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

bool is_all(const std::vector<std::string>& words) { return words.empty() || has(words, "all"); }

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const auto& word : words)
    out += (out.empty() ? "" : ", ") + word;
  return out;
}

/// Every prompt type of the tasks, in the order in which they are met.
std::vector<std::string> all_types_of(const std::vector<batch_task>& tasks) {
  std::vector<std::string> out;
  for (const auto& task : tasks)
    for (const auto& type : task.prompt_types)
      if (!has(out, type))
        out.push_back(type);
  return out;
}

std::vector<batch_task> with_first_types(std::vector<batch_task> tasks) {
  for (auto& task : tasks)
    if (task.prompt_types.size() > 1)
      task.prompt_types.resize(1);
  return tasks;
}

std::string named(const std::vector<std::string>& words) {
  constexpr size_t most = 3;
  if (words.size() <= most)
    return joined(words);
  return joined({words.begin(), words.begin() + most}) + " and " + std::to_string(words.size() - most)
         + " more";
}

/// An evaluation for each type, of the tasks that have it.
std::vector<batch_part> by_type(const std::string& model, const std::vector<batch_task>& tasks,
                                const std::vector<std::string>& types) {
  std::vector<batch_part> out;
  for (const auto& type : types) {
    batch_part part{model, {type}, {}};
    for (const auto& task : tasks)
      if (has(task.prompt_types, type))
        part.tasks.push_back(task.id);
    if (!part.tasks.empty())
      out.push_back(std::move(part));
  }
  return out;
}

/// An evaluation for the tasks that have the same of the types.
std::vector<batch_part> by_tasks(const std::string& model, const std::vector<batch_task>& tasks,
                                 const std::vector<std::string>& types) {
  std::vector<batch_part> out;
  for (const auto& task : tasks) {
    std::vector<std::string> its;
    std::copy_if(types.begin(), types.end(), std::back_inserter(its),
                 [&](const std::string& type) { return has(task.prompt_types, type); });
    if (its.empty())
      continue;
    const auto same = std::find_if(out.begin(), out.end(),
                                   [&](const batch_part& part) { return part.prompt_types == its; });
    if (same == out.end())
      out.push_back({model, std::move(its), {task.id}});
    else
      same->tasks.push_back(task.id);
  }
  return out;
}

} // namespace

std::optional<batch_preset> batch_preset_from_string(std::string_view word) noexcept {
  if (word.ends_with(".sh"))
    word.remove_suffix(3);
  for (const auto& one : preset_names)
    if (one.name == word)
      return one.preset;
  return std::nullopt;
}

std::string_view to_string(batch_preset preset) noexcept {
  for (const auto& one : preset_names)
    if (one.preset == preset)
      return one.name;
  return "standard";
}

void fill_from(batch_preset preset, batch_wish& wish) {
  const bool is_quick = preset == batch_preset::quick;
  if (wish.models.empty() && (preset == batch_preset::full || preset == batch_preset::parallel))
    wish.all_models = true;
  if (wish.task_types.empty())
    wish.task_types = {"all"};
  if (wish.prompt_types.empty())
    wish.prompt_types = {is_quick ? "first" : "all"};
  if (!wish.num_instances)
    wish.num_instances = is_quick ? quick_instances : usual_instances;
  if (preset == batch_preset::parallel && !wish.model_parallel)
    wish.model_parallel = true;
}

prompt_strategy choose_strategy(const provider_shape& shape, size_t prompt_types,
                                std::optional<bool> wanted) {
  prompt_strategy out;
  const uint64_t types = std::max<size_t>(prompt_types, 1);
  const uint64_t keys = std::max<size_t>(shape.keys, 1);
  // With the strategy by_prompt_type a key serves its own types only.
  const uint64_t used_keys = shape.by_prompt_type ? std::min(keys, types) : keys;
  if (shape.calls_per_key > 0)
    out.calls_at_once = used_keys * shape.calls_per_key;
  if (shape.workers_per_prompt_type > 0) {
    const auto by_type = types * shape.workers_per_prompt_type;
    out.calls_at_once = std::min(out.calls_at_once.value_or(by_type), by_type);
  }
  if (out.calls_at_once)
    out.calls_of_one = shape.workers_per_prompt_type > 0
                           ? std::min<uint64_t>(*out.calls_at_once, shape.workers_per_prompt_type)
                       : shape.by_prompt_type ? shape.calls_per_key
                                              : *out.calls_at_once;
  if (wanted) {
    out.at_once = *wanted;
    out.reason = *wanted ? "as asked" : "one after another, as asked";
  } else if (types == 1) {
    out.reason = "there is one prompt type";
  } else if (shape.by_prompt_type) {
    out.reason = "each prompt type has a key of its own (" + std::to_string(keys) + " keys)";
  } else if (shape.workers_per_prompt_type > 0) {
    out.reason = "the provider takes " + std::to_string(shape.workers_per_prompt_type)
                 + " calls at once of every prompt type";
  } else if (out.calls_at_once == 1U) {
    out.at_once = false;
    out.reason = "the provider takes one call at a time";
  } else {
    out.reason = "the keys serve every prompt type";
  }
  return out;
}

result<std::vector<batch_task>> of_difficulties(std::vector<batch_task> tasks,
                                                const std::vector<std::string>& difficulties) {
  if (is_all(difficulties))
    return tasks;
  std::vector<std::string> wanted;
  for (const auto& word : difficulties) {
    auto known = canonical_difficulty(word);
    if (known.empty())
      return fault{errc::invalid_argument, "'" + word + "' is no difficulty", "--difficulty",
                   "easy (beginner), medium (intermediate), hard (advanced) or all"};
    wanted.push_back(std::move(known));
  }
  std::erase_if(tasks, [&](const batch_task& task) { return !has(wanted, task.difficulty); });
  if (tasks.empty())
    return fault{errc::not_found, "no task of these types is " + joined(difficulties), "--difficulty",
                 "`assay tasks` shows the difficulty of each"};
  return tasks;
}

result<std::vector<batch_part>> parts_of(const std::string& model, const std::vector<batch_task>& tasks,
                                         const std::vector<std::string>& prompt_types, bool at_once,
                                         std::vector<std::string>& notes) {
  if (prompt_types == std::vector<std::string>{"first"})
    return parts_of(model, with_first_types(tasks), {"all"}, at_once, notes);
  const auto known = all_types_of(tasks);
  const bool all = is_all(prompt_types);
  const auto types = all ? known : prompt_types;
  for (const auto& type : all ? std::vector<std::string>{} : types) {
    if (!has(known, type)) {
      const std::vector<std::string_view> views(known.begin(), known.end());
      const auto meant = did_you_mean(type, views);
      return fault{errc::not_found, "no task has the prompt type '" + type + "'", "--prompt-types",
                   (meant.empty() ? "" : meant + " ") + "there are: " + joined(known)};
    }
    std::vector<std::string> without;
    for (const auto& task : tasks)
      if (!task.prompt_types.empty() && !has(task.prompt_types, type))
        without.push_back(task.id);
    if (!without.empty())
      notes.push_back("no prompt type " + type + ": " + named(without));
  }
  auto out = at_once ? by_type(model, tasks, types) : by_tasks(model, tasks, types);
  batch_part unknown{model, {}, {}};
  for (const auto& task : tasks)
    if (task.prompt_types.empty())
      unknown.tasks.push_back(task.id);
  if (!unknown.tasks.empty())
    out.push_back(std::move(unknown));
  if (out.empty())
    return fault{errc::not_found, "there is nothing to ask", "--task-types", "`assay tasks` lists the tasks"};
  return out;
}

} // namespace assay::experiments
