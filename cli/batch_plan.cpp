#include "cli/batch_plan.hpp"

#include "cli/parse.hpp"
#include "config/models.hpp"
#include "core/values/closest_word.hpp"

#include <algorithm>
#include <set>
#include <utility>

namespace assay::cli {

namespace {

using experiments::batch_task;

batch_task as_batch_task(const tasks::task_definition& task) {
  return {task.id.value, task.category, task.task_type, task.difficulty, task.prompt_types()};
}

fault unknown_type(const tasks::task_catalogue& catalogue, const std::string& word) {
  std::set<std::string> known;
  for (const auto& task : catalogue.list()) {
    known.insert(task->id.value);
    known.insert(task->category);
    if (!task->task_type.empty())
      known.insert(task->task_type);
  }
  const std::vector<std::string_view> views(known.begin(), known.end());
  const auto meant = did_you_mean(word, views);
  return {errc::not_found, "'" + word + "' is no task type, category, group or task", "--task-types",
          meant.empty() ? "`assay tasks` lists the tasks" : meant};
}

/// The ids that one word means, in the order of the catalogue.
std::vector<std::string> ids_of(const tasks::task_catalogue& catalogue, const std::string& word) {
  std::vector<std::string> out;
  if (catalogue.find(task_id(word)))
    return {word};
  for (const auto& task : catalogue.list())
    if (word == "all" || task->task_type == word || task->category == word)
      out.push_back(task->id.value);
  if (out.empty())
    for (const auto& id : catalogue.group(word))
      out.push_back(id.value);
  return out;
}

uint32_t smaller_limit(uint32_t a, uint32_t b) noexcept { return a == 0 ? b : b == 0 ? a : std::min(a, b); }

std::vector<std::string> distinct_models(const experiments::batch_wish& wish,
                                         const config::settings& settings) {
  auto named = split_lists(wish.models);
  if (wish.all_models) {
    const auto all = all_models(settings);
    named.insert(named.end(), all.begin(), all.end());
  }
  std::vector<std::string> out;
  for (auto& model : named)
    if (std::find(out.begin(), out.end(), model) == out.end())
      out.push_back(std::move(model));
  return out;
}

void add_note(std::vector<std::string>& notes, const std::string& note) {
  if (std::find(notes.begin(), notes.end(), note) == notes.end())
    notes.push_back(note);
}

void bound_calls(config::settings& settings, const std::set<std::string>& providers, uint32_t qps) {
  for (auto& provider : settings.providers) {
    if (!providers.contains(provider.id.value))
      continue;
    auto& rate = provider.limits.requests_per_second;
    rate = smaller_limit(rate, qps);
  }
}

} // namespace

std::vector<std::string> all_models(const config::settings& settings) {
  std::vector<std::string> real;
  std::vector<std::string> simulated;
  for (const auto& model : settings.models) {
    const auto* provider = config::find_provider(settings, model.provider);
    if (provider == nullptr || model.deprecated || !config::check_usable(*provider))
      continue;
    (model.simulated ? simulated : real).push_back(model.id.value);
  }
  return real.empty() ? simulated : real;
}

result<std::vector<batch_task>> tasks_of_types(const tasks::task_catalogue& catalogue,
                                               const std::vector<std::string>& words) {
  std::set<std::string> wanted;
  for (const auto& word : split_lists(words)) {
    const auto ids = ids_of(catalogue, word);
    if (ids.empty())
      return unknown_type(catalogue, word);
    wanted.insert(ids.begin(), ids.end());
  }
  std::vector<batch_task> out;
  for (const auto& task : catalogue.list())
    if (wanted.contains(task->id.value))
      out.push_back(as_batch_task(*task));
  if (out.empty())
    return fault{errc::not_found, "there are no tasks", "--task-types", "`assay tasks` lists them"};
  return out;
}

result<experiments::provider_shape> shape_of(const config::settings& settings, const std::string& model) {
  const auto found = config::resolve_model(settings, model);
  if (!found) {
    auto reason = found.error();
    reason.where = "--model";
    return reason;
  }
  const auto& provider = found->provider;
  experiments::provider_shape out;
  out.provider = provider.id.value;
  out.keys = std::max<size_t>(provider.keys.size(), 1);
  out.workers_per_prompt_type = provider.workers_per_prompt_type;
  out.calls_per_key =
      smaller_limit(provider.limits.concurrent_requests, found->model.limits.concurrent_requests);
  for (const auto& pool : settings.key_pools)
    if (pool.provider == provider.id)
      out.by_prompt_type = pool.strategy == config::key_strategy::by_prompt_type && provider.keys.size() > 1;
  return out;
}

result<batch_choice> choose_parts(const experiments::batch_wish& wish, const batch_ways& ways,
                                  config::settings& settings, const tasks::task_catalogue& catalogue) {
  const auto models = distinct_models(wish, settings);
  if (models.empty())
    return fault{errc::invalid_argument, "no model is named", "--model",
                 wish.all_models
                     ? "the configuration has none that can be asked; `assay models` lists them"
                     : "`assay models` lists them; --all-models takes those of the configuration"};
  auto of_types = tasks_of_types(catalogue, wish.task_types);
  if (!of_types)
    return of_types.error();
  const auto tasks = experiments::of_difficulties(std::move(*of_types), split_lists(wish.difficulties));
  if (!tasks)
    return tasks.error();
  const auto types = split_lists(wish.prompt_types);
  std::set<std::string> all_types;
  for (const auto& task : *tasks)
    all_types.insert(task.prompt_types.begin(), task.prompt_types.end());
  const auto count = types == std::vector<std::string>{"all"}     ? all_types.size()
                     : types == std::vector<std::string>{"first"} ? size_t{1}
                                                                  : types.size();
  batch_choice out;
  std::set<std::string> providers;
  size_t largest = 1;
  for (const auto& model : models) {
    const auto shape = shape_of(settings, model);
    if (!shape)
      return shape.error();
    const auto strategy = experiments::choose_strategy(*shape, count, wish.prompt_parallel);
    std::vector<std::string> notes;
    const auto parts = experiments::parts_of(model, *tasks, types, strategy.at_once, notes);
    if (!parts)
      return parts.error();
    for (const auto& note : notes)
      add_note(out.notes, note);
    // One after another: an evaluation of several prompt types has no more calls out than one of them may
    // have.
    const auto bound = strategy.at_once ? std::nullopt : strategy.calls_of_one;
    const auto workers = ways.workers ? ways.workers
                         : bound      ? std::optional{static_cast<uint32_t>(*bound)}
                                      : std::nullopt;
    for (const auto& part : *parts)
      out.parts.push_back({part.model, part.tasks, part.prompt_types, workers});
    out.strategies.push_back({model, shape->provider, strategy, parts->size()});
    providers.insert(shape->provider);
    largest = std::max(largest, parts->size());
  }
  // Evaluations wait for their turn in the farm, oldest first, so that this many are those of one model.
  const bool one_by_one = wish.model_parallel && !*wish.model_parallel;
  const auto at_once = wish.prompt_parallel == false ? size_t{1} : largest;
  settings.farm.max_running_runs =
      one_by_one ? static_cast<uint32_t>(at_once)
                 : std::max(settings.farm.max_running_runs, static_cast<uint32_t>(out.parts.size()));
  settings.farm.max_queued_runs =
      std::max(settings.farm.max_queued_runs, static_cast<uint32_t>(out.parts.size()));
  if (ways.qps)
    bound_calls(settings, providers, *ways.qps);
  return out;
}

} // namespace assay::cli
