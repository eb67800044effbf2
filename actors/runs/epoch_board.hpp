#pragma once

#include "core/scoring/epochs.hpp"
#include "core/values/run.hpp"
#include "core/values/sample.hpp"

#include <cstddef>
#include <optional>
#include <vector>

namespace assay {

/// @returns how the repeats of a task's samples become one value: by the task's reducer, else by their mean.
/// Nothing where there are no repeats, and for the mean, which needs no memory of single values.
/// @param reducer The task's word for it; empty for none.
std::optional<scoring::epochs_reduction> reduction_of(const run_spec& spec, const std::string& reducer);

/// The values of a task's samples, over their repeats, while they come in any order. Keeps each value, four
/// bytes.
class epoch_board {
public:
  epoch_board(const scoring::epochs_reduction& reduction, const run_spec& spec, size_t task);

  /// @returns what the value of one more repeat changes in the task's score; the sum may fall.
  score_parts add(const sample_address& address, double value);

private:
  scoring::epochs_reduction reduction_;
  size_t samples_;
  std::vector<std::vector<float>> values_; ///< By variant, then sample.
};

/// @returns one board for each task of @p spec that needs one, in their places; empty when none does.
std::vector<std::optional<epoch_board>>
boards_for(const run_spec& spec, const std::vector<std::optional<scoring::epochs_reduction>>& reductions);

} // namespace assay
