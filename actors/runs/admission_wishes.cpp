#include "actors/runs/admission_detail.hpp"

#include "actors/fleet/model_directory.hpp"
#include "actors/runs/outside_scorers.hpp"
#include "config/models.hpp"
#include "core/scoring/epochs.hpp"

#include <algorithm>
#include <string>
#include <utility>

// What a request asks for beside models and tasks, checked and resolved.
namespace assay::admission_detail {

result<config::resolved_model> resolve(const admission_config& config, const std::string& name,
                                       const std::string& model_args) {
  if (!config.find_stored || config::find_model(*config.settings, model_id{std::string(name)}) != nullptr)
    return config::resolve_model(*config.settings, name, model_args);
  const auto with = config.find_stored(name);
  if (!with)
    return with.error();
  if (!*with)
    return config::resolve_model(*config.settings, name, model_args);
  auto found = config::resolve_model(**with, name, model_args);
  // The configuration may have lost the provider since this was stored.
  if (found && !found->custom_endpoint
      && config::find_provider(*config.settings, found->provider.id) == nullptr)
    return fault{
        errc::unsupported,
        "the stored configuration of model '" + name + "' has an address that no provider of the farm has",
        "model_id", "let the operator add a provider with this base_url, or change the configuration"};
  return found;
}

result<std::vector<pinned_judge>> pin_judges(const admission_config& config,
                                             const std::vector<task_ptr>& tasks, bool predict_only,
                                             bool dry_run) {
  std::vector<pinned_judge> out;
  if (predict_only)
    return out;
  for (const auto& task : tasks) {
    const auto names = judges_of(*task);
    if (!names)
      return names.error();
    for (const auto& name : *names) {
      if (std::ranges::any_of(out, [&](const pinned_judge& one) { return one.model == name; }))
        continue;
      auto found = resolve(config, name.value, {});
      if (!found) {
        auto reason = found.error();
        reason.message = "the judge of task '" + task->id.value + "': " + reason.message;
        reason.where = "task_ids";
        return reason;
      }
      if (auto usable = config::check_usable(found->provider); !usable && !dry_run)
        return usable.error();
      // As the task names it, so that its scorers find it.
      out.push_back({name, found->provider.id, found->model.wire_model, found->model.prices,
                     found->model.route, call_rules_of(found->model)});
    }
  }
  return out;
}

std::optional<fault> check_reducers(const std::vector<task_ptr>& tasks, uint16_t epochs) {
  for (const auto& task : tasks) {
    const auto reduction = scoring::epochs_reduction_from_string(task->epochs_reducer);
    if (!reduction || reduction->k <= epochs)
      continue;
    const auto wanted = std::to_string(reduction->k);
    return fault{errc::invalid_argument,
                 "task '" + task->id.value + "' has the epochs_reducer " + task->epochs_reducer
                     + ", and each sample would be asked " + std::to_string(epochs)
                     + (epochs == 1 ? " time only" : " times only"),
                 "epochs_reducer", "ask each sample " + wanted + " times or more: epochs: " + wanted};
  }
  return std::nullopt;
}

result<uint16_t> choose_epochs(const std::vector<task_ptr>& tasks, const run_request& request) {
  const auto wanted = request.epochs.value_or(tasks.front()->epochs.value_or(1));
  if (!request.epochs)
    for (const auto& task : tasks)
      if (task->epochs.value_or(1) != wanted)
        return fault{errc::invalid_argument,
                     "the tasks '" + tasks.front()->id.value + "' and '" + task->id.value
                         + "' are to be repeated differently often",
                     "epochs", "say how often, or run them one by one"};
  // Answers alone are reduced by nobody.
  if (request.predict_only)
    return wanted;
  if (auto wrong = check_reducers(tasks, wanted))
    return std::move(*wrong);
  return wanted;
}

/// Early stopping watches one sequence of scores.
std::optional<fault> check_stopping(const admission_config& config, const run_request& request,
                                    const run_spec& spec) {
  if (!request.stop_when)
    return std::nullopt;
  const auto refused = [](errc code, std::string message, std::string where, std::string hint) {
    return fault{code, std::move(message), std::move(where), std::move(hint)};
  };
  if (spec.tasks.size() != 1 || spec.prompt_types.size() != 1 || spec.epochs != 1 || spec.predict_only)
    return refused(errc::unsupported,
                   "a run ends early only when it has one task, one prompt type, one epoch and scores",
                   "early_stopping", "run the tasks one by one");
  if (request.stop_when->against.empty())
    return std::nullopt;
  const auto id = request.stop_when->against;
  auto other =
      config.find_run ? config.find_run(id) : result<std::optional<run_record>>{std::optional<run_record>{}};
  if (!other)
    return other.error();
  if (!*other || !is_final((*other)->state))
    return refused(errc::invalid_argument, "there is no finished evaluation " + to_string(id),
                   "early_stopping.against", {});
  const auto& theirs = (*other)->spec;
  if (theirs.tasks.size() != 1 || theirs.prompt_types.size() != 1
      || theirs.tasks.front().dataset_hash != spec.tasks.front().dataset_hash)
    return refused(errc::invalid_argument,
                   "evaluation " + to_string(id) + " did not ask the same questions, and them alone",
                   "early_stopping.against", "compare with a run of the same task and one prompt type");
  return std::nullopt;
}

uint64_t calls_of(const std::vector<task_ptr>& tasks, const run_spec& spec) {
  uint64_t calls = 0;
  for (size_t i = 0; i < tasks.size(); ++i)
    for (const auto& prompt_type : spec.prompt_types)
      calls += spec.tasks[i].sample_count * spec.epochs
               * (1 + tasks[i]->find_prompt(prompt_type)->later_turns.size());
  return calls;
}

void copy_wishes(const run_request& request, run_spec& spec) {
  spec.kind = request.kind;
  spec.limit = request.limit;
  spec.num_fewshot = request.num_fewshot;
  spec.priority = request.priority;
  spec.weight = request.weight;
  spec.time_limit = request.time_limit;
  spec.cache = request.cache;
  spec.max_cost = request.max_cost;
  spec.depends_on = request.depends_on;
  spec.context_mode = request.context_mode;
  spec.predict_only = request.predict_only;
  spec.log_samples = request.log_samples;
  spec.output_path = request.output_path;
  spec.metadata = request.metadata;
  spec.requested = request.requested;
  spec.model_choice = request.model_choice;
}

} // namespace assay::admission_detail
