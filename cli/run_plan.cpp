#include "cli/run_plan.hpp"

#include "actors/runs/admission.hpp"
#include "cli/load_settings.hpp"
#include "cli/named_evaluation.hpp"
#include "cli/parse.hpp"
#include "cli/stored_keys.hpp"
#include "config/models.hpp"
#include "config/providers.hpp"
#include "config/results_folder.hpp"
#include "core/tasks/promptfoo/test_file.hpp"
#include "storage/snapshot.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <map>

namespace assay::cli {

namespace {

using nlohmann::json;

fault refused(std::string where, std::string message, std::string hint = {}) {
  return {errc::invalid_argument, std::move(message), std::move(where), std::move(hint)};
}

std::optional<int64_t> whole(std::string_view text) noexcept {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size())
    return std::nullopt;
  return value;
}

/// Shows a field of the request as the flag that set it, `configuration.limit` -> `--limit`, or as the line
/// of the named evaluation that did.
fault as_flag(fault reason, const run_flags& flags) {
  if (reason.where.empty() || reason.where.starts_with("--")
      || reason.where.find_first_of("/ ") != std::string::npos)
    return reason;
  std::string_view field = reason.where;
  constexpr std::string_view prefix = "configuration.";
  if (field.starts_with(prefix))
    field.remove_prefix(prefix.size());
  if (auto place = place_in_evaluation(flags, field); !place.empty()) {
    reason.where = std::move(place);
    return reason;
  }
  if (field == "model_id")
    field = "model";
  if (field == "execution")
    field = "batch";
  if (field.starts_with("task_ids"))
    field = "tasks";
  reason.where = "--" + std::string(field);
  return reason;
}

/// Notes begin with the field that they are about.
std::string note_as_flag(const std::string& note, const run_flags& flags) {
  const auto end = note.find(": accepted");
  if (end == std::string::npos)
    return note;
  return as_flag({errc::invalid_argument, {}, note.substr(0, end), {}}, flags).where + note.substr(end);
}

std::optional<fault> add_seeds(const std::string& text, json& settings) {
  if (text.empty())
    return std::nullopt;
  constexpr std::string_view names[] = {"random_seed", "numpy_random_seed", "torch_random_seed",
                                        "fewshot_random_seed"};
  const auto parts = split_list(text);
  if (parts.empty() || parts.size() > std::size(names))
    return refused("--seed", "must be one number or up to four", "for example --seed 1234");
  for (size_t i = 0; i < parts.size(); ++i) {
    if (parts[i] == "None")
      continue;
    const auto value = whole(parts[i]);
    if (!value)
      return refused("--seed", "'" + parts[i] + "' is no number");
    settings[std::string(names[i])] = *value;
  }
  return std::nullopt;
}

std::optional<fault> add_limits(const run_flags& flags, json& settings) {
  if (!flags.limit.empty()) {
    const auto value = whole(flags.limit);
    if (!value && flags.limit.find_first_not_of("0123456789") == std::string::npos)
      return refused("--limit", "'" + flags.limit + "' is too large", "leave it out to ask every sample");
    if (!value)
      return refused("--limit", "'" + flags.limit + "' is no whole number",
                     "shares of a dataset are not supported");
    settings["limit"] = *value;
  }
  if (!flags.time_limit.empty()) {
    const auto value = parse_duration(flags.time_limit);
    if (!value) {
      auto reason = value.error();
      reason.where = "--time-limit";
      return reason;
    }
    settings["time_limit"] = std::chrono::ceil<seconds>(*value).count();
  }
  return std::nullopt;
}

std::optional<fault> add_generation(const run_flags& flags, json& settings) {
  if (flags.gen_kwargs.empty())
    return std::nullopt;
  json all = json::object();
  for (const auto& text : flags.gen_kwargs) {
    json one;
    if (auto wrong = parse_gen_kwargs(text, one))
      return wrong;
    all.update(one);
  }
  // One text may be given without a list around it.
  for (const char* name : {"until", "stop", "stop_sequences"})
    if (const auto found = all.find(name); found != all.end() && found->is_string())
      *found = json::array({*found});
  auto& kwargs = settings["gen_kwargs"];
  if (kwargs.is_object())
    kwargs.update(all);
  else
    kwargs = std::move(all);
  return std::nullopt;
}

/// Adds the tasks that were given as files to the catalogue. @returns ids and groups in the order of the
/// flags.
result<std::vector<std::string>> take_task_files(const std::vector<std::string>& names,
                                                 const tasks::data_places& places,
                                                 tasks::task_catalogue& catalogue) {
  std::vector<std::string> out;
  for (const auto& name : names) {
    if (!is_task_path(name)) {
      out.push_back(name);
      continue;
    }
    std::error_code ignored;
    if (std::filesystem::is_directory(name, ignored)) {
      const std::filesystem::path folder(name);
      auto loaded = tasks::load_task_folder(std::span(&folder, 1), places);
      if (!loaded.faults.empty())
        return loaded.faults.front();
      for (const auto& task : loaded.catalogue->list()) {
        catalogue.add(*task);
        out.push_back(task->id.value);
      }
      catalogue.add_groups_of(*loaded.catalogue);
      continue;
    }
    auto loaded = tasks::load_all_tasks(name, {}, places);
    if (!loaded.faults.empty())
      return loaded.faults.front();
    if (loaded.tasks.empty())
      return fault{errc::invalid_argument, "the file holds no task", name,
                   "name its folder, and a group in it"};
    for (auto& task : loaded.tasks) {
      out.push_back(task.id.value);
      catalogue.add(std::move(task));
    }
  }
  return out;
}

std::vector<std::string> distinct(const std::vector<std::string>& names) {
  std::vector<std::string> out;
  for (const auto& name : names)
    if (std::find(out.begin(), out.end(), name) == out.end())
      out.push_back(name);
  return out;
}

template <class Profile>
void put(std::vector<Profile>& into, const Profile& one) {
  const auto same =
      std::find_if(into.begin(), into.end(), [&](const Profile& known) { return known.id == one.id; });
  if (same == into.end())
    into.push_back(one);
  else
    *same = one;
}

/// What model_args make of a model must be known to the whole farm, not only to its admission.
result<config::resolved_model> take_model(const run_flags& flags, config::settings& settings,
                                          const run_request& request) {
  auto found = config::resolve_model(
      settings, request.model.empty() ? request.model_kind : request.model.value, request.model_args);
  if (!found) {
    auto reason = found.error();
    if (reason.where.empty())
      reason.where = "model";
    return as_flag(std::move(reason), flags);
  }
  if (found->custom_endpoint)
    put(settings.providers, found->provider);
  if (!request.model_args.empty())
    put(settings.models, found->model);
  return found;
}

// -- test files of promptfoo
// ---------------------------------------------------------------------------------

bool is_known_model(const config::settings& settings, const std::string& name) {
  return config::find_model(settings, model_id(name)) != nullptr;
}

/// Parameters of generation, JSON object texts, by the names of models.
using generation_by_model = std::map<std::string, std::string>;

/// Names the providers of the test files among @p names as models, where the flags name none.
std::optional<fault> take_providers(run_flags& flags, const config::settings& settings,
                                    const tasks::task_catalogue& catalogue,
                                    const std::vector<std::string>& names, generation_by_model& generation) {
  if (!split_lists(flags.models).empty())
    return std::nullopt;
  for (const auto& name : names) {
    const auto task = catalogue.find(task_id(name));
    if (!task || !task->promptfoo)
      continue;
    for (const auto& one : task->promptfoo->providers) {
      const auto model = is_known_model(settings, one.id) ? one.id : tasks::promptfoo::model_name_of(one.id);
      if (model.empty())
        return refused(task->file + ": providers", "`" + one.id + "` is no model that answers with text",
                       "name models with --model");
      flags.models.push_back(model);
      if (one.generation != "{}")
        generation.emplace(model, one.generation);
    }
  }
  return std::nullopt;
}

bool names_a_file(const run_flags& flags) {
  const auto names = split_lists(flags.tasks);
  return !flags.promptfoo.empty() || std::any_of(names.begin(), names.end(), is_task_path);
}

/// @returns the files as task_files takes them: with a folder in front.
std::vector<std::string> task_words(const run_flags& flags) {
  auto out = split_lists(flags.tasks);
  for (const auto& file : flags.promptfoo)
    out.push_back(is_task_path(file) ? file : "./" + file);
  return out;
}

/// A missing key is no mistake of the command line, so it has the exit code of refused keys.
fault missing_key(const std::string& model, const provider_profile& provider) {
  auto reason = config::check_usable(provider).error();
  reason.code = errc::credentials_rejected;
  reason.message = "model " + model + " needs a key of provider " + provider.id.value;
  return reason;
}

result<planned_run> plan_one(const command_context& context, const run_flags& flags, const std::string& model,
                             const std::vector<std::string>& tasks, config::settings& settings) {
  json body;
  if (auto wrong = request_body(flags, model, tasks, body))
    return *wrong;
  auto request = run_request_from_json(body);
  if (!request)
    return as_flag(request.error(), flags);
  const auto resolved = take_model(flags, settings, *request);
  if (!resolved)
    return resolved.error();
  if (config::lacks_key(resolved->provider)) {
    const auto reason = as_flag(missing_key(model, resolved->provider), flags);
    if (!flags.dry_run)
      return reason;
    remark(context, "warning: " + to_string(reason));
  }
  planned_run out;
  out.request = std::move(*request);
  out.simulated = resolved->model.simulated || resolved->provider.id.value == "mock";
  out.base_url = resolved->provider.base_url;
  return out;
}

/// A dry run sends nothing, so it needs no keys.
std::shared_ptr<const config::settings>
settings_to_admit(const run_flags& flags, const std::shared_ptr<const config::settings>& settings) {
  if (!flags.dry_run)
    return settings;
  auto out = std::make_shared<config::settings>(*settings);
  for (auto& provider : out->providers)
    provider.key_required = false;
  return out;
}

result<std::vector<std::string>> model_names(const run_flags& flags) {
  auto names = distinct(split_lists(flags.models));
  if (names.empty())
    return refused("--model", "no model is named", "`assay models` lists them");
  const bool names_one = flags.model_args.find("model=") != std::string::npos;
  if (names.size() > 1 && names_one)
    return refused("--model_args",
                   "model= names one model, but --model names " + std::to_string(names.size()),
                   "run them one by one");
  return names;
}

} // namespace

