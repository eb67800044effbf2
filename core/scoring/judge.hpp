#pragma once

#include "core/scoring/scorer.hpp"
#include "core/values/conversation.hpp"

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace assay::scoring {

/// What a judge is told.
struct judged_sample {
  std::string_view question; ///< The last user message of the sample.
  std::string_view answer;
  std::string_view
      target; ///< A reference answer; pairwise: the answer to compare with. May be empty for judge.
};

/// One call of one judge.
struct judge_call {
  std::vector<chat_message> messages;
  bool swapped = false; ///< pairwise: the answer stands in the second place.
};

/// @returns the calls that one judge gets for one answer: one, or two for pairwise with swap. Text of the
/// sample stands between marks that it cannot contain, so that it cannot end its place in the prompt.
std::vector<judge_call> judge_calls(const scorer_definition& definition, const judged_sample& sample);

/// @returns the verdict in @p text: 0..1, for pairwise 1 when the answer is better, 0.5 for a tie; nothing
/// when the judge gave none. The last verdict counts; reasoning up to `</think>` does not.
std::optional<double> read_verdict(const scorer_definition& definition, std::string_view text, bool swapped);

/// @param verdicts Of all judges and calls, in the order of the calls; nothing where one gave none.
/// @returns their combination: the mean, the median, or what more than half say (a tie is 0.5 where the scale
/// has it). pairwise with swap: two calls that contradict each other are a tie. A problem when fewer than
/// half of the judges gave a verdict.
score_outcome combine_verdicts(const scorer_definition& definition,
                               std::span<const std::optional<double>> verdicts);

} // namespace assay::scoring
