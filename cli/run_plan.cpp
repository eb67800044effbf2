#include "cli/run_plan.hpp"

#include "actors/runs/admission.hpp"
#include "cli/load_settings.hpp"
#include "cli/parse.hpp"
#include "config/models.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <charconv>
#include <filesystem>

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

/// Shows a field of the request as the flag that set it: `configuration.limit` -> `--limit`.
fault as_flag(fault reason) {
  std::string_view rest = reason.where;
  std::string shown;
  constexpr std::string_view prefix = "configuration.";
  while (!rest.empty()) {
    const auto comma = rest.find(", ");
    auto field = rest.substr(0, comma);
    if (field.starts_with(prefix))
      field.remove_prefix(prefix.size());
    if (field == "model_id")
      field = "model";
    if (field.starts_with("task_ids"))
      field = "tasks";
    shown += (shown.empty() ? "--" : ", --") + std::string(field);
    rest = comma == std::string_view::npos ? std::string_view{} : rest.substr(comma + 2);
  }
  const bool is_field =
      reason.where.find('/') == std::string::npos && reason.where.find(' ') == std::string::npos;
  if (is_field)
    reason.where = shown;
  return reason;
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
    settings["time_limit"] = std::max<int64_t>(1, std::chrono::ceil<seconds>(*value).count());
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
  settings["gen_kwargs"] = std::move(all);
  return std::nullopt;
}

bool is_path(const std::string& name) {
  return name.find('/') != std::string::npos || name.ends_with(".yaml") || name.ends_with(".yml");
}

/// Adds the tasks that were given as files to the catalogue. @returns ids and groups in the order of the
/// flags.
result<std::vector<std::string>> take_task_files(const std::vector<std::string>& names,
                                                 tasks::task_catalogue& catalogue) {
  std::vector<std::string> out;
  for (const auto& name : names) {
    if (!is_path(name)) {
      out.push_back(name);
      continue;
    }
    std::error_code ignored;
    if (std::filesystem::is_directory(name, ignored)) {
      const std::filesystem::path folder(name);
      auto loaded = tasks::load_task_folder(std::span(&folder, 1));
      if (!loaded.faults.empty())
        return loaded.faults.front();
      for (const auto& task : loaded.catalogue->list()) {
        catalogue.add(*task);
        out.push_back(task->id.value);
      }
      continue;
    }
    auto task = tasks::load_task_file(name);
    if (!task)
      return task.error();
    out.push_back(task->id.value);
    catalogue.add(std::move(*task));
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
result<config::resolved_model> take_model(config::settings& settings, const run_request& request) {
  auto found = config::resolve_model(
      settings, request.model.empty() ? request.model_kind : request.model.value, request.model_args);
  if (!found) {
    auto reason = found.error();
    if (reason.where.empty())
      reason.where = "model";
    return as_flag(std::move(reason));
  }
  if (found->custom_endpoint)
    put(settings.providers, found->provider);
  if (!request.model_args.empty())
    put(settings.models, found->model);
  return found;
}

result<planned_run> plan_one(const run_flags& flags, const std::string& model,
                             const std::vector<std::string>& tasks, config::settings& settings) {
  json body;
  if (auto wrong = request_body(flags, model, tasks, body))
    return *wrong;
  auto request = run_request_from_json(body);
  if (!request)
    return as_flag(request.error());
  const auto resolved = take_model(settings, *request);
  if (!resolved)
    return resolved.error();
  planned_run out;
  out.request = std::move(*request);
  out.simulated = resolved->model.simulated || resolved->provider.id.value == "mock";
  out.base_url = resolved->provider.base_url;
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

std::optional<fault> request_body(const run_flags& flags, const std::string& model,
                                  const std::vector<std::string>& tasks, json& out) {
  json settings = json::object();
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
  if (flags.log_samples)
    settings["log_samples"] = *flags.log_samples;
  if (flags.predict_only)
    settings["predict_only"] = true;
  out = json{
      {"model", model}, {"tasks", tasks}, {"configuration", std::move(settings)}, {"dry_run", flags.dry_run}};
  if (!flags.model_args.empty())
    out["model_args"] = flags.model_args;
  if (!flags.metadata.empty()) {
    json metadata;
    if (auto wrong = parse_json_object(flags.metadata, "--metadata", metadata))
      return wrong;
    out["metadata"] = std::move(metadata);
  }
  return std::nullopt;
}

result<run_plan> plan_runs(const command_context& context, const run_flags& flags) {
  const auto models = model_names(flags);
  if (!models)
    return models.error();
  auto loaded = load_settings(context);
  if (!loaded)
    return loaded.error();
  show_warnings(context, *loaded);
  tasks::task_catalogue catalogue = *load_tasks(context, *loaded, flags.include_paths);
  const auto names = take_task_files(split_lists(flags.tasks), catalogue);
  if (!names)
    return names.error();
  if (names->empty())
    return refused("--tasks", "no task is named", "`assay tasks` lists them");

  run_plan plan;
  for (const auto& model : *models) {
    auto one = plan_one(flags, model, *names, *loaded);
    if (!one)
      return one.error();
    plan.runs.push_back(std::move(*one));
  }
  plan.settings = std::make_shared<const config::settings>(std::move(*loaded));
  plan.tasks = std::make_shared<const tasks::task_catalogue>(std::move(catalogue));
  const auto admit = make_admission({plan.settings, plan.tasks, true, 50'000'000, {}});
  for (auto& run : plan.runs) {
    auto admitted = admit(run.request);
    if (!admitted)
      return as_flag(admitted.error());
    run.admitted = std::move(*admitted);
  }
  return plan;
}

} // namespace assay::cli
