#include "cli/arguments.hpp"
#include "cli/experiment_backend.hpp"
#include "cli/files.hpp"
#include "cli/load_settings.hpp"
#include "cli/signals.hpp"
#include "cli/stored_keys.hpp"
#include "cli/stored_models.hpp"
#include "core/values/ids.hpp"
#include "storage/experiment_reader.hpp"

#include <nlohmann/json.hpp>

#include <memory>
#include <utility>

namespace assay::cli {

namespace {

using nlohmann::json;

constexpr milliseconds server_nap{1'000};

void print_json(const json& value) {
  print(value.dump(2, ' ', false, json::error_handler_t::replace) + "\n");
}

std::string path_of(const std::string& id, const std::string& rest = "") {
  return "/experiments/" + id + rest;
}

std::optional<fault> wrong_id(const std::string& id) {
  if (is_caller_id(id))
    return std::nullopt;
  return fault{errc::invalid_argument, "'" + id + "' is no id of an experiment", "ID",
               "`assay experiment list` names them"};
}

/// The settings, and a server where one is meant.
struct place {
  std::shared_ptr<const config::settings> settings;
  std::optional<api_client> api;
};

/// `last` is the newest of the server's, or of the folder's.
std::optional<fault> find_last(const place& where, std::string& id) {
  if (id != "last")
    return std::nullopt;
  json all = json::array();
  if (where.api) {
    json answer;
    if (auto refused = where.api->ask("GET", "/experiments?limit=1", nullptr, answer))
      return refused;
    all = answer.value("items", json::array());
  } else if (auto wrong = list_experiments(*where.settings, all)) {
    return wrong;
  }
  if (all.empty())
    return fault{errc::not_found, "there is no experiment yet", "ID", "`assay experiment run` starts one"};
  id = all.front().value("experiment_id", "");
  return std::nullopt;
}

result<place> place_of(const command_context& context, experiment_flags& flags) {
  auto settings = load_settings_with_keys(context);
  if (!settings)
    return settings.error();
  join_stored_models(*settings);
  place out;
  out.settings = std::make_shared<const config::settings>(std::move(*settings));
  if (means_server(*out.settings, flags.api)) {
    auto api = api_client::connect(*out.settings, flags.api);
    if (!api)
      return api.error();
    out.api.emplace(std::move(*api));
  }
  if (auto wrong = find_last(out, flags.id))
    return *wrong;
  return out;
}

// -- running -----------------------------------------------------------------------------------------------

bool is_over(const json& seen) {
  const auto state = seen.value("state", "");
  return state == "completed" || state == "failed" || state == "cancelled";
}

/// Shows how it goes; the server goes on by itself when this ends.
exit_code follow_server(const command_context& context, const api_client& api, const std::string& id) {
  auto caught = signals::block();
  if (!caught)
    return report(context, caught.error());
  json seen;
  uint64_t told = 0;
  do {
    if (auto refused = api.ask("GET", path_of(id), nullptr, seen))
      return report(context, *refused);
    const auto ended = seen.value("ended_children", uint64_t{0});
    if (context.err->kind().is_terminal)
      context.err->status({progress_text(seen)});
    else if (ended != std::exchange(told, ended))
      remark(context, progress_text(seen));
    if (!is_over(seen) && (*caught)->wait(server_nap)) {
      context.err->clear_status();
      remark(context, "the server goes on with " + id + "; `assay experiment status " + id + "` shows it");
      return exit_code::interrupted;
    }
  } while (!is_over(seen));
  context.err->clear_status();
  json made;
  if (auto refused = api.ask("GET", path_of(id, "/report"), nullptr, made))
    return report(context, *refused);
  if (context.flags.json)
    print_json(made);
  else
    show_summary(context, made);
  return exit_code_of_experiment(seen);
}

exit_code run_there(const command_context& context, const experiment_flags& flags, const api_client& api,
                    const json& plan) {
  json answer;
  if (auto refused =
          api.ask("POST", flags.dry_run ? "/experiments?dry_run=true" : "/experiments", plan, answer))
    return report(context, *refused);
  if (flags.dry_run || flags.detach) {
    if (context.flags.json)
      print_json(answer);
    else if (flags.dry_run)
      show_expansion(context, answer);
    else
      print(answer.value("experiment_id", "") + "\n");
    return exit_code::ok;
  }
  const auto id = answer.value("experiment_id", "");
  remark(context, "experiment " + id);
  return follow_server(context, api, id);
}

exit_code run(command_context& context, experiment_flags& flags) {
  if (!flags.id.empty())
    if (auto wrong = wrong_id(flags.id))
      return report(context, *wrong);
  auto where = place_of(context, flags);
  if (!where)
    return report(context, where.error());
  json plan;
  if (auto wrong = read_plan(*where->settings, flags, plan))
    return report(context, *wrong);
  if (where->api)
    return run_there(context, flags, *where->api, plan);
  if (!flags.dry_run)
    return run_experiment_here(context, flags, where->settings, plan, {});
  json priced;
  if (auto wrong = price_plan(where->settings, load_tasks(context, *where->settings), plan, priced))
    return report(context, *wrong);
  if (context.flags.json)
    print_json(priced);
  else
    show_expansion(context, priced);
  return exit_code::ok;
}

// -- looking -----------------------------------------------------------------------------------------------

exit_code list(command_context& context, experiment_flags& flags) {
  const auto where = place_of(context, flags);
  if (!where)
    return report(context, where.error());
  json all;
  if (where->api) {
    json answer;
    const auto path = "/experiments?limit=1000" + (flags.state.empty() ? "" : "&state=" + flags.state);
    if (auto refused = where->api->ask("GET", path, nullptr, answer))
      return report(context, *refused);
    all = answer.value("items", json::array());
  } else {
    json found;
    if (auto wrong = list_experiments(*where->settings, found))
      return report(context, *wrong);
    all = json::array();
    for (auto& one : found)
      if (flags.state.empty() || one.value("state", "") == flags.state)
        all.push_back(std::move(one));
  }
  if (context.flags.json)
    print_json(all);
  else
    show_experiments(context, all);
  return exit_code::ok;
}

exit_code status(command_context& context, experiment_flags& flags) {
  const auto where = place_of(context, flags);
  if (!where)
    return report(context, where.error());
  json seen;
  if (where->api) {
    if (auto refused = where->api->ask("GET", path_of(flags.id), nullptr, seen))
      return report(context, *refused);
  } else {
    const auto found = stored_experiment(*where->settings, flags.id);
    if (!found)
      return report(context, found.error());
    seen = to_json(*found);
  }
  if (context.flags.json)
    print_json(seen);
  else
    show_experiment(context, seen);
  return exit_code::ok;
}

result<std::string> report_text(const place& where, const experiment_flags& flags) {
  if (where.api) {
    std::string out;
    if (auto refused = where.api->download(path_of(flags.id, "/report?format=" + flags.format), out))
      return *refused;
    return out;
  }
  const auto found = stored_experiment(*where.settings, flags.id);
  if (!found)
    return found.error();
  const auto store = open_store_read_only(*where.settings);
  if (!store)
    return store.error();
  json made;
  if (auto wrong = storage::read_experiment_report(*store, *found, wall_now(), made))
    return *wrong;
  return reports::render_report(made, *reports::report_form_from_string(flags.format));
}

exit_code show_report(command_context& context, experiment_flags& flags) {
  const auto where = place_of(context, flags);
  if (!where)
    return report(context, where.error());
  const auto text = report_text(*where, flags);
  if (!text)
    return report(context, text.error());
  if (flags.out.empty()) {
    print(*text);
    return exit_code::ok;
  }
  if (auto written = write_file_atomically(flags.out, *text); !written)
    return report(context, written.error());
  return exit_code::ok;
}

// -- changing ----------------------------------------------------------------------------------------------

exit_code change(command_context& context, experiment_flags& flags, const std::string& verb) {
  const auto where = place_of(context, flags);
  if (!where)
    return report(context, where.error());
  if (where->api) {
    json answer;
    if (auto refused = where->api->ask("POST", path_of(flags.id, "/" + verb), nullptr, answer))
      return report(context, *refused);
    if (context.flags.json)
      print_json(answer);
    else
      print(flags.id + " is " + answer.value("state", "") + "\n");
    return exit_code::ok;
  }
  // A folder that has no such experiment is left alone.
  if (const auto found = stored_experiment(*where->settings, flags.id); !found)
    return report(context, found.error());
  if (verb == "resume" || verb == "retry")
    return run_experiment_here(context, flags, where->settings, nullptr, verb);
  return change_experiment_here(context, flags, where->settings, verb);
}

exit_code pause(command_context& context, experiment_flags& flags) { return change(context, flags, "pause"); }
exit_code resume(command_context& context, experiment_flags& flags) {
  return change(context, flags, "resume");
}
exit_code cancel(command_context& context, experiment_flags& flags) {
  return change(context, flags, "cancel");
}
exit_code retry(command_context& context, experiment_flags& flags) { return change(context, flags, "retry"); }

using experiment_action = exit_code (*)(command_context&, experiment_flags&);

CLI::App* declare(CLI::App& parent, command_context& context, const std::shared_ptr<experiment_flags>& flags,
                  const char* name, const char* text, const char* lines, experiment_action action,
                  bool named = true) {
  auto* sub = parent.add_subcommand(name, text);
  if (named)
    sub->add_option("ID", flags->id, "The experiment")->required();
  add_api_flags(*sub, flags->api);
  examples(*sub, lines);
  sub->callback([&context, flags, action, named] {
    context.action = [flags, action, named](command_context& c) {
      if (named)
        if (auto bad = wrong_id(flags->id))
          return report(c, *bad);
      return action(c, *flags);
    };
  });
  return sub;
}

void declare_run(CLI::App& sub, command_context& context, const std::shared_ptr<experiment_flags>& flags) {
  auto* one = declare(sub, context, flags, "run", "Run a plan, and show what came of it",
                      "  assay experiment run plan.yaml --dry-run\n"
                      "  assay experiment run plan.yaml --output-path results\n"
                      "  assay experiment run performance_comparison --config evaluation_configs.yaml\n"
                      "  assay experiment run plan.yaml --url http://127.0.0.1:8000 --detach\n",
                      run, false);
  one->add_option("FILE", flags->plan,
                  "A plan in YAML or JSON, or an evaluation of the configuration by name")
      ->required();
  one->add_flag("--dry-run,--dry_run", flags->dry_run, "Only show what it expands to and what it would cost");
  one->add_option("--id", flags->id, "Name the experiment; drawn when not given");
  one->add_option("-o,--output-path,--output_path", flags->output_path,
                  "Folder for the report and the results; default: the results folder");
  one->add_flag("--no-files", flags->no_files, "Write no files");
  one->add_flag("--fresh", flags->fresh, "Start anew, also where the same plan is unfinished");
  one->add_flag("--detach", flags->detach, "With a server: print the id and do not wait");
}

} // namespace

void add_experiment_command(CLI::App& app, command_context& context) {
  const auto flags = std::make_shared<experiment_flags>();
  auto* sub = app.add_subcommand("experiment",
                                 "Plans of many evaluations: through a running server, or in this process");
  sub->require_subcommand(1);
  examples(*sub, "  assay experiment run plan.yaml --dry-run\n"
                 "  assay experiment run plan.yaml\n"
                 "  assay experiment report last --format html --out report.html\n");
  declare_run(*sub, context, flags);
  auto* listed = declare(*sub, context, flags, "list", "Experiments, the newest first",
                         "  assay experiment list --state running\n", list, false);
  listed->add_option("--state", flags->state, "Only those in this state")
      ->check(CLI::IsMember({"running", "paused", "cancelling", "completed", "failed", "cancelled"}));
  declare(*sub, context, flags, "status", "How far an experiment is", "  assay experiment status last\n",
          status);
  auto* told = declare(*sub, context, flags, "report", "The comprehensive report",
                       "  assay experiment report last\n"
                       "  assay experiment report last --format html --out report.html\n",
                       show_report);
  told->add_option("--format", flags->format, "markdown, html, csv or json")
      ->check(CLI::IsMember({"markdown", "html", "csv", "json"}))
      ->capture_default_str();
  told->add_option("--out", flags->out, "Into this file");
  declare(*sub, context, flags, "pause", "Pause an experiment with its evaluations",
          "  assay experiment pause exp_1704110400_0a1b2c3d\n", pause);
  declare(*sub, context, flags, "resume", "Go on with an experiment",
          "  assay experiment resume exp_1704110400_0a1b2c3d\n", resume);
  declare(*sub, context, flags, "cancel", "Cancel an experiment with its evaluations",
          "  assay experiment cancel exp_1704110400_0a1b2c3d\n", cancel);
  declare(*sub, context, flags, "retry", "Start what failed or was skipped again",
          "  assay experiment retry exp_1704110400_0a1b2c3d\n", retry);
}

} // namespace assay::cli
