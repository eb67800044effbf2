#include "cli/arguments.hpp"
#include "cli/commands.hpp"
#include "cli/dataset_fetch.hpp"
#include "cli/load_settings.hpp"
#include "cli/prompts.hpp"
#include "cli/run_plan.hpp"
#include "core/tasks/dataset.hpp"
#include "core/tasks/lm_eval/task_config.hpp"
#include "core/tasks/preparation.hpp"
#include "core/tasks/promptfoo/test_file.hpp"
#include "core/tasks/sample_source.hpp"
#include "core/values/closest_word.hpp"

#include <nlohmann/json.hpp>

#include <filesystem>
#include <memory>
#include <set>

namespace assay::cli {

namespace {

using nlohmann::json;
using task_ptr = std::shared_ptr<const tasks::task_definition>;

struct task_flags {
  tasks::task_filter filter;
  std::string id;
  std::vector<std::string> paths;
  std::vector<std::string> folders;
  dataset_wish dataset;
};

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const auto& word : words)
    out += (out.empty() ? "" : ", ") + word;
  return out;
}

/// Rows of a dataset that is small enough to be read for a list.
uint64_t rows_for_list(const tasks::task_definition& task) {
  constexpr uintmax_t most = uintmax_t{32} << 20;
  std::error_code error;
  const auto size = std::filesystem::file_size(task.dataset, error);
  if (error || size > most)
    return 0;
  const auto facts = tasks::inspect_data(task);
  return facts ? facts->rows : 0;
}

/// The table of tasks that lists and groups show.
void print_tasks(const command_context& context, const std::vector<task_ptr>& found) {
  table rows({{"task", align::left, squeeze::whole},
              {"category", align::left, squeeze::spare},
              {"difficulty", align::left, squeeze::spare},
              {"languages"},
              {"samples", align::right},
              {"prompt types"}});
  for (const auto& task : found) {
    const auto count = rows_for_list(*task);
    rows.add({task->id.value, task->category, task->difficulty, joined(task->languages),
              count == 0 ? "?" : show_count(count), joined(task->prompt_types())});
  }
  print(rows.render(context.out, context.out.columns));
}

json summaries_of(const std::vector<task_ptr>& found) {
  json out = json::array();
  for (const auto& task : found)
    out.push_back(tasks::to_summary(*task, rows_for_list(*task)));
  return out;
}

/// A word that no task has is a mistake of the command line, not a list without rows.
result<void> check_filter(const tasks::task_catalogue& catalogue, const tasks::task_filter& given) {
  struct one_filter {
    const char* flag;
    std::string tasks::task_filter::*word;
    std::vector<std::string> (*words_of)(const tasks::task_definition&);
  };
  const one_filter all[] = {
      {"--category", &tasks::task_filter::category,
       [](const auto& task) { return std::vector{task.category}; }},
      {"--difficulty", &tasks::task_filter::difficulty,
       [](const auto& task) { return std::vector{task.difficulty}; }},
      {"--tag", &tasks::task_filter::tag, [](const auto& task) { return task.tags; }},
      {"--language", &tasks::task_filter::language, [](const auto& task) { return task.languages; }}};
  for (const auto& [flag, word, words_of] : all) {
    tasks::task_filter only;
    only.*word = given.*word;
    if ((given.*word).empty() || catalogue.size() == 0 || !catalogue.list(only).empty())
      continue;
    std::set<std::string> known;
    for (const auto& task : catalogue.list())
      for (auto& one : words_of(*task))
        known.insert(std::move(one));
    return fault{errc::invalid_argument, "no task has '" + given.*word + "'", flag,
                 "there are " + joined({known.begin(), known.end()})};
  }
  return {};
}

/// Where tasks were looked for in vain.
std::string nowhere(const config::settings& settings, const task_flags& flags) {
  auto folders = settings.tasks_dirs;
  folders.insert(folders.end(), flags.folders.begin(), flags.folders.end());
  const std::string hint = "name a folder of tasks with --include-path, or in the setting tasks_dirs";
  return folders.empty() ? "no task: no folder of tasks is known, and none was installed with assay; " + hint
                         : "no task is in " + joined(folders) + "; " + hint;
}