namespace {

/// `interval=0.02` or `against=RUN,alpha=0.05`; values are numbers but for the run.
std::optional<fault> parse_stop_when(const std::string& text, json& out) {
  out = json::object();
  for (const auto& part : split_lists({text})) {
    const auto equals = part.find('=');
    if (equals == std::string::npos)
      return refused("--stop-when", "'" + part + "' has no value",
                     "interval=0.02, or against=RUN,alpha=0.05");
    const auto key = part.substr(0, equals);
    const auto value = part.substr(equals + 1);
    auto number = json::parse(value, nullptr, false);
    out[key] = key != "against" && number.is_number() ? std::move(number) : json(value);
  }
  return std::nullopt;
}

/// Admits the runs of @p plan, which are requests so far, and fills in the rest of it.
result<run_plan> finish_plan(run_plan plan, run_flags flags, config::settings settings,
                             tasks::task_catalogue catalogue) {
  std::error_code ignored;
  flags.output_path =
      config::output_place(settings, flags.output_path, std::filesystem::current_path(ignored).string());
  plan.settings = std::make_shared<const config::settings>(std::move(settings));
  plan.tasks = std::make_shared<const tasks::task_catalogue>(std::move(catalogue));
  const auto find_run = [settings = plan.settings](run_id id) -> result<std::optional<run_record>> {
    const auto store = open_store_read_only(*settings);
    if (!store)
      return store.error();
    auto view = storage::snapshot::open(*store);
    if (!view)
      return view.error();
    return view->find_run(id);
  };
  const auto admit = make_admission(
      {settings_to_admit(flags, plan.settings), plan.tasks, {}, 50'000'000, {}, true, find_run});
  for (auto& run : plan.runs) {
    auto admitted = admit(run.request);
    if (!admitted)
      return as_flag(admitted.error(), flags);
    run.admitted = std::move(*admitted);
    for (auto& note : run.admitted.notes)
      note = note_as_flag(note, flags);
  }
  plan.flags = std::move(flags);
  return plan;
}

} // namespace

