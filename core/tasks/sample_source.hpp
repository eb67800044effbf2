#pragma once

#include "core/tasks/dataset.hpp"
#include "core/tasks/task_definition.hpp"
#include "core/values/errors.hpp"
#include "core/values/sample.hpp"
#include "core/values/shared_text.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace assay::tasks {

inline constexpr uint32_t most_fewshot_examples = 100;

/// What decides the samples beside the task.
struct sample_options {
  std::string dataset_path{};      ///< The pinned one; empty takes the task's.
  std::string prompt_type{};       ///< Empty takes the task's first.
  uint32_t num_fewshot = 0;        ///< At most most_fewshot_examples.
  int64_t seed = 0;                ///< Draws the few-shot examples.
  std::optional<uint64_t> limit{}; ///< Samples at most.
  std::string context_mode{};      ///< A context mode, or empty.
};

/// One sample, ready to be sent.
struct prepared_sample {
  uint64_t row = 0; ///< Of the dataset, from 0.
  std::vector<chat_message> messages;
  /// What the user says after each answer, in order; the answer to the last is scored.
  std::vector<shared_text> later_turns;
  shared_text target;
  shared_text reference; ///< What a right answer says; empty when the task has none beside its target.
  shared_text wrong;     ///< A JSON array of wrong answers; empty when the task has none.
  /// Why this sample cannot be sent (errc::template_failed); the run goes on with the next.
  std::optional<fault> problem;
};

/// Makes the samples of one task and prompt variant, in the dataset's order, one at a time.
///
/// Few-shot examples are user and assistant turns in front of the question. They are drawn once with the
/// seed, in one pass over the few-shot dataset, and are the same for every sample, so that providers can
/// cache the prefix; an example whose question is the sample's own is replaced by a spare one. A prompt whose
/// rows hold the whole conversation has its examples in it already.
class sample_source {
public:
  /// Fails with errc::invalid_argument for an unknown prompt type or context mode and for too many examples,
  /// with errc::unsupported for a task that is not prepared, and with what the datasets' readers fail with.
  static result<sample_source> open(std::shared_ptr<const task_definition> task,
                                    const sample_options& options);

  /// @param out Every member is replaced. @returns false at the end or the limit. Fails as dataset_reader
  /// does.
  result<bool> next(prepared_sample& out);

  /// Passes over up to @p count samples, which count towards the limit. @returns how many there were.
  result<uint64_t> skip(uint64_t count);

  /// @returns the row that next() will return.
  uint64_t position() const noexcept { return reader_->position(); }

private:
  struct example {
    shared_text question;
    shared_text answer;
  };

  sample_source() = default;
  result<std::vector<example>> draw_examples(const sample_options& options) const;
  std::optional<fault> fill(const row_value& fields, prepared_sample& out) const;
  std::optional<fault> fill_prompt(const row_value& fields, prepared_sample& out) const;
  result<std::string> system_text(const row_value& fields) const;

  std::shared_ptr<const task_definition> task_;
  const prompt_variant* prompt_ = nullptr;
  std::string context_;
  std::unique_ptr<dataset_reader> reader_;
  std::vector<example> examples_; ///< Distinct questions; num_fewshot and a spare one.
  uint32_t num_fewshot_ = 0;
  uint64_t limit_ = 0;
  std::optional<shared_text> fixed_system_; ///< The system message when it is the same for all rows.
};

} // namespace assay::tasks
