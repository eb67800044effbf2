#pragma once

#include "core/stats/summary.hpp"
#include "core/values/errors.hpp"
#include "core/values/sample.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// Reads the files that lm-evaluation-harness writes with --log_samples, so that its runs can be compared
/// with ours.
namespace assay::reports {

/// One line of samples_*.jsonl: a document with one filter.
struct lm_eval_line {
  uint32_t document = 0; ///< doc_id
  uint16_t epoch = 0;
  std::string filter;
  std::string prompt;   ///< The first argument; the turns of a conversation joined by blank lines.
  std::string answer;   ///< The first response.
  std::string filtered; ///< What the filter made of it.
  std::string target;
  std::vector<std::pair<std::string, double>> metrics;
};

/// @param where `file:line`, of faults.
/// @returns malformed_input for what is no such line, with the key and what was expected.
result<lm_eval_line> read_lm_eval_line(std::string_view line, const std::string& where);

/// What the lines of one file say together.
class lm_eval_samples {
public:
  /// Reads a whole file; its lines one after another. @returns the first fault, with file and line.
  static result<lm_eval_samples> read(const std::string& path);

  const std::string& path() const noexcept { return path_; }
  const std::string& hash() const noexcept { return hash_; } ///< SHA-256 of the file.
  /// `metric` or `metric,filter`, in the order in which they first appear.
  const std::vector<std::string>& scorers() const noexcept { return scorers_; }
  size_t samples() const noexcept { return scores_.size(); }
  uint32_t epochs() const noexcept { return epochs_; }
  uint64_t documents() const noexcept { return documents_; }
  const std::vector<std::string>& notes() const noexcept { return notes_; }

  /// Reads the file once more and calls @p each with every sample: its address within the task, and its
  /// answer.
  /// @returns conflict when the file has changed meanwhile.
  result<void> for_each(const std::function<result<void>(sample_record&&, response_record&&)>& each) const;

  /// @returns the mean and error of each scorer.
  std::vector<stats::summary> summaries() const;

private:
  using place = std::pair<uint32_t, uint16_t>; ///< Document and epoch.

  std::optional<fault> add(const lm_eval_line& line, const std::string& where);
  uint8_t scorer_of(const std::string& metric, const std::string& filter);

  std::string path_;
  std::string hash_;
  std::vector<std::string> scorers_;
  std::map<place, std::vector<score_value>> scores_;
  std::map<std::pair<place, std::string>, bool> seen_;
  uint32_t epochs_ = 1;
  uint64_t documents_ = 0;
  std::vector<std::string> notes_;
};

/// What is taken of a results_*.json.
struct lm_eval_results {
  std::string model;
  uint32_t num_fewshot = 0;
  std::optional<double> date;                                   ///< Seconds since the epoch.
  std::map<std::string, std::map<std::string, double>> metrics; ///< Task -> `metric,filter` -> value.
};

result<lm_eval_results> read_lm_eval_results(std::string_view text, const std::string& where);

/// @returns the task that a file `samples_<task>_<date>.jsonl` is of; nothing for another name.
std::optional<std::string> task_of_samples_file(std::string_view file_name);

} // namespace assay::reports
