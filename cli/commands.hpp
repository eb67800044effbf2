#pragma once

#include "cli/console.hpp"
#include "cli/exit_codes.hpp"
#include "cli/output.hpp"

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace CLI {
class App;
}

namespace assay::cli {

/// Flags that every command takes.
struct global_flags {
  int verbose = 0; ///< Once info, twice debug.
  bool quiet = false;
  std::vector<std::string> config_files;
  std::string config_dir;
  std::string environment;
  std::vector<std::string> set; ///< key=value
  std::string data_dir;
  bool no_colour = false;
  bool json = false;
};

/// What a command works with. Lives as long as the process's main function.
struct command_context {
  global_flags flags;
  /// Keys and texts that a command lays over the configuration (`server.port`, `8080`); stronger than --set.
  std::vector<std::pair<std::string, std::string>> overrides;
  terminal out; ///< Standard output.
  std::shared_ptr<console> err;
  /// What the command line asks for; set while it is parsed, run afterwards.
  std::function<exit_code(command_context&)> action;
};

/// Prints to standard output.
void print(std::string_view text);
/// Prints a fault to standard error. @returns the matching exit code.
exit_code report(const command_context& context, const fault& reason);
/// A remark on standard error, unless --quiet.
void remark(const command_context& context, std::string_view text);

/// Each adds its command to the parser.
void add_run_command(CLI::App& app, command_context& context);
void add_serve_command(CLI::App& app, command_context& context);
void add_mock_provider_command(CLI::App& app, command_context& context);
void add_tasks_command(CLI::App& app, command_context& context);
void add_models_command(CLI::App& app, command_context& context);
/// Stored model configurations.
void add_configs_command(CLI::App& app, command_context& context);
void add_results_command(CLI::App& app, command_context& context);
void add_compare_command(CLI::App& app, command_context& context);
void add_gate_command(CLI::App& app, command_context& context);
void add_show_command(CLI::App& app, command_context& context);
/// export, report
void add_export_commands(CLI::App& app, command_context& context);
void add_import_command(CLI::App& app, command_context& context);
void add_runs_command(CLI::App& app, command_context& context);
void add_watch_command(CLI::App& app, command_context& context);
void add_monitor_command(CLI::App& app, command_context& context);
/// pause, resume, cancel, retry
void add_verb_commands(CLI::App& app, command_context& context);
void add_rescore_command(CLI::App& app, command_context& context);
void add_batch_command(CLI::App& app, command_context& context);
void add_database_command(CLI::App& app, command_context& context);
void add_ab_command(CLI::App& app, command_context& context);
void add_experiment_command(CLI::App& app, command_context& context);
void add_schedules_command(CLI::App& app, command_context& context);
void add_store_command(CLI::App& app, command_context& context);
void add_users_command(CLI::App& app, command_context& context);
/// `keys` below @p users: what programs sign in with.
void add_user_keys_command(CLI::App& users, command_context& context);
void add_keys_command(CLI::App& app, command_context& context);
void add_doctor_command(CLI::App& app, command_context& context);
void add_completion_command(CLI::App& app, command_context& context);
void add_version_command(CLI::App& app, command_context& context);

/// Fills @p app with every command and the flags that all of them take.
void add_all_commands(CLI::App& app, command_context& context);

/// Parses, then runs. What main() does; errors of the command line are printed.
int run_command_line(int count, const char* const* arguments);

} // namespace assay::cli
