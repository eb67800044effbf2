#pragma once

#include "actors/runs/run_supervisor.hpp"
#include "config/settings.hpp"
#include "core/tasks/task_catalogue.hpp"

#include <functional>
#include <memory>

namespace assay {

/// The farm's settings with one stored model configuration among its models; null when no such one is stored.
using stored_model_finder =
    std::function<result<std::shared_ptr<const config::settings>>(const std::string& model)>;

struct admission_config {
  std::shared_ptr<const config::settings> settings;
  std::shared_ptr<const tasks::task_catalogue> tasks;
  /// Judges an address that model_args name and no provider of the configuration has; may block, on the
  /// thread that admits. Empty: any address, for who owns the machine and has added it to the settings.
  std::function<result<void>(const std::string& base_url)> check_endpoint;
  /// Samples over all tasks, prompt types and epochs of one run.
  uint64_t max_samples = 50'000'000;
  /// Draws the seed of a run that names none.
  std::function<int64_t()> draw_seed;
  /// Tasks of other formats that are not prepared yet are pinned as they are: for plans, never for runs. Dry
  /// runs are plans always.
  bool plans_only = false;
  /// Finds the run whose answers are to be scored again. Empty: none is.
  std::function<result<std::optional<run_record>>(run_id)> find_run = {};
  /// Folders, or files, where the data of tasks must lie, symbolic links followed; nothing: anywhere, for who
  /// owns the machine.
  std::optional<std::vector<std::string>> data_roots = {};
  /// Asked for names that the configuration does not have, before the catalogue is. Empty: none is stored.
  stored_model_finder find_stored = {};
};

/// @returns the admission that resolves model, tasks and parameters against the configuration, reads each
/// dataset once, and pins everything that decides the answers. A dry run gets the number of calls and their
/// likely price.
admission make_admission(admission_config config);

/// @returns what finds the tasks of a request that have to be prepared before it is admitted.
preparation_finder make_preparation_finder(const admission_config& config);

} // namespace assay
