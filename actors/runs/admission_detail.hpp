#pragma once

#include "actors/runs/admission.hpp"
#include "config/models.hpp"

#include <memory>
#include <vector>

/// What the parts of the admission share. Private to admission*.cpp.
namespace assay::admission_detail {

/// Finds the model that a name means: a configured or simulated one, then one whose configuration is stored,
/// then one of the catalogue or of a provider.
result<config::resolved_model> resolve(const admission_config& config, const std::string& name,
                                       const std::string& model_args);

using task_ptr = std::shared_ptr<const tasks::task_definition>;

/// The judges of all scorers, each once. Pure.
result<std::vector<pinned_judge>> pin_judges(const admission_config& config,
                                             const std::vector<task_ptr>& tasks, bool predict_only,
                                             bool dry_run);

/// Of too few repeats pass_at_K makes no score, and at_least_K always 0. @returns the first task of which
/// that is so.
std::optional<fault> check_reducers(const std::vector<task_ptr>& tasks, uint16_t epochs);

/// How often each sample is asked: all tasks of a run alike. Fails where a task's reducer needs more.
result<uint16_t> choose_epochs(const std::vector<task_ptr>& tasks, const run_request& request);

/// Early stopping watches one sequence of scores. @param spec With its tasks. @returns why it cannot.
std::optional<fault> check_stopping(const admission_config& config, const run_request& request,
                                    const run_spec& spec);

/// Takes over what needs no second look.
void copy_wishes(const run_request& request, run_spec& spec);

/// @returns why the data of @p task lies in none of @p roots, symbolic links followed: names the first such
/// file.
std::optional<fault> check_places(const task_ptr& task, const std::vector<std::string>& roots);

/// @returns nothing where prices or prompts are not known yet. Renders the first samples of each task.
std::optional<money> estimate_price(const std::vector<task_ptr>& tasks, const run_spec& spec);

/// Without the calls of judges.
uint64_t calls_of(const std::vector<task_ptr>& tasks, const run_spec& spec);

/// Pins a run that takes the answers of request.origin as they are and asks nobody. Its tasks are those of
/// that run, as their files are now where the catalogue has them; its rows must be the same.
result<run_submitted> admit_rescoring(const admission_config& config, const run_request& request);

} // namespace assay::admission_detail
