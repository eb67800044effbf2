#pragma once

#include "core/values/errors.hpp"
#include "mock/answer_book.hpp"

#include <filesystem>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

namespace assay::mock {

/// The answers to the prompts of task folders, and what could not be read of them.
struct task_answers {
  std::shared_ptr<const answer_book> book;
  size_t prompts = 0;        ///< Distinct ones in the book.
  std::vector<fault> faults; ///< Broken tasks and datasets; the others are in the book.
};

/// Renders every prompt of every task, variant and row below @p folders and writes down a right and a wrong
/// answer as the task's own scorers see it. Examples and system messages do not matter: a prompt is known by
/// its last user message. At most 5,000,000 prompts.
task_answers read_task_answers(std::span<const std::filesystem::path> folders);

/// How much a way of asking adds to a model's accuracy, so that tables of variants show differences: 0.05 for
/// a name with `optimal`, 0.03 for one with `cot` or `chain_of_thought`, else 0.
double bonus_of_prompt_type(std::string_view name) noexcept;

} // namespace assay::mock
