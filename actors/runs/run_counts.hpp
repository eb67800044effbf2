#pragma once

#include "actors/runs/run_workers.hpp"
#include "core/tasks/task_definition.hpp"
#include "core/values/run.hpp"
#include "core/values/sample.hpp"
#include "storage/store.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

namespace assay {

/// @returns the place of the first scorer that is primary.
size_t primary_scorer(const tasks::task_definition& task) noexcept;

score_rule score_rule_of(const tasks::task_definition& task, const run_spec& spec);

/// Counts what a sample that is scored or failed brings into the scores.
/// @param boards As boards_for() makes them.
void count_score(run_progress& progress, const sample_record& sample, const score_rule& rule,
                 std::vector<std::optional<epoch_board>>& boards);

/// What the store has of a run.
struct stored_counts {
  run_progress progress; ///< total and lost calls included; nothing of the present, such as speed.
  std::vector<uint64_t> done_by_task;
  std::vector<std::optional<epoch_board>> boards;
};

/// Counts the stored samples of @p run, page by page. Failures of earlier generations are asked again, so of
/// them only what they cost counts. Belongs on a worker thread.
/// @param rules Of each task.
/// @param each_done Called with every sample that needs no further call.
result<stored_counts> count_stored(const std::shared_ptr<storage::store>& store, const run_record& run,
                                   const std::vector<score_rule>& rules,
                                   const std::function<void(const sample_address&)>& each_done);

/// Brings the counters of a run that is not final up to what the store has: its record says only what they
/// were when the run changed its state the last time. Other runs are left alone, as is a record whose tasks
/// or samples cannot be read.
void refresh_counts(const std::shared_ptr<storage::store>& store, run_record& run);

/// Sets completed_tasks and current_task. @param done_by_task One number for each task.
void update_current_task(run_progress& progress, const run_spec& spec,
                         const std::vector<uint64_t>& done_by_task);

} // namespace assay
