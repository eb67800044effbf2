#pragma once

#include "actors/runs/run_workers.hpp"
#include "core/tasks/task_definition.hpp"
#include "core/values/run.hpp"

namespace assay {

/// Builds the scorers of @p task into @p plan: those that judge in place, and those whose work is done by the
/// sandbox, the Python host or other models. Fails with errc::unsupported for what no host can do, and with
/// errc::invalid_argument for a judge that @p spec does not pin.
result<void> make_scorers(const tasks::task_definition& task, const run_spec& spec, task_plan& plan);

/// @returns the models that the scorers of @p task ask, each once, in the order of their first use. Fails
/// with errc::invalid_argument when a scorer names none.
result<std::vector<model_id>> judges_of(const tasks::task_definition& task);

} // namespace assay
