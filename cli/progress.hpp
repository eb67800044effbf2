#pragma once

#include "cli/console.hpp"
#include "core/values/run.hpp"

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace assay::cli {

/// One run as the progress shows it.
struct progress_line {
  std::string label;
  run_record record;
};

/// @returns the model's name, with `(simulated)` when the mock provider answers for it.
std::string model_label(const run_spec& spec);

/// "sim-strong  [######----]  62 %  124/200  45.2/s  score 0.912  2 failed  $0.0031  12.0 s left"
std::string render_progress(const progress_line& run, size_t label_width, wall_time now);

/// Shows how far runs are: bars that are drawn anew on a terminal, elsewhere a plain line from time to time.
class progress {
public:
  /// @param quiet Shows nothing.
  progress(std::shared_ptr<console> out, bool quiet,
           std::chrono::seconds plain_interval = std::chrono::seconds{10});
  ~progress();
  progress(const progress&) = delete;
  progress& operator=(const progress&) = delete;

  void show(const std::vector<progress_line>& runs);
  /// Removes the bars, so that what follows stands alone.
  void end();

private:
  void show_plain(const std::vector<progress_line>& runs);

  const std::shared_ptr<console> out_;
  const bool quiet_;
  const std::chrono::seconds plain_interval_;
  std::chrono::steady_clock::time_point last_plain_;
  std::vector<run_state> last_states_;
};

} // namespace assay::cli
