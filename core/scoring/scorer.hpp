#pragma once

#include "core/scoring/filters.hpp"
#include "core/scoring/scorer_definition.hpp"
#include "core/values/errors.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace assay::scoring {

/// One verdict on one answer.
struct score_outcome {
  double value = 0; ///< 0 (wrong) .. 1 (right).
  /// What was taken for the answer; at most 256 bytes, cut between characters. Scorers with an aggregate of
  /// their own write what it needs: see run_aggregate.
  std::string extracted;
  /// Why the answer could not be judged at all, always errc::scorer_failed: the target is at fault, not the
  /// answer. value is 0 then.
  std::optional<fault> problem;
};

/// Judges answers. Immutable and usable from many threads at once; never throws on any bytes. Time is linear
/// in the answer up to a fixed budget, with user-given patterns too.
///
/// Reasoning that a model wrote out in front of its answer, up to the last `</think>`, is not judged.
class scorer {
public:
  explicit scorer(scorer_definition definition);
  virtual ~scorer();
  scorer(const scorer&) = delete;
  scorer& operator=(const scorer&) = delete;

  /// @param target The sample's reference; target_pattern is applied to it here.
  score_outcome score(std::string_view answer, std::string_view target) const;

  /// @returns a text that this scorer judges right, as a simulated model would say it. Best effort for a
  /// pattern that this library cannot write an example of: then the target itself.
  std::string right_answer(std::string_view target) const;

  /// @param other_target The reference of another sample, to be wrong in a believable way.
  /// @param seed Chooses among several wrong answers.
  /// @returns a text that this scorer does not judge right. Best effort when every text is right.
  std::string wrong_answer(std::string_view target, std::string_view other_target, uint64_t seed) const;

  const scorer_definition& definition() const noexcept { return definition_; }

  /// @returns what has to run outside before there is a verdict. score() of a scorer that needs anything
  /// answers with a problem.
  scorer_need needs() const noexcept { return need_of(definition_); }

  /// The steps in front of the scorer; score() applies them itself.
  const filter_pipeline& filters() const noexcept { return filters_; }

  /// As score(), for an answer that filters() has been applied to already.
  score_outcome score_filtered(std::string_view answer, std::string_view target) const;

protected:
  /// @param target After target_pattern.
  virtual score_outcome judge(std::string_view answer, std::string_view target) const = 0;
  /// Texts that may be right, most natural first. right_answer() takes the first that is.
  virtual std::vector<std::string> right_candidates(std::string_view target) const = 0;
  /// Texts near the target that may be wrong.
  virtual std::vector<std::string> wrong_candidates(std::string_view target) const = 0;

private:
  friend result<std::unique_ptr<scorer>> make_scorer(const scorer_definition&);
  std::optional<std::string> find_target(std::string_view reference) const;

  class target_finder;
  scorer_definition definition_;
  std::unique_ptr<target_finder> target_finder_;
  filter_pipeline filters_;
};

/// @returns the scorer that @p definition describes. Fails with errc::invalid_argument when a pattern does
/// not compile, is over 4 KiB or lacks the named group, or when an option is out of range; `where` is the
/// option.
result<std::unique_ptr<scorer>> make_scorer(const scorer_definition& definition);

/// Same as the member functions, for one-off use; compiles the scorer on every call. Both return the target
/// itself, or "I do not know.", when the definition is invalid.
std::string right_answer(const scorer_definition& definition, std::string_view target);
std::string wrong_answer(const scorer_definition& definition, std::string_view target,
                         std::string_view other_target, uint64_t seed);

} // namespace assay::scoring
