#include "cli/batch_flags.hpp"
#include "cli/database_command.hpp"
#include "cli/load_settings.hpp"
#include "cli/parse.hpp"
#include "cli/progress.hpp"
#include "cli/run_end.hpp"
#include "cli/server_runs.hpp"
#include "cli/signals.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <csignal>
#include <set>
#include <utility>

namespace assay::cli {

namespace {

using nlohmann::json;

constexpr milliseconds usual_nap{500};
constexpr size_t page_size = 200;

std::string text(const json& from, const char* name) {
  const auto found = from.find(name);
  return found != from.end() && found->is_string() ? found->get<std::string>() : std::string{};
}

std::vector<std::string> texts(const json& from, const char* name) {
  std::vector<std::string> out;
  if (const auto found = from.find(name); found != from.end() && found->is_array())
    for (const auto& one : *found)
      if (one.is_string())
        out.push_back(one.get<std::string>());
  return out;
}

/// What a server knows of a task, for a batch.
struct served_task {
  experiments::batch_task task;
  std::vector<std::string> tags;
};

result<std::vector<served_task>> tasks_at(const api_client& api) {
  std::vector<served_task> out;
  for (size_t page = 1;; ++page) {
    json answer;
    if (auto refused =
            api.ask("GET", "/tasks?limit=" + std::to_string(page_size) + "&page=" + std::to_string(page),
                    nullptr, answer))
      return *refused;
    const auto items = answer.value("items", json::array());
    for (const auto& item : items)
      out.push_back({{text(item, "task_id"), text(item, "category"), text(item, "task_type"),
                      text(item, "difficulty"), texts(item, "prompt_types")},
                     texts(item, "tags")});
    if (items.size() < page_size)
      return out;
  }
}

bool is_meant(const served_task& one, const std::string& word) {
  const auto& task = one.task;
  return word == "all" || task.id == word || task.category == word || task.task_type == word
         || word == task.category + "_scenarios" || task.id.starts_with(word + "_")
         || std::find(one.tags.begin(), one.tags.end(), word) != one.tags.end();
}

result<std::vector<experiments::batch_task>> chosen_tasks(const std::vector<served_task>& all,
                                                          const std::vector<std::string>& words) {
  std::vector<experiments::batch_task> out;
  std::set<std::string> taken;
  for (const auto& word : split_lists(words)) {
    bool means_some = false;
    for (const auto& one : all) {
      if (!is_meant(one, word))
        continue;
      means_some = true;
      if (taken.insert(one.task.id).second)
        out.push_back(one.task);
    }
    if (!means_some)
      return fault{errc::not_found,
                   "the server knows no task type, category, group or task '" + word + "'",
                   "--task-types",
                   {}};
  }
  return out;
}

result<std::vector<std::string>> models_at(const api_client& api, const experiments::batch_wish& wish) {
  auto out = split_lists(wish.models);
  if (wish.all_models) {
    json answer;
    if (auto refused = api.ask("GET", "/models", nullptr, answer))
      return *refused;
    const bool has_real = std::any_of(answer.begin(), answer.end(),
                                      [](const json& model) { return text(model, "provider") != "mock"; });
    for (const auto& model : answer)
      if (!has_real || text(model, "provider") != "mock")
        out.push_back(text(model, "model_id"));
  }
  std::vector<std::string> distinct;
  for (auto& name : out)
    if (std::find(distinct.begin(), distinct.end(), name) == distinct.end())
      distinct.push_back(std::move(name));
  if (distinct.empty())
    return fault{errc::invalid_argument, "no model is named", "--model", "or --all-models"};
  return distinct;
}

/// @returns what only a farm in this process can do.
std::optional<fault> wrong_for_server(const batch_flags& flags, const batch_order& order) {
  const auto refused = [](const char* flag, const char* hint) {
    return fault{errc::invalid_argument, "a server decides this itself", flag, hint};
  };
  if (order.wish.model_parallel == false)
    return refused("--no-model-parallel", "farm.max_running_runs in its configuration");
  if (order.ways.workers)
    return refused("--workers", "workers or concurrent_requests in its configuration");
  if (order.ways.qps)
    return refused("--qps", "qps in its configuration");
  if (!flags.include_paths.empty())
    return refused("--include-path", "tasks_dirs in its configuration");
  if (!flags.output_path.empty())
    return refused("--output-path", "`assay export` gets results from a server");
  if (flags.fresh)
    return refused("--fresh", "`assay cancel` ends evaluations of a server");
  return std::nullopt;
}

result<std::vector<json>> bodies_of(const api_client& api, const batch_flags& flags, const batch_order& order,
                                    std::vector<std::string>& notes) {
  const auto models = models_at(api, order.wish);
  if (!models)
    return models.error();
  const auto known = tasks_at(api);
  if (!known)
    return known.error();
  auto chosen = chosen_tasks(*known, order.wish.task_types);
  if (!chosen)
    return chosen.error();
  const auto tasks = experiments::of_difficulties(std::move(*chosen), split_lists(order.wish.difficulties));
  if (!tasks)
    return tasks.error();
  const auto run = run_flags_of(flags, order);
  std::vector<json> out;
  for (const auto& model : *models) {
    std::vector<std::string> more;
    const auto parts = experiments::parts_of(model, *tasks, split_lists(order.wish.prompt_types),
                                             order.wish.prompt_parallel.value_or(true), more);
    if (!parts)
      return parts.error();
    for (auto& note : more)
      if (std::find(notes.begin(), notes.end(), note) == notes.end())
        notes.push_back(std::move(note));
    for (const auto& part : *parts) {
      auto asked = run;
      asked.prompt_types = part.prompt_types;
      json body;
      if (auto wrong = request_body(asked, part.model, part.tasks, body))
        return *wrong;
      out.push_back(std::move(body));
    }
  }
  return out;
}

/// @returns errc::cancelled when a signal came.
std::optional<fault> follow(const command_context& context, const api_client& api, signals& caught,
                            std::vector<progress_line>& runs) {
  progress shown(context.err, context.flags.quiet);
  while (true) {
    for (auto& run : runs) {
      if (is_final(run.record.state))
        continue;
      json status;
      if (auto refused = api.ask("GET", "/evaluations/" + to_string(run.record.spec.id), nullptr, status)) {
        shown.end();
        return refused;
      }
      run.record = record_from(status);
    }
    shown.show(runs);
    if (std::all_of(runs.begin(), runs.end(), [](const auto& run) { return is_final(run.record.state); }))
      break;
    if (const auto signal = caught.wait(usual_nap); signal && *signal != SIGHUP) {
      shown.end();
      return fault{
          errc::cancelled, "the evaluations go on at the server", {}, "`assay runs --url` lists them"};
    }
  }
  shown.end();
  return std::nullopt;
}

void show_end(const command_context& context, const run_flags& flags, const api_client& api,
              const std::vector<progress_line>& runs) {
  json evaluations = json::array();
  table rows({{"evaluation", align::left, squeeze::whole},
              {"model"},
              {"state"},
              {"done", align::right},
              {"failed", align::right},
              {"score", align::right}});
  for (const auto& run : runs) {
    const auto& record = run.record;
    rows.add({to_string(record.spec.id), record.spec.model.value, std::string(to_string(record.state)),
              show_count(record.progress.done), show_count(record.progress.failed),
              show_number(record.progress.score(), 3)});
    json document;
    if (!api.ask("GET", "/results/" + to_string(record.spec.id), nullptr, document))
      evaluations.push_back(std::move(document));
  }
  if (wants_json(context, flags))
    print(json{{"evaluations", std::move(evaluations)}}.dump(2, ' ', false, json::error_handler_t::replace)
          + "\n");
  else
    print(rows.render(context.out, context.out.columns)
          + "`assay database stats --url` shows what the server's database has.\n");
}

} // namespace

exit_code run_batch_on_server(command_context& context, const batch_flags& flags, const batch_order& order) {
  if (auto wrong = wrong_for_server(flags, order))
    return report(context, *wrong);
  const auto settings = load_settings(context);
  if (!settings)
    return report(context, settings.error());
  const auto api = api_client::connect(*settings, flags.api);
  if (!api)
    return report(context, api.error());
  std::vector<std::string> notes;
  const auto bodies = bodies_of(*api, flags, order, notes);
  if (!bodies)
    return report(context, bodies.error());
  for (const auto& note : notes)
    remark(context, "note: " + note);
  const auto run = run_flags_of(flags, order);
  // Every evaluation is checked before one is paid for.
  json checked = json::array();
  for (auto body : *bodies) {
    body["dry_run"] = true;
    json answer;
    if (auto refused = api->ask("POST", "/evaluations", body, answer))
      return report(context, *refused);
    checked.push_back(std::move(answer));
  }
  if (flags.dry_run) {
    print(json{{"dry_run", true}, {"evaluations", std::move(checked)}}.dump(2, ' ', false,
                                                                            json::error_handler_t::replace)
          + "\n");
    return exit_code::ok;
  }
  auto caught = signals::block();
  if (!caught)
    return report(context, caught.error());
  std::vector<progress_line> runs;
  for (const auto& body : *bodies) {
    json answer;
    if (auto refused = api->ask("POST", "/evaluations", body, answer)) {
      remark(context, show_count(runs.size()) + " evaluations were started before this and go on");
      return report(context, *refused);
    }
    auto record = record_from(answer);
    record.spec.model = model_id{text(body, "model")};
    const auto types = texts(body["configuration"], "prompt_types");
    runs.push_back({record.spec.model.value + (types.empty() ? "" : " " + types.front()), std::move(record)});
  }
  if (auto ended = follow(context, *api, **caught, runs)) {
    const auto code = report(context, *ended);
    return ended->code == errc::cancelled ? exit_code::interrupted : code;
  }
  show_end(context, run, *api, runs);
  std::vector<const run_record*> records;
  for (const auto& one : runs)
    records.push_back(&one.record);
  return exit_code_of(records, flags.strict);
}

} // namespace assay::cli