bool is_task_path(const std::string& name) {
  return name.find('/') != std::string::npos || name.ends_with(".yaml") || name.ends_with(".yml");
}

std::optional<fault> request_body(const run_flags& flags, const std::string& model,
                                  const std::vector<std::string>& tasks, json& out) {
  json settings = flags.left.configuration.empty() ? json::object() : json::parse(flags.left.configuration);
  if (auto wrong = add_limits(flags, settings))
    return wrong;
  if (auto wrong = add_generation(flags, settings))
    return wrong;
  if (auto wrong = add_seeds(flags.seed, settings))
    return wrong;
  if (flags.num_fewshot)
    settings["num_fewshot"] = *flags.num_fewshot;
  if (flags.epochs)
    settings["epochs"] = *flags.epochs;
  if (flags.priority)
    settings["priority"] = *flags.priority;
  if (flags.weight)
    settings["weight"] = *flags.weight;
  if (const auto types = split_lists(flags.prompt_types); !types.empty())
    settings["prompt_types"] = types;
  if (!flags.context_mode.empty())
    settings["context_mode"] = flags.context_mode;
  if (!flags.batch_size.empty())
    settings["batch_size"] = flags.batch_size;
  if (!flags.device.empty())
    settings["device"] = flags.device;
  if (!flags.batch.empty())
    settings["execution"] = flags.batch == "always" ? "batch" : flags.batch == "auto" ? "auto" : "online";
  if (!flags.use_cache.empty())
    settings["use_cache"] = flags.use_cache;
  if (!flags.cache_requests.empty())
    settings["cache_requests"] = flags.cache_requests;
  if (flags.max_cost)
    settings["max_cost"] = *flags.max_cost;
  if (flags.log_samples)
    settings["log_samples"] = *flags.log_samples;
  if (flags.predict_only)
    settings["predict_only"] = true;
  out = json{
      {"model", model}, {"tasks", tasks}, {"configuration", std::move(settings)}, {"dry_run", flags.dry_run}};
  if (!flags.model_args.empty())
    out["model_args"] = flags.model_args;
  if (!flags.stop_when.empty())
    if (auto wrong = parse_stop_when(flags.stop_when, out["early_stopping"]))
      return wrong;
  if (!flags.metadata.empty()) {
    json metadata;
    if (auto wrong = parse_json_object(flags.metadata, "--metadata", metadata))
      return wrong;
    out["metadata"] = std::move(metadata);
  }
  return std::nullopt;
}

