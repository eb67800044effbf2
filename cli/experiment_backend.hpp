#pragma once

#include "cli/api_client.hpp"
#include "cli/commands.hpp"
#include "config/settings.hpp"
#include "core/experiments/experiment.hpp"
#include "core/reports/experiment_report.hpp"
#include "core/tasks/task_catalogue.hpp"

#include <nlohmann/json_fwd.hpp>

#include <memory>
#include <optional>
#include <string>

namespace assay::cli {

/// What the commands about experiments share.
struct experiment_flags {
  api_flags api;
  std::string plan; ///< A file, or an evaluation of the configuration by name.
  std::string id;
  std::string state;
  std::string format = "markdown";
  std::string out;
  std::string output_path; ///< Folder of the report and the results; empty: results_dir.
  bool dry_run = false;
  bool fresh = false;
  bool detach = false;
  bool no_files = false;
};

/// Reads a plan from YAML or JSON, or from the evaluations of the configuration.
/// @param out What POST /experiments takes.
std::optional<fault> read_plan(const config::settings& settings, const experiment_flags& flags,
                               nlohmann::json& out);

/// Prices a plan without a farm: nothing is stored and nobody is asked.
/// @param out As the API answers a dry run.
std::optional<fault> price_plan(const std::shared_ptr<const config::settings>& settings,
                                const std::shared_ptr<const tasks::task_catalogue>& tasks,
                                const nlohmann::json& plan, nlohmann::json& out);

/// Of the data folder: the heads of all experiments as the API lists them, newest first.
std::optional<fault> list_experiments(const config::settings& settings, nlohmann::json& out);

/// Of the data folder. @returns not_found when it has none.
result<experiments::experiment> stored_experiment(const config::settings& settings, const std::string& id);

/// Runs, or goes on with, an experiment in a farm of this process, until it ends or a signal comes.
/// @param plan Null to go on with flags.id by @p verb: resume or retry.
exit_code run_experiment_here(command_context& context, const experiment_flags& flags,
                              std::shared_ptr<const config::settings> settings, const nlohmann::json& plan,
                              const std::string& verb);

/// Pauses or cancels one that no process works on.
exit_code change_experiment_here(command_context& context, const experiment_flags& flags,
                                 std::shared_ptr<const config::settings> settings, const std::string& verb);

// -- showing -----------------------------------------------------------------------------------------------

void show_expansion(const command_context& context, const nlohmann::json& plan);
void show_experiments(const command_context& context, const nlohmann::json& list);
/// Its progress as a tree, models and task groups.
void show_experiment(const command_context& context, const nlohmann::json& experiment);
/// Ranking by average score, best score, consistency, recommendations.
void show_summary(const command_context& context, const nlohmann::json& report);
/// One line of progress.
std::string progress_text(const nlohmann::json& experiment);
/// ok when every child completed, failed when some did not, ended_early when it was cancelled or paused.
exit_code exit_code_of_experiment(const nlohmann::json& experiment);

/// Writes comprehensive_report_YYYYMMDD_HHMMSS in all forms into @p folder.
std::optional<fault> write_report_files(const command_context& context, const nlohmann::json& report,
                                        const std::string& folder, wall_time now);

} // namespace assay::cli
