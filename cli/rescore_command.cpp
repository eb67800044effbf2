#include "actors/runs/admission.hpp"
#include "cli/api_client.hpp"
#include "cli/arguments.hpp"
#include "cli/commands.hpp"
#include "cli/load_settings.hpp"
#include "cli/logging.hpp"
#include "cli/run_end.hpp"
#include "cli/run_session.hpp"
#include "cli/server_runs.hpp"
#include "cli/stored_keys.hpp"
#include "storage/snapshot.hpp"

#include <nlohmann/json.hpp>

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace assay::cli {

namespace {

using nlohmann::json;

struct rescore_flags {
  api_flags api;
  std::string run;
  std::vector<std::string> task_files;
  std::vector<std::string> include_paths;
  std::optional<double> max_cost; ///< Dollars.
};

exit_code ask_server(const command_context& context, const config::settings& settings,
                     const rescore_flags& flags) {
  if (!flags.task_files.empty())
    return report(context, {errc::invalid_argument, "a server reads the tasks of its own folders", "--task",
                            "change the file there, or stop the server and score here"});
  if (auto good = check_run_name(flags.run); !good)
    return report(context, good.error());
  const auto api = api_client::connect(settings, flags.api);
  if (!api)
    return report(context, api.error());
  const auto id = find_run_at(*api, flags.run);
  if (!id)
    return report(context, id.error());
  auto body = json::object();
  if (flags.max_cost)
    body["max_cost"] = *flags.max_cost;
  json answer;
  if (auto refused = api->ask("POST", "/evaluations/" + to_string(*id) + "/rescore", body, answer))
    return report(context, *refused);
  if (context.flags.json)
    print(answer.dump(2, ' ', false, json::error_handler_t::replace) + "\n");
  else
    print(answer.value("evaluation_id", "") + " scores the answers of " + to_string(*id) + "\n");
  remark(context, "`assay watch " + answer.value("evaluation_id", "") + "` follows it");
  return exit_code::ok;
}

/// The new run, checked and not submitted.
result<run_plan> plan_rescoring(const command_context& context, const rescore_flags& flags,
                                config::settings&& loaded) {
  auto catalogue = *load_tasks(context, loaded, flags.include_paths);
  for (const auto& file : flags.task_files) {
    auto task = tasks::load_task_file(file);
    if (!task)
      return task.error();
    catalogue.add(std::move(*task));
  }
  const auto store = open_store_read_only(loaded);
  if (!store)
    return store.error();
  const auto id = find_run_named(*store, flags.run);
  if (!id)
    return id.error();
  run_plan plan;
  plan.settings = std::make_shared<const config::settings>(std::move(loaded));
  plan.tasks = std::make_shared<const tasks::task_catalogue>(std::move(catalogue));
  auto& planned = plan.runs.emplace_back();
  planned.request.origin = *id;
  if (flags.max_cost)
    planned.request.max_cost = from_dollars(*flags.max_cost);
  const auto find = [&store](run_id run) -> result<std::optional<run_record>> {
    auto view = storage::snapshot::open(*store);
    if (!view)
      return view.error();
    return view->find_run(run);
  };
  auto admitted =
      make_admission({plan.settings, plan.tasks, {}, 50'000'000, {}, false, find})(planned.request);
  if (!admitted)
    return admitted.error();
  planned.admitted = std::move(*admitted);
  return plan;
}

exit_code score_here(const command_context& context, const rescore_flags& flags, config::settings&& loaded) {
  if (auto joined = join_stored_keys(loaded); !joined)
    return report(context, joined.error());
  show_warnings(context, loaded);
  const auto plan = plan_rescoring(context, flags, std::move(loaded));
  if (!plan)
    return report(context, plan.error());
  auto caught = signals::block();
  if (!caught)
    return report(context, caught.error());
  if (auto logging = start_logging(context, *plan->settings, "warn"); !logging)
    return report(context, logging.error());
  for (const auto& note : plan->runs.front().admitted.notes)
    remark(context, "note: " + note);
  auto session = run_session::start(context, *plan, false);
  if (!session)
    return report(context, session.error());
  return follow_to_end(context, run_flags{}, **session, **caught);
}

exit_code rescore(command_context& context, const rescore_flags& flags) {
  auto settings = load_settings(context);
  if (!settings)
    return report(context, settings.error());
  if (means_server(*settings, flags.api))
    return ask_server(context, *settings, flags);
  return score_here(context, flags, std::move(*settings));
}

} // namespace

void add_rescore_command(CLI::App& app, command_context& context) {
  const auto flags = std::make_shared<rescore_flags>();
  auto* sub = app.add_subcommand(
      "rescore", "Score the answers of a run again, in a run of its own; no model is asked for them");
  sub->add_option("ID", flags->run, "The run, or `last`")->required();
  sub->add_option("-t,--task", flags->task_files,
                  "A task file that says how to score, in place of the task with the same id; repeat it")
      ->check(CLI::ExistingFile);
  sub->add_option("--include-path,--include_path", flags->include_paths, "One more folder of tasks");
  sub->add_option_function<double>(
         "--max-cost,--max_cost", [flags](double dollars) { flags->max_cost = dollars; },
         "Dollars; what judges may cost, nothing else costs anything")
      ->check(CLI::Range(0.0, 1e9));
  add_api_flags(*sub, flags->api);
  examples(*sub, "  assay rescore last\n"
                 "  assay rescore eval_1700000000_0000002a --task stricter_scorers.yaml\n");
  sub->callback(
      [&context, flags] { context.action = [flags](command_context& c) { return rescore(c, *flags); }; });
}

} // namespace assay::cli
