#pragma once

#include "actors/supervision/worker_pool.hpp"
#include "core/tasks/preparation.hpp"
#include "protocol/actors.hpp"

#include <caf/typed_event_based_actor.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace assay {

/// What a request wants prepared that is not prepared yet. Reads datasets, so it runs on a worker.
using preparation_finder = std::function<result<std::vector<tasks::preparation>>(const run_request&)>;

struct preparer_config {
  uint64_t ticket = 0; ///< Named in preparation_ended.
  run_request request;
  preparation_finder find;
  std::shared_ptr<executor> workers;
  python_host_actor python; ///< Invalid when the farm has none.
  milliseconds job_deadline{300'000};
  milliseconds deadline{1'800'000}; ///< For everything, waiting for a free Python worker too.
};

/// What the worker threads work on, one step at a time.
class preparation_work {
public:
  preparation_work(run_request request, preparation_finder find)
      : request_(std::move(request)), find_(std::move(find)) {}

  /// @param answer To the last step's request; nothing at the beginning.
  preparation_step advance(const std::optional<shared_text>& answer);

private:
  result<std::optional<tasks::preparation_request>> next(const std::optional<shared_text>& answer);

  run_request request_;
  preparation_finder find_;
  bool found_ = false;
  std::vector<tasks::preparation> left_; ///< The last one is under way.
  std::unique_ptr<tasks::preparation_steps> steps_;
};

/// @relates preparer
struct preparer_state {
  static inline const char* name = "preparer";

  std::shared_ptr<preparation_work> work;
  uint64_t job = 0;  ///< The one that the Python host has; 0 for none.
  uint64_t jobs = 0; ///< All that there were; each has a number of its own.
};

/// Prepares the tasks of one submission, tells @p supervisor, and ends.
preparer_actor::behavior_type preparer(preparer_actor::stateful_pointer<preparer_state> self,
                                       preparer_config config, run_supervisor_actor supervisor);

} // namespace assay
