#pragma once

#include "core/scoring/epochs.hpp"
#include "core/stats/aggregate.hpp"

#include <cstdint>
#include <optional>
#include <vector>

namespace assay {

/// Adds up one task, or one prompt type of it, in constant memory. The repeats of a sample become one value
/// before the samples become a score, so the standard error is that of samples, which are independent, and
/// not of repeats, which are not. A scorer whose value over a run is no mean, such as corpus BLEU, has it
/// over all repeats. Records come in the order of their addresses, in which repeats follow each other.
class epoch_tally {
public:
  epoch_tally(std::vector<stats::scorer_weight> scorers, stats::failed_samples rule,
              const scoring::epochs_reduction& reduction, bool repeats);

  void add(const sample_record& sample);
  /// samples and errors of the outcome are of all repeats; the other numbers are of samples.
  stats::task_score finish() const;

private:
  struct one_sample {
    sample_address address;
    std::vector<std::vector<double>> values; ///< Of each scorer.
    bool scored = false;
    bool failed = false;
  };

  void add_row(stats::task_accumulator& to, const sample_record& sample) const;
  void close(stats::task_accumulator& to) const;
  void add_own(stats::task_score& out) const;

  std::vector<stats::scorer_weight> scorers_;
  stats::failed_samples rule_;
  scoring::epochs_reduction reduction_;
  bool repeats_;
  stats::task_accumulator scores_;                         ///< Of whole samples.
  std::vector<std::optional<scoring::run_aggregate>> own_; ///< Over all repeats, of scorers that have one.
  std::optional<one_sample> open_;                         ///< The one whose repeats are coming in.
  uint64_t rows_ = 0;
  uint64_t errors_ = 0;
};

} // namespace assay
