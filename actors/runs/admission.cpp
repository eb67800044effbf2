#include "actors/runs/admission.hpp"

#include "actors/fleet/model_directory.hpp"
#include "actors/runs/admission_detail.hpp"
#include "config/models.hpp"
#include "core/tasks/preparation.hpp"
#include "core/tasks/sample_source.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <random>

namespace assay {

namespace {

using admission_detail::admit_rescoring;
using admission_detail::calls_of;
using admission_detail::check_places;
using admission_detail::check_stopping;
using admission_detail::choose_epochs;
using admission_detail::copy_wishes;
using admission_detail::estimate_price;
using admission_detail::pin_judges;
using admission_detail::task_ptr;

/// Every provider of a running farm is configured. One that a request brings along is judged first, so that
/// nobody takes "not yet" for a matter of waiting.
fault endpoint_refusal(const admission_config& config, const provider_profile& provider) {
  fault reason{errc::unsupported,
               "a running farm takes up no address that is not configured",
               {},
               "let the operator add a provider with this base_url"};
  if (const auto allowed = config.check_endpoint(provider.base_url); !allowed)
    reason = allowed.error();
  reason.where = "model_args.base_url";
  return reason;
}

result<config::resolved_model> find_model(const admission_config& config, const run_request& request) {
  const bool by_kind = request.model.empty();
  auto found = by_kind ? config::resolve_model(*config.settings, request.model_kind, request.model_args)
                       : admission_detail::resolve(config, request.model.value, request.model_args);
  if (!found) {
    auto reason = found.error();
    if (!reason.where.starts_with("model_args"))
      reason.where = by_kind ? "model" : "model_id";
    return reason;
  }
  if (found->custom_endpoint && config.check_endpoint)
    return endpoint_refusal(config, found->provider);
  // A plan asks nobody.
  if (auto usable = config::check_usable(found->provider); !usable && !request.dry_run)
    return usable.error();
  return found;
}

/// A task that came with the request.
result<std::vector<task_ptr>> own_tasks(const own_task& own) {
  auto task = tasks::parse_task(own.definition, "task.yaml", "/");
  if (!task)
    return task.error();
  task->dataset = own.dataset;
  return std::vector<task_ptr>{std::make_shared<const tasks::task_definition>(std::move(*task))};
}

result<std::vector<task_ptr>> find_tasks(const admission_config& config, const run_request& request) {
  if (request.own)
    return own_tasks(*request.own);
  const auto ids = config.tasks->resolve(request.tasks);
  if (!ids)
    return ids.error();
  std::vector<task_ptr> found;
  for (const auto& id : *ids)
    found.push_back(config.tasks->find(id));
  if (config.data_roots)
    for (const auto& task : found)
      if (auto wrong = check_places(task, *config.data_roots))
        return *std::move(wrong);
  return found;
}

// -- tasks of other formats --------------------------------------------------------------------------------

std::string prepared_folder(const config::settings& settings) {
  std::error_code ignored;
  const auto folder = std::filesystem::path(settings.storage.data_dir) / "prepared";
  return std::filesystem::absolute(folder, ignored).lexically_normal().string();
}

tasks::preparation_options preparation_options_of(const admission_config& config,
                                                  const run_request& request) {
  tasks::preparation_options out;
  out.folder = prepared_folder(*config.settings);
  // A request cannot ask for no examples: 0 is what it says when it says nothing.
  if (request.num_fewshot > 0)
    out.num_fewshot = request.num_fewshot;
  out.seed = request.random_seed;
  out.limit = request.limit;
  return out;
}

/// A task, and where it is prepared when it comes from another format.
struct found_task {
  task_ptr task;
  std::optional<tasks::preparation> preparation;
};

/// Puts the prepared task in the place of one of another format, when it is there.
result<found_task> prepared(const admission_config& config, const run_request& request, task_ptr task) {
  found_task out;
  out.task = std::move(task);
  if (!out.task->is_unprepared())
    return out;
  auto plan = tasks::plan_preparation(out.task, preparation_options_of(config, request));
  if (!plan)
    return plan.error();
  if (plan->is_done()) {
    auto loaded = tasks::load_prepared(*plan);
    if (!loaded)
      return loaded.error();
    out.task = std::make_shared<const tasks::task_definition>(std::move(*loaded));
  } else if (!config.plans_only && !request.dry_run) {
    return fault{errc::conflict, "the task '" + out.task->id.value + "' is not prepared", "task_ids",
                 "submit the run to a farm"};
  }
  out.preparation = std::move(*plan);
  return out;
}

bool every_task_has(const std::vector<task_ptr>& tasks, const std::string& prompt_type) {
  return std::ranges::all_of(tasks,
                             [&](const task_ptr& task) { return task->find_prompt(prompt_type) != nullptr; });
}

std::vector<std::string> common_prompt_types(const std::vector<task_ptr>& tasks) {
  auto types = tasks.front()->prompt_types();
  std::erase_if(types, [&](const std::string& type) { return !every_task_has(tasks, type); });
  return types;
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const auto& word : words)
    text.append(text.empty() ? "" : ", ").append(word);
  return text;
}

result<std::vector<std::string>> choose_prompt_types(const std::vector<task_ptr>& tasks,
                                                     const run_request& request) {
  const auto common = common_prompt_types(tasks);
  const fault none{errc::invalid_argument, "the tasks have no prompt type in common", "prompt_types",
                   "run them one by one"};
  if (request.prompt_types.empty() || request.prompt_types == std::vector<std::string>{"all"}) {
    if (common.empty())
      return none;
    const bool is_all = !request.prompt_types.empty() || std::ranges::all_of(tasks, [](const auto& task) {
      return task->asks_all_prompts();
    });
    return is_all ? common : std::vector{common.front()};
  }
  for (size_t i = 0; i < request.prompt_types.size(); ++i)
    for (const auto& task : tasks)
      if (!task->find_prompt(request.prompt_types[i]))
        return fault{errc::invalid_argument,
                     "task '" + task->id.value + "' has no prompt type '" + request.prompt_types[i] + "'",
                     "prompt_types[" + std::to_string(i) + "]", "it has: " + joined(task->prompt_types())};
  return request.prompt_types;
}

/// The task's own settings are defaults; what the operator says of the model goes before them, and what the
/// request says before everything.
sampling resolve_generation(const model_profile& model, const tasks::task_definition& task,
                            const run_request& request) {
  auto out = overlay(task.generation, model.defaults);
  if (const auto found = model.task_optimizations.find(task.task_type);
      found != model.task_optimizations.end())
    out = overlay(std::move(out), found->second);
  return overlay(std::move(out), request.generation);
}

/// Nothing when the run shows no examples, or shows rows of the pinned dataset itself.
result<std::optional<pinned_file>> pin_fewshot(const tasks::task_definition& task,
                                               const run_request& request) {
  const auto& from = task.fewshot;
  if (request.num_fewshot == 0 || from.dataset == task.dataset)
    return std::nullopt;
  const auto facts = tasks::inspect_dataset(from.dataset, from.format);
  if (!facts)
    return facts.error();
  return pinned_file{from.dataset, facts->sha256, facts->rows};
}

result<pinned_task> pin_task(const tasks::task_definition& task, const model_profile& model,
                             const run_request& request) {
  const auto facts = tasks::inspect_data(task);
  if (!facts)
    return facts.error();
  if (facts->rows == 0)
    return fault{errc::dataset_unreadable,
                 "the dataset of task '" + task.id.value + "' has no rows",
                 task.dataset,
                 {}};
  auto fewshot = pin_fewshot(task, request);
  if (!fewshot)
    return fewshot.error();
  pinned_task out;
  out.fewshot = std::move(*fewshot);
  out.id = task.id;
  out.definition = tasks::pinned_text(task);
  out.definition_hash = tasks::sha256_hex(out.definition);
  out.dataset_path = task.dataset;
  out.dataset_hash = facts->sha256;
  out.dataset_rows = facts->rows;
  out.sample_count = request.limit ? std::min(*request.limit, facts->rows) : facts->rows;
  out.scorer_names = task.scorer_names();
  out.generation = resolve_generation(model, task, request);
  return out;
}

call_rules with_rules(call_rules base, const call_rules& over) {
  if (over.timeout)
    base.timeout = over.timeout;
  if (over.max_retries)
    base.max_retries = over.max_retries;
  if (over.num_concurrent)
    base.num_concurrent = over.num_concurrent;
  return base;
}

/// Equal for two requests exactly when they ask the same questions in the same way.
std::string fingerprint(const run_spec& spec, bool seed_given, const std::string& prepared) {
  nlohmann::json text;
  text["model"] = spec.model.value;
  text["provider"] = spec.provider.value;
  text["wire_model"] = spec.wire_model;
  if (!spec.route.models.empty())
    text["route"] = spec.route;
  text["prompt_types"] = spec.prompt_types;
  text["epochs"] = spec.epochs;
  text["num_fewshot"] = spec.num_fewshot;
  text["context_mode"] = spec.context_mode;
  text["predict_only"] = spec.predict_only;
  if (spec.stop_when)
    text["stop_when"] = *spec.stop_when;
  if (!spec.origin.empty())
    text["origin"] = to_string(spec.origin);
  if (seed_given)
    text["seed"] = spec.random_seed;
  for (const auto& judge : spec.judges)
    text["judges"].push_back({judge.model.value, judge.provider.value, judge.wire_model});
  for (const auto& task : spec.tasks) {
    // A plan does not know what a prepared task will hold, but its name decides it.
    if (tasks::is_prepared_dataset(task.dataset_path, prepared)) {
      text["tasks"].push_back({task.id.value, task.dataset_path, task.generation});
      continue;
    }
    text["tasks"].push_back(
        {task.id.value, task.definition_hash, task.dataset_hash, task.sample_count, task.generation});
    if (task.fewshot)
      text["tasks"].back().push_back(task.fewshot->hash);
  }
  return tasks::sha256_hex(text.dump());
}

/// A run of which no sample can be asked would only fail. Reads no further than the first that can.
result<void> check_prompts(const std::vector<task_ptr>& tasks, const run_spec& spec) {
  for (size_t i = 0; i < tasks.size(); ++i)
    for (const auto& prompt_type : spec.prompt_types) {
      if (tasks[i]->is_unprepared())
        continue;
      auto source = tasks::sample_source::open(tasks[i], {spec.tasks[i].dataset_path, prompt_type,
                                                          spec.num_fewshot, spec.random_seed,
                                                          spec.tasks[i].sample_count, spec.context_mode});
      if (!source)
        return source.error();
      std::optional<fault> first;
      tasks::prepared_sample sample;
      bool can_be_asked = false;
      for (auto more = source->next(sample); !can_be_asked && more && *more; more = source->next(sample)) {
        can_be_asked = !sample.problem;
        if (!first)
          first = sample.problem;
      }
      if (can_be_asked || !first)
        continue;
      first->message = "no sample of task '" + tasks[i]->id.value + "' can be asked with prompt type '"
                       + prompt_type + "': " + first->message;
      if (first->where != "num_fewshot")
        first->where = "task_ids";
      return *first;
    }
  return {};
}

// -- the way of the calls ----------------------------------------------------------------------------------

/// @returns why the calls cannot go in batches; nothing when they can. Batches are for one model: the main
/// one of a name whose others only stand by.
std::optional<fault> no_batches(const admission_config& config, const run_spec& spec) {
  if (spec.route.models.size() > 1 && spec.route.strategy != route_strategy::in_order)
    return fault{errc::unsupported, "a route that shares its calls out has no batches", "execution",
                 "name one model, or a route in_order"};
  const auto& main = spec.route.models.empty() ? spec.provider : spec.route.models.front().provider;
  const auto* provider = config::find_provider(*config.settings, main);
  if (provider == nullptr || !provider->batches.available)
    return fault{errc::unsupported, "no batch API is known at provider '" + main.value + "'", "execution",
                 "ask online, or set providers." + main.value + ".batch.available"};
  return std::nullopt;
}

/// Every provider that the calls may reach has a batch API, the answers come within the run's time, and they
/// cost less.
bool batch_is_better(const admission_config& config, const run_spec& spec) {
  if (no_batches(config, spec))
    return false;
  const auto fits = [&](const provider_id& id) {
    const auto* provider = config::find_provider(*config.settings, id);
    return provider != nullptr && provider->batches.available && provider->batches.price_factor < 1
           && (!spec.time_limit || *spec.time_limit >= provider->batches.window);
  };
  return fits(spec.provider) && std::ranges::all_of(spec.route.models, [&](const route_model& model) {
           return fits(model.provider);
         });
}

result<call_way> choose_way(const admission_config& config, const run_request& request,
                            const run_spec& spec) {
  switch (request.execution) {
  case execution_wish::online:
    return call_way::online;
  case execution_wish::batch:
    if (auto reason = no_batches(config, spec))
      return std::move(*reason);
    return call_way::batch;
  case execution_wish::automatic:
    break;
  }
  return batch_is_better(config, spec) ? call_way::batch : call_way::online;
}

/// Says what batches change, and lowers the price.
void price_batches(const admission_config& config, run_submitted& out) {
  const auto& spec = out.record.spec;
  const auto& main = spec.route.models.empty() ? spec.provider : spec.route.models.front().provider;
  const auto* provider = config::find_provider(*config.settings, main);
  if (spec.way != call_way::batch || provider == nullptr)
    return;
  const auto& terms = provider->batches;
  if (out.estimated_cost)
    out.estimated_cost = from_dollars(to_dollars(*out.estimated_cost) * terms.price_factor);
  out.notes.push_back("calls go in batches, for " + std::to_string(std::lround(terms.price_factor * 100))
                      + " % of the price; answers may take " + to_human(terms.window));
}

result<run_submitted> admit(const admission_config& config, const run_request& request) {
  auto model = find_model(config, request);
  if (!model)
    return model.error();
  auto tasks = find_tasks(config, request);
  if (!tasks)
    return tasks.error();
  std::vector<std::optional<tasks::preparation>> preparations;
  for (auto& task : *tasks) {
    auto found = prepared(config, request, std::move(task));
    if (!found)
      return found.error();
    task = std::move(found->task);
    preparations.push_back(std::move(found->preparation));
  }
  const auto prompt_types = choose_prompt_types(*tasks, request);
  if (!prompt_types)
    return prompt_types.error();
  if (!request.context_mode.empty() && !tasks::is_context_mode(request.context_mode))
    return fault{errc::invalid_argument, "'" + request.context_mode + "' is no context mode", "context_mode",
                 "no_context, minimal_context, full_context or domain_context"};
  if (request.num_fewshot > tasks::most_fewshot_examples)
    return fault{errc::invalid_argument,
                 "more than " + std::to_string(tasks::most_fewshot_examples) + " few-shot examples",
                 "num_fewshot", "ask for fewer"};
  run_submitted out;
  out.notes = request.notes;
  auto& spec = out.record.spec;
  copy_wishes(request, spec);
  spec.groups = config.tasks->aggregates_of(request.tasks);
  spec.model = model->model.id;
  spec.configuration_version = model->model.configuration_version;
  spec.provider = model->provider.id;
  spec.wire_model = model->model.wire_model;
  spec.prices = model->model.prices;
  spec.route = model->model.route;
  spec.calls = with_rules(call_rules_of(model->model), request.calls);
  const auto way = choose_way(config, request, spec);
  if (!way)
    return way.error();
  spec.way = *way;
  spec.prompt_types = *prompt_types;
  const auto epochs = choose_epochs(*tasks, request);
  if (!epochs)
    return epochs.error();
  spec.epochs = *epochs;
  auto judges = pin_judges(config, *tasks, request.predict_only, request.dry_run);
  if (!judges)
    return judges.error();
  spec.judges = std::move(*judges);
  for (size_t i = 0; i < tasks->size(); ++i) {
    auto pinned = pin_task(*(*tasks)[i], model->model, request);
    if (!pinned)
      return pinned.error();
    // The name is what the run will have; there is no such file yet.
    if (preparations[i] && (*tasks)[i]->is_unprepared()) {
      pinned->dataset_path = preparations[i]->rows_path;
      out.notes.push_back("the prompts of task '" + pinned->id.value
                          + "' are made when the run starts, so its price is not estimated");
    }
    spec.tasks.push_back(std::move(*pinned));
  }
  if (auto wrong = check_stopping(config, request, spec))
    return std::move(*wrong);
  spec.stop_when = request.stop_when;
  spec.random_seed = request.random_seed ? *request.random_seed : config.draw_seed();
  // Each item of a batch has its own error, even when all of them have one.
  if (auto good = spec.kind == run_kind::llm_batch ? result<void>{} : check_prompts(*tasks, spec); !good)
    return good.error();
  if (spec.total_samples() > config.max_samples)
    return fault{errc::too_large,
                 "the run would have " + std::to_string(spec.total_samples()) + " samples, more than "
                     + std::to_string(config.max_samples),
                 "limit", "lower the limit or split the run"};
  out.record.progress.total = spec.total_samples();
  out.record.progress.current_task = spec.tasks.front().id;
  out.calls = calls_of(*tasks, spec);
  out.estimated_cost = estimate_price(*tasks, spec);
  out.dry_run = request.dry_run;
  if (spec.stop_when)
    out.notes.push_back("the run may end early; rows are asked in the dataset's order, which must not be "
                        "sorted by anything that matters");
  if (!spec.judges.empty())
    out.notes.push_back(
        "answers are judged by " + std::to_string(spec.judges.size())
        + " other models; what that costs is not in the estimate, and counts for the budgets");
  if (spec.configuration_version != 0)
    out.notes.push_back("model '" + spec.model.value + "' is version "
                        + std::to_string(spec.configuration_version)
                        + " of its stored configuration; later changes do not change this run");
  price_batches(config, out);
  if (const auto usable = config::check_usable(model->provider); !usable)
    out.notes.push_back(usable.error().message
                        + ", so the evaluation itself would be refused: " + usable.error().hint);
  if (!spec.prices)
    out.notes.push_back("the prices of model '" + spec.model.value + "' are unknown, so its cost is too"
                        + (spec.max_cost && spec.route.models.empty()
                               ? ", and max_cost cannot be kept: the run will fail"
                               : ""));
  return out;
}

} // namespace

admission make_admission(admission_config config) {
  if (!config.draw_seed)
    config.draw_seed = [] { return static_cast<int64_t>(std::random_device{}()); };
  return [config = std::move(config)](const run_request& request) -> result<run_submitted> {
    auto answer = request.origin.empty() ? admit(config, request) : admit_rescoring(config, request);
    if (answer)
      answer->record.spec.fingerprint = fingerprint(answer->record.spec, request.random_seed.has_value(),
                                                    prepared_folder(*config.settings));
    return answer;
  };
}

preparation_finder make_preparation_finder(const admission_config& config) {
  return [config](const run_request& request) -> result<std::vector<tasks::preparation>> {
    std::vector<tasks::preparation> out;
    // What is wrong with the request itself is told when it is admitted.
    const auto wanted = find_tasks(config, request);
    if (!wanted)
      return out;
    for (const auto& task : *wanted) {
      if (!task->is_unprepared())
        continue;
      auto plan = tasks::plan_preparation(task, preparation_options_of(config, request));
      if (!plan)
        return plan.error();
      if (!plan->is_done())
        out.push_back(std::move(*plan));
    }
    return out;
  };
}

} // namespace assay