exit_code list_tasks(command_context& context, const task_flags& flags) {
  const auto settings = load_settings(context);
  if (!settings)
    return report(context, settings.error());
  const auto catalogue = load_tasks(context, *settings, flags.folders);
  if (auto good = check_filter(*catalogue, flags.filter); !good)
    return report(context, good.error());
  const auto found = catalogue->list(flags.filter);
  if (context.flags.json) {
    print(json{{"tasks", summaries_of(found)}, {"groups", catalogue->group_names()}}.dump(2) + "\n");
    return exit_code::ok;
  }
  print_tasks(context, found);
  if (found.empty() && catalogue->size() > 0)
    remark(context, "no task fits all of these filters");
  else if (found.empty())
    remark(context, nowhere(*settings, flags));
  return exit_code::ok;
}

exit_code show_group(const command_context& context, const tasks::task_catalogue& catalogue,
                     const std::string& name, const std::vector<task_id>& ids) {
  std::vector<task_ptr> found;
  for (const auto& id : ids)
    found.push_back(catalogue.find(id));
  if (context.flags.json) {
    print(json{{"group", name}, {"tasks", summaries_of(found)}}.dump(2) + "\n");
    return exit_code::ok;
  }
  print(name + " is a group of " + show_count(found.size()) + (found.size() == 1 ? " task" : " tasks")
        + "; `assay run -t " + name + "` runs all of it.\n\n");
  print_tasks(context, found);
  return exit_code::ok;
}

exit_code show_one(const command_context& context, const task_ptr& task);

/// A task file, or a folder of them, as `assay run` takes them too.
exit_code show_path(const command_context& context, const std::string& path) {
  std::error_code ignored;
  if (!std::filesystem::is_directory(path, ignored)) {
    auto task = tasks::load_task_file(path);
    return task ? show_one(context, std::make_shared<const tasks::task_definition>(std::move(*task)))
                : report(context, task.error());
  }
  const std::filesystem::path folder(path);
  const auto loaded = tasks::load_task_folder(std::span(&folder, 1));
  for (const auto& one : loaded.faults)
    remark(context, "warning: a task is left out: " + to_string(one));
  const auto found = loaded.catalogue->list();
  if (found.empty())
    return report(context,
                  {errc::not_found, "no task file is in this folder", path, "tasks are .yaml files"});
  if (context.flags.json)
    print(json{{"tasks", summaries_of(found)}}.dump(2) + "\n");
  else
    print_tasks(context, found);
  return exit_code::ok;
}

exit_code show_task(command_context& context, const task_flags& flags) {
  if (is_task_path(flags.id))
    return show_path(context, flags.id);
  const auto settings = load_settings(context);
  if (!settings)
    return report(context, settings.error());
  const auto catalogue = load_tasks(context, *settings, flags.folders);
  const auto task = catalogue->find(task_id{flags.id});
  if (!task) {
    if (const auto group = catalogue->group(flags.id); !group.empty())
      return show_group(context, *catalogue, flags.id, group);
    std::vector<std::string_view> ids;
    const auto all = catalogue->list();
    const auto groups = catalogue->group_names();
    for (const auto& one : all)
      ids.push_back(one->id.value);
    ids.insert(ids.end(), groups.begin(), groups.end());
    const auto near = did_you_mean(flags.id, ids);
    return report(context, {errc::not_found,
                            "there is no task " + flags.id,
                            {},
                            near.empty() ? "`assay tasks` lists them" : near});
  }
  return show_one(context, task);
}

exit_code show_one(const command_context& context, const task_ptr& task) {
  const auto facts = tasks::inspect_data(*task);
  if (!facts)
    return report(context, facts.error());
  if (context.flags.json) {
    json out = tasks::to_summary(*task, facts->rows);
    out["dataset"] = task->dataset;
    out["dataset_sha256"] = facts->sha256;
    out["scorers"] = task->scorer_names();
    out["generation"] = task->generation;
    out["file"] = task->file;
    out["first_sample"] = first_prompts(task, {});
    print(out.dump(2, ' ', false, json::error_handler_t::replace) + "\n");
    return exit_code::ok;
  }
  table rows({{""}, {task->id.value}});
  rows.add({"name", task->name});
  rows.add({"description", on_one_line(task->description)});
  rows.add({"category", task->category + ", " + task->difficulty});
  rows.add({"languages", joined(task->languages)});
  rows.add({"tags", joined(task->tags)});
  rows.add({"samples", show_count(facts->rows)});
  rows.add({"scorers", joined(task->scorer_names())});
  rows.add({"generation", json(task->generation).dump()});
  rows.add({"dataset", task->dataset});
  rows.add({"file", task->file});
  print(rows.render(context.out));
  print("\n" + render_first_prompts(context.out, task, {}));
  return exit_code::ok;
}

