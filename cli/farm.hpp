#pragma once

#include "config/settings.hpp"
#include "core/tasks/task_catalogue.hpp"
#include "io/address_guard.hpp"
#include "io/sandbox.hpp"
#include "protocol/actors.hpp"
#include "storage/store.hpp"

#include <caf/fwd.hpp>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace assay {
struct python_process_options;
}

namespace assay::cli {

class stored_models;

/// Where the sandbox's own programs are.
io::sandbox_options sandbox_options_from(const config::sandbox_settings& settings);

/// How the Python of tasks is run here.
python_process_options python_options_from(const config::settings& settings);

/// @returns what judges whether @p guard lets a base URL be reached; it may block. Empty without a guard.
std::function<result<void>(const std::string& base_url)>
endpoint_check(std::shared_ptr<const io::address_guard> guard);

struct farm_options {
  std::shared_ptr<const config::settings> settings;
  std::shared_ptr<const tasks::task_catalogue> tasks;
  /// Where the base URLs of requests may point; null: anywhere, for who owns the machine.
  std::shared_ptr<const io::address_guard> guard;
  /// Which of the runs that an earlier process left unfinished go on now; the others stay as they are. Empty:
  /// all.
  std::function<bool(const run_record&)> goes_on;
  /// The same of experiments. Empty: all where all runs go on, else none.
  std::function<bool(const std::string& id)> experiment_goes_on = {};
};

/// The farm in this process: store, writer thread, I/O thread, workers and actors, wired. One per process.
class farm {
public:
  /// Opens the store and starts everything. Fails with what the store or the configuration fail with.
  static result<std::unique_ptr<farm>> start(const farm_options& options);

  /// Stops with a short grace.
  virtual ~farm();
  farm(const farm&) = delete;
  farm& operator=(const farm&) = delete;

  caf::actor_system& system();
  const root_supervisor_actor& root() const;
  const std::shared_ptr<storage::store>& store() const;
  /// The models whose configurations are stored.
  const std::shared_ptr<const stored_models>& stored() const;

  /// The present handles; each of these blocks, at most five seconds, and is for threads that are no actors.
  result<farm_handles> handles();
  result<run_submitted> submit(submit_run wish);
  result<run_record> command(run_id run, run_verb verb, std::optional<money> max_cost = std::nullopt);
  result<run_record> find(run_id run);
  result<run_counts> counts();
  result<statistics> read_statistics();
  /// Creating and planning may take minutes: every part is priced.
  result<experiment_answer> ask_experiments(ask_experiment wish);

  /// Goes on with the provider keys of @p next, whose other settings are those of the start. Calls in flight
  /// keep theirs until they are over. @returns whose keys are others now: `providers.openai.keys`.
  result<std::vector<std::string>> take_up_keys(std::shared_ptr<const config::settings> next);

  /// What the hosts of other programs last said of themselves, by the names of GET /health; does not block.
  std::map<std::string, host_state> host_states() const;

  /// Why the farm gave up by itself, when it did.
  std::optional<fault> failure() const;

  /// Runs drain within @p grace, connections close, the journal flushes, threads end. Idempotent.
  void stop(milliseconds grace);

protected:
  struct parts;
  explicit farm(std::unique_ptr<parts> made);

private:
  std::unique_ptr<parts> parts_;
};

} // namespace assay::cli
