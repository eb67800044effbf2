#pragma once

#include "core/scoring/epochs.hpp"
#include "core/stats/aggregate.hpp"
#include "core/stats/comparison.hpp"
#include "core/values/run.hpp"
#include "storage/snapshot.hpp"

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace assay::storage {

/// Which scores of a run are wanted.
struct score_choice {
  std::string task;   ///< Empty: all of them.
  std::string scorer; ///< Empty: the weighted mean of the primary scorers, what makes the task's score.
  bool with_contents = false; ///< Read what rows asked, too: a point read a row.
};

/// @returns whether two of @p runs have a task with different datasets, whose rows are matched by what they
/// ask. @param task Empty: any.
bool have_different_datasets(std::span<const run_record> runs, const std::string& task);

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
    /// How repeats become one; nothing: by their mean, which the comparison takes.
    std::optional<scoring::epochs_reduction> reduction;
  };

  /// A sample whose repeats are coming in.
  struct open_sample {
    sample_address address;
    std::vector<std::vector<double>> values; ///< Of each scorer.
  };

  static std::optional<double> value_of(const sample_record& sample, const task_rule& rule);
  void count(const sample_record& sample);
  void add_repeat(const sample_record& sample, const task_rule& rule);
  void close_sample();
  /// Keeps what the sample's row asked, if that is known.
  result<void> note_content(snapshot& view, const sample_address& at);

  run_id run_;
  std::vector<std::optional<task_rule>>
      rules_; ///< By the run's tasks; nothing for those that are not wanted.
  bool with_contents_ = false;
  std::optional<open_sample> open_;
  std::optional<sample_address> after_;
  stats::run_scores scores_;
};

/// Reads all of them. Belongs on a worker thread.
result<stats::run_scores> read_scores(const std::shared_ptr<store>& from, const run_record& run,
                                      const score_choice& choice = {});

} // namespace assay::storage
