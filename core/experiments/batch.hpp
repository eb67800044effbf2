#pragma once

#include "core/values/errors.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// Batches: models x prompt types x tasks, shared out to evaluations so that every key of every provider has
/// work.
namespace assay::experiments {

enum class batch_preset : uint8_t {
  quick,    ///< quick_test: does it work at all? Two samples of each task, one prompt type.
  standard, ///< run_batch_test: the models that are named, everything else as asked.
  full,     ///< test_all: all models, prompt types and tasks.
  parallel, ///< run_parallel_test: several models at once, whatever the providers are like.
};

/// @returns the preset of that name: quick, standard, full, parallel, or the name of the script that it
/// stands for, with or without `.sh`; nothing for another word.
std::optional<batch_preset> batch_preset_from_string(std::string_view word) noexcept;
std::string_view to_string(batch_preset preset) noexcept;

/// What a batch shall do. Unset members are filled by a preset.
struct batch_wish {
  std::vector<std::string> models;
  bool all_models = false;
  std::vector<std::string> prompt_types; ///< `all`: every one that a task has; `first`: its first.
  std::vector<std::string> task_types;   ///< `all`, or task types, categories, groups and tasks.
  std::vector<std::string> difficulties; ///< Empty or `all`: every one.
  std::optional<uint64_t> num_instances; ///< Samples by task and prompt type.
  std::optional<bool> prompt_parallel;   ///< Unset: as the provider's keys are.
  std::optional<bool> model_parallel;
};

/// Fills what @p wish leaves open. What it says already stays.
void fill_from(batch_preset preset, batch_wish& wish);

/// What a provider's configuration says of how much it does at once.
struct provider_shape {
  std::string provider;
  size_t keys = 1;
  bool by_prompt_type = false;          ///< Each prompt type has a key of its own.
  uint32_t workers_per_prompt_type = 0; ///< 0: no such limit.
  uint32_t calls_per_key = 0;           ///< Of one model; 0: no such limit.
};

/// How the prompt types of one model are asked.
struct prompt_strategy {
  bool at_once = true;
  std::optional<uint64_t> calls_at_once; ///< Over all prompt types; nothing where only adapting limits them.
  std::optional<uint64_t> calls_of_one;  ///< The same of one prompt type alone.
  std::string reason;                    ///< For people: why.
};

/// Decides from the provider's shape. @param prompt_types How many there are. @param wanted Goes before.
prompt_strategy choose_strategy(const provider_shape& shape, size_t prompt_types, std::optional<bool> wanted);

/// A task as a batch sees it.
struct batch_task {
  std::string id;
  std::string category;
  std::string task_type;
  std::string difficulty;
  std::vector<std::string> prompt_types; ///< Empty: known only when a run of it is submitted.
};

/// One evaluation of a batch.
struct batch_part {
  std::string model;
  std::vector<std::string> prompt_types; ///< Empty: the tasks' own.
  std::vector<std::string> tasks;

  bool operator==(const batch_part&) const = default;
};

/// @returns those of the wanted difficulties, in their order. errc::invalid_argument for a word that is no
/// difficulty, errc::not_found when none is left.
result<std::vector<batch_task>> of_difficulties(std::vector<batch_task> tasks,
                                                const std::vector<std::string>& difficulties);

/// Shares the work of one model out: an evaluation for every prompt type when they are asked at once, else
/// one for all tasks that have the same of the wanted types. Tasks that lack a wanted type are left out
/// there, and
/// @p notes says so.
/// @returns errc::not_found when no task has one of the types.
result<std::vector<batch_part>> parts_of(const std::string& model, const std::vector<batch_task>& tasks,
                                         const std::vector<std::string>& prompt_types, bool at_once,
                                         std::vector<std::string>& notes);

} // namespace assay::experiments
