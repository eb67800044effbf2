#pragma once

#include "core/stats/aggregate.hpp"
#include "core/stats/comparison.hpp"
#include "core/values/run.hpp"
#include "storage/snapshot.hpp"

#include <memory>
#include <optional>
#include <string>

namespace assay::storage {

/// Which scores of a run are wanted.
struct score_choice {
  std::string task;   ///< Empty: all of them.
  std::string scorer; ///< Empty: the weighted mean of the primary scorers, what makes the task's score.
};

/// Reads the scores of one run page by page, each page in a snapshot that the caller opens: for servers,
/// which read a page at a time. Memory: 16 bytes a score.
class score_reader {
public:
  /// @returns errc::not_found when the run lacks the task or no wanted task has the scorer;
  /// errc::malformed_input or errc::invalid_argument when a pinned task cannot be read.
  static result<score_reader> start(const run_record& run, const score_choice& choice);

  /// @returns whether there is more.
  result<bool> read_page(snapshot& view);
  /// What was read.
  stats::run_scores take() { return std::move(scores_); }

private:
  /// What a task's samples count.
  struct task_rule {
    size_t place = 0; ///< In scores_.tasks.
    std::vector<stats::scorer_weight> scorers;
    stats::failed_samples failed = stats::failed_samples::exclude;
    std::optional<uint8_t> scorer; ///< The one that is wanted.
  };

  void count(const sample_record& sample);

  run_id run_;
  std::vector<std::optional<task_rule>>
      rules_; ///< By the run's tasks; nothing for those that are not wanted.
  std::optional<sample_address> after_;
  stats::run_scores scores_;
};

/// Reads all of them. Belongs on a worker thread.
result<stats::run_scores> read_scores(const std::shared_ptr<store>& from, const run_record& run,
                                      const score_choice& choice = {});

} // namespace assay::storage
