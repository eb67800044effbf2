#include "actors/runs/admission_detail.hpp"

#include "core/tasks/sample_source.hpp"

#include <algorithm>
#include <utility>

namespace assay::admission_detail {

namespace {

result<run_record> find_origin(const admission_config& config, run_id id) {
  const fault none{errc::not_found, "there is no evaluation " + to_string(id), "id", {}};
  if (!config.find_run)
    return none;
  auto found = config.find_run(id);
  if (!found)
    return found.error();
  if (!*found)
    return none;
  if (!is_final((*found)->state))
    return fault{errc::conflict, "evaluation " + to_string(id) + " has not ended", "id",
                 "score its answers again when it has"};
  if ((*found)->redacted_at)
    return fault{errc::conflict, "the answers of evaluation " + to_string(id) + " were removed", "id",
                 "start the evaluation anew"};
  if ((*found)->spec.kind == run_kind::imported)
    return fault{errc::unsupported,
                 "evaluation " + to_string(id) + " was imported, with scores and without its task", "id",
                 "ask the questions here to score them by other rules"};
  return std::move(**found);
}

/// The task as it is now, else as it was.
result<task_ptr> task_for(const admission_config& config, const pinned_task& pinned) {
  if (auto now = config.tasks->find(pinned.id); now && !now->is_unprepared())
    return now;
  auto then = tasks::parse_task(pinned.definition, pinned.id.value + ".yaml", "/");
  if (!then)
    return then.error();
  return std::make_shared<const tasks::task_definition>(std::move(*then));
}

/// Targets are read anew, so they must belong to the questions that were asked.
std::optional<fault> check_rows(const pinned_task& pinned, const tasks::task_definition& task) {
  const auto facts = tasks::inspect_dataset(task.dataset, task.format);
  if (!facts)
    return facts.error();
  if (facts->sha256 == pinned.dataset_hash)
    return std::nullopt;
  return fault{errc::dataset_changed,
               "the dataset of task '" + pinned.id.value + "' is not the one whose questions were answered",
               task.dataset, "restore the file"};
}

std::optional<fault> check_prompts(const run_spec& origin, const pinned_task& pinned,
                                   const tasks::task_definition& task) {
  const auto then = tasks::parse_task(pinned.definition, pinned.id.value + ".yaml", "/");
  if (!then)
    return then.error();
  for (const auto& type : origin.prompt_types) {
    const auto* now = task.find_prompt(type);
    const auto* asked = then->find_prompt(type);
    if (now == nullptr || asked == nullptr || now->later_turns.size() != asked->later_turns.size())
      return fault{errc::conflict,
                   "task '" + pinned.id.value + "' no longer asks with prompt type '" + type + "' as it did",
                   "task_ids", "restore the prompt; only scorers and targets may change"};
  }
  return std::nullopt;
}

result<pinned_task> pin_again(const pinned_task& pinned, const tasks::task_definition& task) {
  auto out = pinned;
  out.definition = tasks::pinned_text(task);
  out.definition_hash = tasks::sha256_hex(out.definition);
  out.dataset_path = task.dataset;
  out.scorer_names = task.scorer_names();
  return out;
}

} // namespace

result<run_submitted> admit_rescoring(const admission_config& config, const run_request& request) {
  auto origin = find_origin(config, request.origin);
  if (!origin)
    return origin.error();
  run_submitted out;
  auto& spec = out.record.spec;
  spec = origin->spec;
  spec.id = {};
  spec.owner = {};
  spec.origin = request.origin;
  spec.predict_only = false;
  spec.log_samples = origin->spec.log_samples;
  spec.way = call_way::online;
  spec.cache = cache_use::off;
  spec.max_cost = request.max_cost;
  spec.depends_on.clear();
  spec.time_limit.reset();
  spec.stop_when.reset();
  spec.output_path = request.output_path;
  if (!request.metadata.empty())
    spec.metadata = request.metadata;
  std::vector<task_ptr> tasks;
  for (auto& pinned : spec.tasks) {
    auto task = task_for(config, pinned);
    if (!task)
      return task.error();
    if (auto wrong = check_rows(pinned, **task))
      return std::move(*wrong);
    if (auto wrong = check_prompts(spec, pinned, **task))
      return std::move(*wrong);
    auto again = pin_again(pinned, **task);
    if (!again)
      return again.error();
    pinned = std::move(*again);
    tasks.push_back(std::move(*task));
  }
  if (auto wrong = check_reducers(tasks, spec.epochs))
    return std::move(*wrong);
  auto judges = pin_judges(config, tasks, false, request.dry_run);
  if (!judges)
    return judges.error();
  spec.judges = std::move(*judges);
  out.record.progress.total = spec.total_samples();
  out.record.progress.current_task = spec.tasks.front().id;
  out.calls = 0;
  out.estimated_cost = spec.judges.empty() ? std::optional{money{}} : std::nullopt;
  out.dry_run = request.dry_run;
  out.notes = request.notes;
  if (!spec.judges.empty())
    out.notes.push_back("the answers are there; judges are asked, and paid for");
  return out;
}

} // namespace assay::admission_detail