/// Renders every row with every prompt type. @returns the first few things that are wrong.
std::vector<fault> check_samples(const task_ptr& task) {
  constexpr size_t most_faults = 5;
  std::vector<fault> faults;
  // Its prompts are made by Python when a run is submitted; here its rows are read.
  if (task->lm_eval) {
    for (const auto* source : {&task->lm_eval->rows, &task->lm_eval->examples})
      for (const auto& file : source->files)
        if (const auto facts = tasks::inspect_dataset(file); !facts)
          faults.push_back(facts.error());
    return faults;
  }
  // Its rows were made when the file was read.
  if (task->promptfoo) {
    for (const auto& text : task->promptfoo->rows)
      if (const auto row = json::parse(text, nullptr, false);
          row.is_object() && row.contains("error") && faults.size() < most_faults)
        faults.push_back(
            {errc::template_failed, row["error"].get<std::string>(), task->file, "add it to vars"});
    return faults;
  }
  for (const auto& type : task->prompt_types()) {
    tasks::sample_options options;
    options.prompt_type = type;
    auto source = tasks::sample_source::open(task, options);
    if (!source) {
      faults.push_back(source.error());
      return faults;
    }
    tasks::prepared_sample sample;
    while (faults.size() < most_faults) {
      const auto more = source->next(sample);
      if (!more)
        faults.push_back(more.error());
      if (!more || !*more)
        break;
      if (sample.problem) {
        faults.push_back(*sample.problem);
        faults.back().where = task->file + ": prompt type " + type + ", row " + std::to_string(sample.row);
      }
    }
  }
  return faults;
}

struct validation {
  std::vector<fault> faults;
  std::vector<task_ptr> tasks;
};

validation load_path(const std::string& path, const tasks::data_places& places) {
  validation out;
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) {
    const std::filesystem::path folder(path);
    auto loaded = tasks::load_task_folder(std::span(&folder, 1), places);
    out.faults = std::move(loaded.faults);
    out.tasks = loaded.catalogue->list();
    if (out.tasks.empty() && out.faults.empty())
      out.faults.push_back(
          {errc::not_found, "no task file is in this folder", path, "tasks are .yaml files"});
    return out;
  }
  auto loaded = tasks::load_all_tasks(path, {}, places);
  out.faults = std::move(loaded.faults);
  for (auto& task : loaded.tasks)
    out.tasks.push_back(std::make_shared<const tasks::task_definition>(std::move(task)));
  return out;
}

exit_code validate_tasks(command_context& context, const task_flags& flags) {
  json files = json::array();
  bool broken = false;
  const auto complain = [&](const fault& one) {
    broken = true;
    files.push_back({{"ok", false}, {"where", one.where}, {"message", one.message}, {"hint", one.hint}});
    if (!context.flags.json)
      print(paint(context.out, colour::red, "fail") + "  " + to_string(one) + "\n");
  };
  // Files can be checked where the configuration is broken.
  tasks::data_places places;
  if (const auto settings = load_settings(context))
    places = data_places_of(*settings);
  for (const auto& path : flags.paths) {
    auto found = load_path(path, places);
    for (const auto& one : found.faults)
      complain(one);
    for (const auto& task : found.tasks) {
      const auto faults = check_samples(task);
      for (const auto& one : faults)
        complain(one);
      if (!faults.empty())
        continue;
      const auto facts = tasks::inspect_data(*task);
      const auto count = facts ? facts->rows : 0;
      files.push_back({{"ok", true}, {"task", task->id.value}, {"file", task->file}, {"samples", count}});
      if (!context.flags.json)
        print(paint(context.out, colour::green, "ok") + "    " + task->id.value + ": " + show_count(count)
              + " samples, prompt types " + joined(task->prompt_types()) + "\n");
      static const std::vector<std::string> none;
      for (const auto& note : task->lm_eval     ? task->lm_eval->notes
                              : task->promptfoo ? task->promptfoo->notes
                                                : none)
        remark(context, "note: " + task->id.value + ": " + note);
    }
  }
  if (context.flags.json)
    print(json{{"valid", !broken}, {"files", std::move(files)}}.dump(2) + "\n");
  return broken ? exit_code::configuration : exit_code::ok;
}

