#include "cli/farm_settings.hpp"

#include "actors/hosts/process_sandbox_runner.hpp"
#include "actors/hosts/python_process.hpp"
#include "cli/farm.hpp"
#include "cli/stored_models.hpp"
#include "config/models.hpp"
#include "storage/snapshot.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <thread>
#include <utility>

namespace assay::cli {

io::sandbox_options sandbox_options_from(const config::sandbox_settings& settings) {
  io::sandbox_options out;
  out.bwrap = settings.bwrap;
  out.launcher = settings.launcher.empty() ? io::launcher_beside_this_program() : settings.launcher;
  out.first_user = settings.first_user;
  return out;
}

python_process_options python_options_from(const config::settings& settings) {
  python_process_options out;
  out.interpreter = settings.python.interpreter;
  out.package_dir = settings.python.package_dir;
  out.memory_bytes = settings.python.memory;
  out.longest_job = settings.python.deadline;
  out.allow_unsandboxed = settings.python.allow_unsandboxed_python;
  out.roots = settings.python.roots;
  if (settings.sandbox.enabled)
    out.sandbox = sandbox_options_from(settings.sandbox);
  else
    out.no_sandbox = "sandbox.enabled is false";
  return out;
}

std::function<result<void>(const std::string&)>
endpoint_check(std::shared_ptr<const io::address_guard> guard) {
  if (!guard)
    return {};
  return [guard = std::move(guard)](const std::string& base_url) -> result<void> {
    const auto where = io::parse_base_url(base_url);
    if (!where)
      return where.error();
    return io::check_addresses_of(*guard, *where);
  };
}

storage::store_options store_options_from(const config::storage_settings& settings) {
  storage::store_options out;
  out.folder = settings.data_dir;
  out.map_size = settings.map_size;
  out.durable = settings.durable == config::durability::commit;
  return out;
}

control::retry_rules retry_rules_from(const config::retry_settings& settings) {
  control::retry_rules out;
  out.possibly_billed_tries = static_cast<uint16_t>(settings.possibly_billed_attempts + 1);
  for (unsigned number = 1; number <= static_cast<unsigned>(errc::internal); ++number) {
    const auto code = static_cast<errc>(number);
    if (retry_class_of(code) != retry_class::transient)
      continue;
    auto usual = out.rule_for(code);
    usual.attempts = static_cast<uint16_t>(settings.max_attempts);
    // Codes that are not about a provider take no rule, and no call ends with them.
    static_cast<void>(out.set(code, usual));
  }
  for (const auto& rule : settings.rules) {
    control::retry_rule converted;
    converted.strategy = rule.strategy == config::retry_strategy::linear ? control::retry_strategy::linear
                         : rule.strategy == config::retry_strategy::immediate
                             ? control::retry_strategy::immediate
                             : control::retry_strategy::exponential;
    converted.base = rule.base;
    converted.cap = rule.cap;
    converted.attempts = static_cast<uint16_t>(rule.max_attempts);
    if (!rule.jitter)
      converted.jitter = 0.0;
    for (unsigned number = 1; number <= static_cast<unsigned>(errc::internal); ++number) {
      const auto code = static_cast<errc>(number);
      const bool named = rule.error == to_string(code);
      const bool by_class = rule.error == to_string(retry_class_of(code));
      const bool by_default = rule.error == "default" && retry_class_of(code) == retry_class::transient;
      if (!named && !by_class && !by_default)
        continue;
      if (auto set = out.set(code, converted); !set && named)
        spdlog::warn("farm ignores a retry rule error={} reason=\"{}\"", rule.error, set.error().message);
    }
  }
  return out;
}

monitoring::thresholds thresholds_from(const config::monitoring_settings& settings) {
  monitoring::thresholds out;
  out.monitoring_enabled = settings.enabled;
  out.response_time_threshold = static_cast<double>(settings.response_time_threshold.count());
  out.error_rate_threshold = settings.error_rate_threshold;
  out.cost_threshold_per_hour = settings.cost_threshold_per_hour;
  out.minimum_samples = settings.minimum_samples;
  out.scaling = {settings.scaling_thresholds.response_time_high, settings.scaling_thresholds.error_rate_high,
                 settings.scaling_thresholds.success_rate_low};
  out.auto_scaling_enabled = settings.auto_scaling_enabled;
  out.apply_retry_advice = settings.apply_retry_advice;
  return out;
}

result<config::resolved_model> resolve_with_stored(const config::settings& settings,
                                                   const stored_models& stored, const std::string& name,
                                                   bool deleted_too) {
  if (config::find_model(settings, model_id{std::string(name)}) != nullptr)
    return config::resolve_model(settings, name);
  const auto with = stored.settings_with(name, deleted_too);
  if (!with)
    return with.error();
  return config::resolve_model(*with ? **with : settings, name);
}

model_lookup lookup_in(std::shared_ptr<const config::settings> settings,
                       std::shared_ptr<const stored_models> stored) {
  return [settings = std::move(settings),
          stored = std::move(stored)](const model_id& id) -> result<model_profile> {
    if (const auto* known = config::find_model(*settings, id))
      return *known;
    auto resolved = resolve_with_stored(*settings, *stored, id.value, true);
    if (!resolved)
      return resolved.error();
    return std::move(resolved->model);
  };
}

std::map<provider_id, std::string> read_memories(const std::shared_ptr<storage::store>& store) {
  std::map<provider_id, std::string> out;
  auto view = storage::snapshot::open(store);
  if (!view)
    return out;
  auto page = view->page_documents(storage::table::provider_state, {{}, {}, {}, storage::max_page_rows});
  if (!page)
    return out;
  for (auto& [key, document] : page->documents)
    out.emplace(provider_id{key}, std::move(document.bytes));
  return out;
}

std::vector<control::named_route> routes_of(const config::settings& settings) {
  std::vector<control::named_route> out;
  for (const auto& model : settings.models)
    if (!model.route.models.empty())
      out.push_back({model.id, model.route});
  return out;
}

std::optional<std::string> read_route_changes(const std::shared_ptr<storage::store>& store) {
  auto view = storage::snapshot::open(store);
  if (!view)
    return std::nullopt;
  auto found = view->find_document(storage::table::settings, "router.routes");
  if (!found || !*found)
    return std::nullopt;
  return std::move((*found)->bytes);
}

result<std::map<std::string, std::string>> read_budgets(const std::shared_ptr<storage::store>& store) {
  std::map<std::string, std::string> out;
  storage::document_query query;
  query.limit = storage::max_page_rows;
  do {
    auto view = storage::snapshot::open(store);
    if (!view)
      return view.error();
    auto page = view->page_documents(storage::table::budgets, query);
    if (!page)
      return page.error();
    for (auto& [key, document] : page->documents)
      out.emplace(key, std::move(document.bytes));
    query.after = std::move(page->next);
  } while (query.after);
  return out;
}

sandbox_config sandbox_from(const config::sandbox_settings& settings, io::io_runtime& runtime) {
  sandbox_config out;
  out.workers = settings.workers > 0 ? settings.workers : std::max(1U, std::thread::hardware_concurrency());
  out.most_waiting = settings.max_waiting;
  out.limits = settings.limits;
  if (settings.enabled)
    out.open_runner = make_process_sandbox_runner(runtime, sandbox_options_from(settings));
  else
    out.off_because = "sandbox.enabled is false";
  return out;
}

python_host_config python_host_from(const config::python_settings& settings,
                                    const python_processes& processes) {
  python_host_config out;
  out.start_worker = processes;
  out.machine = [processes] { return processes.machine(); };
  out.workers = settings.workers;
  out.longest_job = settings.deadline;
  return out;
}

} // namespace assay::cli