result<run_plan> plan_runs(const command_context& context, const run_flags& given) {
  // Without these nothing can run, whatever the configuration says.
  if (given.evaluation.empty() && !names_a_file(given))
    if (const auto models = model_names(given); !models)
      return models.error();
  auto loaded = load_settings_with_keys(context);
  if (!loaded)
    return loaded.error();
  show_warnings(context, *loaded);
  auto flags = with_evaluation(given, *loaded);
  if (!flags)
    return flags.error();
  tasks::task_catalogue catalogue = *load_tasks(context, *loaded, flags->include_paths);
  const auto names = take_task_files(task_words(*flags), data_places_of(*loaded), catalogue);
  if (!names)
    return names.error();
  if (names->empty())
    return refused("--tasks", "no task is named", "`assay tasks` lists them");
  generation_by_model generation;
  if (auto wrong = take_providers(*flags, *loaded, catalogue, *names, generation))
    return *std::move(wrong);
  const auto models = model_names(*flags);
  if (!models)
    return models.error();

  run_plan plan;
  for (const auto& model : *models) {
    auto asked = *flags;
    // What the flags say comes later, and wins.
    if (const auto found = generation.find(model); found != generation.end())
      asked.gen_kwargs.insert(asked.gen_kwargs.begin(), found->second);
    auto one = plan_one(context, asked, model, *names, *loaded);
    if (!one)
      return one.error();
    plan.runs.push_back(std::move(*one));
  }
  return finish_plan(std::move(plan), std::move(*flags), std::move(*loaded), std::move(catalogue));
}

result<run_plan> plan_parts(const command_context& context, const run_flags& flags,
                            const part_chooser& choose) {
  auto loaded = load_settings_with_keys(context);
  if (!loaded)
    return loaded.error();
  show_warnings(context, *loaded);
  tasks::task_catalogue catalogue = *load_tasks(context, *loaded, flags.include_paths);
  auto parts = choose(*loaded, catalogue);
  if (!parts)
    return parts.error();
  run_plan plan;
  for (const auto& part : *parts) {
    auto asked = flags;
    asked.prompt_types = part.prompt_types;
    auto one = plan_one(context, asked, part.model, part.tasks, *loaded);
    if (!one)
      return one.error();
    if (part.workers)
      one->request.calls.num_concurrent = part.workers;
    plan.runs.push_back(std::move(*one));
  }
  return finish_plan(std::move(plan), flags, std::move(*loaded), std::move(catalogue));
}

} // namespace assay::cli
