#include "cli/arguments.hpp"
#include "cli/commands.hpp"
#include "core/values/closest_word.hpp"

#include <nlohmann/json.hpp>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <exception>
#include <iostream>
#include <poll.h>
#include <system_error>
#include <unistd.h>

namespace assay::cli {

namespace {

constexpr const char* description = "assay evaluates language models: it asks them a task's questions as "
                                    "fast as their providers allow, scores\n"
                                    "every answer and keeps every answer that was paid for.\n";

void add_global_flags(CLI::App& app, global_flags& flags) {
  const auto* group = "Flags of every command";
  app.add_flag("-v,--verbose", flags.verbose, "Log more; twice for debug")->group(group);
  app.add_flag("-q,--quiet", flags.quiet, "Log errors only, and show no progress")->group(group);
  repeatable(app, "--config", flags.config_files, "A configuration file, YAML or JSON; the last one wins")
      ->group(group);
  app.add_option("--config-dir,--config_dir", flags.config_dir, "The folder of configuration files")
      ->group(group);
  app.add_option("--env,--environment", flags.environment, "development, testing or production")
      ->group(group);
  repeatable(app, "--set", flags.set, "A setting as key=value, for example farm.in_flight_cap=50")
      ->group(group);
  app.add_option("--data-dir,--data_dir", flags.data_dir, "Where runs and answers are kept")->group(group);
  app.add_flag("--no-color,--no-colour", flags.no_colour,
               "No colours; NO_COLOR in the environment says the same")
      ->group(group);
  app.add_flag("--json", flags.json, "Print JSON where there is something to print")->group(group);
}

/// The command that the arguments have led to so far.
const CLI::App& innermost(const CLI::App& app) {
  const auto* at = &app;
  while (!at->get_subcommands().empty())
    at = at->get_subcommands().back();
  return *at;
}

std::string full_name(const CLI::App& app) {
  const auto* parent = app.get_parent();
  return parent == nullptr ? app.get_name() : full_name(*parent) + " " + app.get_name();
}

std::vector<std::string> option_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const auto* at = &app; at != nullptr; at = at->get_parent())
    for (const auto* option : at->get_options())
      for (const auto& name : option->get_lnames())
        names.push_back("--" + name);
  return names;
}

std::vector<std::string> command_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const auto* sub : app.get_subcommands([](const CLI::App*) { return true; }))
    names.push_back(sub->get_name());
  return names;
}

std::string nearest(const std::string& word, const std::vector<std::string>& names) {
  const std::vector<std::string_view> views(names.begin(), names.end());
  return did_you_mean(word, views);
}

/// Says what is wrong with the command line better than the parser does, where it can.
fault usage_fault(const CLI::App& app, const CLI::ParseError& error) {
  const auto& at = innermost(app);
  fault out{errc::invalid_argument, error.what(), {}, {}};
  const auto left = app.remaining(true);
  // What is left over explains most errors better than what is missing.
  if (!left.empty() && (dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr || &at == &app)) {
    const auto& word = left.front();
    const bool is_option = word.starts_with('-');
    const auto bare = word.substr(0, word.find('='));
    if (is_option) {
      out.message = "unknown option " + bare;
      out.hint = nearest(bare, option_names(at));
    } else if (&at == &app || !command_names(at).empty()) {
      out.message = "there is no command '" + word + "'";
      out.hint = nearest(word, command_names(at));
    } else {
      out.message = "unexpected argument '" + word + "'";
    }
  }
  const auto help = "`" + full_name(at) + " --help` shows what there is";
  out.hint = out.hint.empty() ? help : out.hint + " " + help;
  return out;
}

/// @returns whether who reads standard output has gone, as `| head` does when it has seen enough.
bool reader_has_gone() {
  pollfd out{STDOUT_FILENO, 0, 0};
  return ::poll(&out, 1, 0) == 1 && (out.revents & (POLLERR | POLLHUP)) != 0;
}

