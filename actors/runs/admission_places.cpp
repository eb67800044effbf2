#include "actors/runs/admission_detail.hpp"
#include "core/tasks/data_places.hpp"
#include "core/tasks/lm_eval/task_config.hpp"

// Where the data of tasks may lie that users of the API run.
namespace assay::admission_detail {

namespace {

std::optional<fault> outside(const task_ptr& task, const char* key, const std::string& file,
                             const std::vector<std::string>& roots) {
  if (file.empty() || tasks::lies_in_any(file, roots))
    return std::nullopt;
  return fault{errc::forbidden,
               "the data of task '" + task->id.value + "' lies outside of the folders of tasks: " + key + ": "
                   + file,
               "task_ids", "let the operator move it there, or name its folder in tasks.roots"};
}

} // namespace

std::optional<fault> check_places(const task_ptr& task, const std::vector<std::string>& roots) {
  if (!task->lm_eval) {
    auto wrong = outside(task, "dataset", task->dataset, roots);
    return wrong ? wrong : outside(task, "fewshot.dataset", task->fewshot.dataset, roots);
  }
  for (const auto* source : {&task->lm_eval->rows, &task->lm_eval->examples})
    for (const auto& file : source->files)
      if (auto wrong = outside(task, "data_files", file, roots))
        return wrong;
  return std::nullopt;
}

} // namespace assay::admission_detail
