#pragma once

#include "cli/farm.hpp"
#include "cli/progress.hpp"
#include "cli/run_plan.hpp"
#include "cli/signals.hpp"

#include <csignal>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace assay::cli {

/// How following the runs ended.
enum class session_end : uint8_t {
  finished,    ///< Every run is final.
  interrupted, ///< A signal; the farm has come to rest and the runs can go on.
  broken,      ///< The farm gave up, or the store takes no more writes.
};

/// The runs of one command, in a farm of this process.
class run_session {
public:
  /// Starts the farm, goes on with what an earlier process left unfinished of these runs, takes what
  /// completed beside it as it is, and submits the others.
  /// @param fresh Cancels what is unfinished of them and submits all.
  /// @returns errc::dataset_changed when one began with other files than there are now.
  static result<std::unique_ptr<run_session>> start(const command_context& context, const run_plan& plan,
                                                    bool fresh);
  /// Starts the farm and goes on with one stored run: @p verb is resume, for what an earlier process left
  /// unfinished, or retry, for the failed samples of a run that has ended.
  /// @param max_cost With retry: what the run may cost from now on; nothing leaves its limit.
  /// @returns errc::invalid_transition when the run's state does not allow it, errc::dataset_changed, before
  /// anything changes, when its files are not those it began with.
  static result<std::unique_ptr<run_session>> go_on(std::shared_ptr<const config::settings> settings,
                                                    std::shared_ptr<const tasks::task_catalogue> tasks,
                                                    const run_record& run, run_verb verb,
                                                    std::optional<money> max_cost = std::nullopt);
  ~run_session();
  run_session(const run_session&) = delete;
  run_session& operator=(const run_session&) = delete;

  /// @p look is shown the present records now and then while follow() runs, and at its end.
  void observe(std::function<void(const std::vector<progress_line>&)> look) { look_ = std::move(look); }

  /// Shows progress until every run is final or someone wants an end.
  session_end follow(const command_context& context, signals& caught);

  /// Present records, in the order of the plan.
  const std::vector<progress_line>& runs() const noexcept { return runs_; }
  farm& where() noexcept { return *farm_; }
  /// Which signal ended it.
  int signal() const noexcept { return signal_; }
  const std::optional<fault>& reason() const noexcept { return reason_; }

private:
  run_session() = default;

  result<progress_line> take(const command_context& context, const run_record& run) const;
  result<progress_line> take_up(const command_context& context, const run_record& run) const;
  result<progress_line> submit(const planned_run& planned);
  bool refresh();
  void come_to_rest(const command_context& context, signals& caught);

  std::unique_ptr<farm> farm_;
  std::vector<progress_line> runs_;
  std::vector<bool> resume_; ///< By run: was paused at the start and has to be resumed.
  std::function<void(const std::vector<progress_line>&)> look_;
  int signal_ = SIGINT;
  std::optional<fault> reason_;
};

/// Ends runs that nobody wants to go on with, while no farm has the data folder.
result<void> cancel_in_store(const config::settings& settings, std::vector<run_record> runs);

} // namespace assay::cli