/// What was printed has to be there before a command may say that all went well.
exit_code end_of_output(const command_context& context, exit_code code) {
  errno = 0;
  // Help is printed through it.
  std::cout.flush();
  const bool flushed = std::fflush(stdout) == 0;
  const auto reason = errno;
  if ((flushed && std::ferror(stdout) == 0) || reader_has_gone())
    return code;
  const fault lost{errc::store_full,
                   "standard output could not be written",
                   {},
                   "what was printed is incomplete"
                       + (reason == 0 ? std::string() : ": " + std::generic_category().message(reason))};
  auto text = render_fault(lost, context.err->kind());
  text.pop_back();
  context.err->line(text);
  return code == exit_code::ok ? exit_code_of(lost.code) : code;
}

} // namespace

void print(std::string_view text) { std::fwrite(text.data(), 1, text.size(), stdout); }

exit_code report(const command_context& context, const fault& reason) {
  if (context.flags.json) {
    const nlohmann::json body{{"error",
                               {{"code", to_string(reason.code)},
                                {"message", reason.message},
                                {"where", reason.where},
                                {"hint", reason.hint}}}};
    print(body.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
  }
  auto text = render_fault(reason, context.err->kind());
  text.pop_back();
  context.err->line(text);
  return exit_code_of(reason.code);
}

void remark(const command_context& context, std::string_view text) {
  if (!context.flags.quiet)
    context.err->line(text);
}

void add_all_commands(CLI::App& app, command_context& context) {
  app.description(description);
  app.name("assay");
  // Flags of every command may stand behind the command's name too.
  app.fallthrough();
  app.require_subcommand(1);
  app.set_version_flag("--version", "assay " ASSAY_VERSION);
  add_global_flags(app, context.flags);
  add_run_command(app, context);
  add_serve_command(app, context);
  add_mock_provider_command(app, context);
  add_tasks_command(app, context);
  add_models_command(app, context);
  add_configs_command(app, context);
  add_results_command(app, context);
  add_compare_command(app, context);
  add_gate_command(app, context);
  add_show_command(app, context);
  add_export_commands(app, context);
  add_import_command(app, context);
  add_runs_command(app, context);
  add_watch_command(app, context);
  add_monitor_command(app, context);
  add_verb_commands(app, context);
  add_rescore_command(app, context);
  add_batch_command(app, context);
  add_database_command(app, context);
  add_ab_command(app, context);
  add_experiment_command(app, context);
  add_schedules_command(app, context);
  add_store_command(app, context);
  add_users_command(app, context);
  add_keys_command(app, context);
  add_doctor_command(app, context);
  add_completion_command(app, context);
  add_version_command(app, context);
  app.footer(
      "\nExamples:\n"
      "  assay mock-provider &                      simulated models, no key needed\n"
      "  assay run -m sim-strong -t date_reasoning  an evaluation, with progress and a table of results\n"
      "  assay results                              what was evaluated so far\n"
      "  assay serve                                HTTP and WebSocket on http://127.0.0.1:8000\n\n"
      + std::string(exit_code_help()));
}

int run_command_line(int count, const char* const* arguments) {
  // A closed pipe must be an error of the write, not the end of the farm.
  std::signal(SIGPIPE, SIG_IGN);
  // So must a file that reaches its limit (ulimit -f): the store says what became of the run.
  std::signal(SIGXFSZ, SIG_IGN);
  command_context context;
  context.err = std::make_shared<console>(stderr, terminal{});
  CLI::App app;
  add_all_commands(app, context);
  if (count < 2) {
    print(app.help());
    return static_cast<int>(exit_code::usage);
  }
  try {
    app.parse(count, arguments);
  } catch (const CLI::Success& asked) {
    return static_cast<int>(end_of_output(context, static_cast<exit_code>(app.exit(asked))));
  } catch (const CLI::ParseError& error) {
    context.err = std::make_shared<console>(stderr, inspect_terminal(STDERR_FILENO, context.flags.no_colour));
    report(context, usage_fault(app, error));
    return static_cast<int>(exit_code::usage);
  }
  context.out = inspect_terminal(STDOUT_FILENO, context.flags.no_colour);
  context.err = std::make_shared<console>(stderr, inspect_terminal(STDERR_FILENO, context.flags.no_colour));
  try {
    const auto code = context.action ? context.action(context) : exit_code::usage;
    return static_cast<int>(end_of_output(context, code));
  } catch (const std::exception& error) {
    return static_cast<int>(
        report(context, {errc::internal, error.what(), {}, "this is a defect of assay; please report it"}));
  }
}

} // namespace assay::cli