exit_code fetch_rows(command_context& context, const task_flags& flags) {
  const auto settings = load_settings(context);
  if (!settings)
    return report(context, settings.error());
  const auto get = make_page_getter(flags.dataset.base_url, settings->network);
  if (!get)
    return report(context, get.error());
  const auto done = fetch_dataset(flags.dataset, *get);
  if (!done)
    return report(context, done.error());
  if (context.flags.json) {
    print(json{{"file", flags.dataset.file},
               {"rows", done->rows},
               {"resumed", done->resumed},
               {"cut", done->cut}}
              .dump(2)
          + "\n");
    return exit_code::ok;
  }
  print(flags.dataset.file + ": " + show_count(done->rows) + " rows of " + flags.dataset.name + ", split "
        + flags.dataset.split + "\n");
  if (done->cut)
    remark(context, "the split has more rows; --limit sets how many are fetched");
  return exit_code::ok;
}

void add_filters(CLI::App& sub, const std::shared_ptr<task_flags>& flags) {
  sub.add_option("--category", flags->filter.category, "Only this category");
  sub.add_option("--difficulty", flags->filter.difficulty, "beginner, intermediate or advanced");
  sub.add_option("--tag", flags->filter.tag, "Only tasks with this tag");
  sub.add_option("--language", flags->filter.language, "Only tasks in this language");
  repeatable(sub, "--include-path,--include_path", flags->folders, "One more folder of tasks");
}

void add_fetch(CLI::App& tasks, command_context& context, const std::shared_ptr<task_flags>& flags) {
  auto* fetch = tasks.add_subcommand("fetch", "Fetch a dataset from a hub as JSONL, through its API of rows");
  auto& wish = flags->dataset;
  fetch->add_option("NAME", wish.name, "The dataset, such as openai/gsm8k")->required();
  fetch->add_option("--config", wish.part, "Which of the dataset's configurations")->capture_default_str();
  fetch->add_option("--split", wish.split, "Which split")->capture_default_str();
  fetch->add_option("-o,--output", wish.file, "The file to write")->required();
  fetch->add_option("--base-url", wish.base_url, "Where the API is")->capture_default_str();
  fetch->add_option("--limit", wish.limit, "Rows at most")->capture_default_str();
  examples(*fetch, "  assay tasks fetch openai/gsm8k --config main --split test -o gsm8k/test.jsonl\n");
  fetch->callback(
      [&context, flags] { context.action = [flags](command_context& c) { return fetch_rows(c, *flags); }; });
}

} // namespace

void add_tasks_command(CLI::App& app, command_context& context) {
  const auto flags = std::make_shared<task_flags>();
  auto* sub = app.add_subcommand("tasks", "List, show and check tasks");
  sub->require_subcommand(0, 1);
  add_filters(*sub, flags);
  examples(*sub, "  assay tasks\n  assay tasks --language zh\n  assay tasks show date_reasoning\n"
                 "  assay tasks validate my_tasks/\n");
  sub->callback([&context, flags] {
    if (!context.action)
      context.action = [flags](command_context& c) { return list_tasks(c, *flags); };
  });
  auto* list = sub->add_subcommand("list", "The tasks that can be run");
  add_filters(*list, flags);
  examples(*list, "  assay tasks list --category single_turn\n  assay tasks list --json\n");
  list->callback(
      [&context, flags] { context.action = [flags](command_context& c) { return list_tasks(c, *flags); }; });
  auto* show =
      sub->add_subcommand("show", "One task, with the first prompt of each type, or a group's tasks");
  show->add_option("ID", flags->id, "The task, a group, a task file, or a folder of them")->required();
  repeatable(*show, "--include-path,--include_path", flags->folders, "One more folder of tasks");
  examples(*show, "  assay tasks show arithmetic_word_problems\n  assay tasks show chinese\n"
                  "  assay tasks show my_tasks/mine.yaml\n");
  show->callback(
      [&context, flags] { context.action = [flags](command_context& c) { return show_task(c, *flags); }; });
  auto* validate = sub->add_subcommand("validate", "Check task files and their datasets, row by row");
  validate->add_option("PATH", flags->paths, "Task files, or folders of them")->required();
  examples(*validate, "  assay tasks validate tasks/date_reasoning/date_reasoning.yaml\n"
                      "  assay tasks validate my_tasks/\n");
  validate->callback([&context, flags] {
    context.action = [flags](command_context& c) { return validate_tasks(c, *flags); };
  });
  add_fetch(*sub, context, flags);
}

} // namespace assay::cli
