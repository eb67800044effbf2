#pragma once

#include "core/values/conversation.hpp"
#include "core/values/model.hpp"
#include "core/values/sample.hpp"
#include "core/values/sandbox.hpp"
#include "protocol/messages/calls.hpp"
#include "protocol/messages/hosts.hpp"

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <variant>
#include <vector>

namespace assay {

/// A question to a judge, or texts whose vectors a scorer compares.
struct judge_question {
  uint16_t judge = 0; ///< Index in run_spec::judges.
  std::vector<chat_message> messages;
  sampling parameters;
  std::shared_ptr<const embedding_inputs> inputs = nullptr; ///< For vectors; then there are no messages.
};

/// What a scorer wants done. Who sends it gives it its id.
using scoring_job = std::variant<sandbox_job, python_job, judge_question>;

/// What came back for one job.
struct scoring_reply {
  /// Why there is no value. Never a withdrawal, nor what ends the run.
  std::optional<fault> error;
  /// A text is what Python made, as JSON, or what a judge said.
  std::variant<std::monostate, sandbox_result, shared_text, std::shared_ptr<const embedding_vectors>> value;
};

/// Everything about an answer that a scorer may look at.
struct answer_to_score {
  std::string_view answer;
  std::string_view target;
  std::span<const chat_message> messages; ///< As asked last.
  std::span<const shared_text> turns;     ///< All answers of the conversation, the last one included.
  std::string_view secret; ///< Random, the same for jobs and replies of one answer; no model can know it.
};

/// A scorer that cannot judge in place: it names jobs, and makes its values of what comes back. May stand for
/// several of a task's scorers, so that they share the jobs. Immutable; called from the evaluation's
/// handlers, so it must take well under a millisecond.
class outside_scorer {
public:
  virtual ~outside_scorer() = default;

  /// @returns the jobs, at most most_scoring_jobs; none when it can judge without. A fault, always
  /// errc::scorer_failed, when the target is at fault.
  virtual result<std::vector<scoring_job>> jobs(const answer_to_score& what) const = 0;

  /// @param replies One for each job, in their order. @returns the values, each with the index of its scorer
  /// in the task; a scorer that is not primary may have none.
  virtual result<std::vector<score_value>> read(const answer_to_score& what,
                                                std::span<const scoring_reply> replies) const = 0;
};

/// Of one outside scorer and answer.
inline constexpr size_t most_scoring_jobs = 256;

/// Judges' answers are kept as responses of their sample, at steps from here on.
inline constexpr uint16_t first_judge_step = 0x4000;

/// @returns the step of the answer to one job. @param scorer Index in task_plan::outside, below 64.
constexpr uint16_t judge_step(size_t scorer, size_t job) noexcept {
  return static_cast<uint16_t>(first_judge_step + scorer * most_scoring_jobs + job);
}

} // namespace assay
