#include "cli/load_settings.hpp"

#include "config/load.hpp"
#include "storage/snapshot.hpp"

#include <algorithm>
#include <filesystem>

namespace assay::cli {

namespace {

result<std::pair<std::string, std::string>> key_and_value(const std::string& text) {
  const auto equals = text.find('=');
  if (equals == std::string::npos || equals == 0)
    return fault{errc::invalid_argument, "'" + text + "' is no key=value", "--set",
                 "for example --set farm.in_flight_cap=50"};
  return std::pair{text.substr(0, equals), text.substr(equals + 1)};
}

/// These are told by every command, since every command could have meant them.
bool is_about_ignored_value(std::string_view warning) noexcept {
  return warning.find(" is ignored") != std::string_view::npos;
}

} // namespace

bool is_about_missing_keys(std::string_view warning) noexcept {
  return warning.starts_with("no key is set for ");
}

result<config::settings> load_settings(const command_context& context, ignored_values told) {
  config::load_request request;
  for (const auto& text : context.flags.set) {
    auto pair = key_and_value(text);
    if (!pair)
      return pair.error();
    request.flags.push_back(std::move(*pair));
  }
  if (!context.flags.data_dir.empty())
    request.flags.emplace_back("storage.data_dir", context.flags.data_dir);
  request.flags.insert(request.flags.end(), context.overrides.begin(), context.overrides.end());
  request.environment = config::process_environment();
  request.environment_name = context.flags.environment;
  request.config_dir = context.flags.config_dir;
  request.files = context.flags.config_files;
  request.executable_dir = config::executable_folder();
  auto loaded = config::load(request);
  if (loaded) {
    for (const auto& warning : loaded->warnings)
      if (told == ignored_values::are_shown && is_about_ignored_value(warning))
        remark(context, "warning: " + warning);
    return loaded;
  }
  auto reason = loaded.error();
  // Whatever is wrong with it, the reader looks for it in the configuration.
  if (reason.code == errc::invalid_argument || reason.code == errc::not_found)
    reason.code = errc::malformed_input;
  return reason;
}

tasks::data_places data_places_of(const config::settings& settings) {
  tasks::data_places out;
  out.roots = settings.tasks.roots;
  out.datasets = settings.tasks.datasets_json;
  return out;
}

std::shared_ptr<const tasks::task_catalogue> load_tasks(const command_context& context,
                                                        const config::settings& settings,
                                                        const std::vector<std::string>& more_folders,
                                                        std::vector<fault>* faults) {
  std::vector<std::filesystem::path> folders(settings.tasks_dirs.begin(), settings.tasks_dirs.end());
  folders.insert(folders.end(), more_folders.begin(), more_folders.end());
  auto loaded = tasks::load_task_folder(folders, data_places_of(settings));
  if (faults != nullptr)
    *faults = std::move(loaded.faults);
  else
    for (const auto& one : loaded.faults)
      remark(context, "warning: a task is left out: " + to_string(one));
  return loaded.catalogue;
}

void show_warnings(const command_context& context, const config::settings& settings) {
  for (const auto& warning : settings.warnings)
    if (!is_about_missing_keys(warning) && !is_about_ignored_value(warning))
      remark(context, "warning: " + warning);
}

result<std::shared_ptr<storage::store>> open_store_read_only(const config::settings& settings) {
  std::error_code refused;
  const std::filesystem::path folder(settings.storage.data_dir);
  const bool exists = std::filesystem::exists(folder / "data.mdb", refused);
  if (refused && refused != std::errc::not_a_directory)
    return fault{errc::store_unreadable, "the data folder cannot be read: " + refused.message(),
                 folder.string(), "run as the user who owns it, or name another folder with --data-dir"};
  if (std::filesystem::exists(folder, refused) && !std::filesystem::is_directory(folder, refused))
    return fault{errc::store_unreadable, "the data folder is a file", folder.string(),
                 "name a folder with --data-dir"};
  if (!exists)
    return fault{errc::not_found, "nothing has been stored yet", folder.string(),
                 "start an evaluation with `assay run`, or name another folder with --data-dir"};
  if (std::filesystem::file_size(folder / "data.mdb", refused) == 0 && !refused)
    return fault{errc::store_unreadable, "the data file is empty", (folder / "data.mdb").string(),
                 "restore it from a backup, or name another folder with --data-dir"};
  return storage::store::open_read_only(folder);
}

storage::store_options store_options_of(const config::settings& settings) {
  storage::store_options out;
  out.folder = settings.storage.data_dir;
  out.map_size = settings.storage.map_size;
  out.durable = settings.storage.durable == config::durability::commit;
  return out;
}

result<run_id> find_run_named(const std::shared_ptr<storage::store>& from, const std::string& name) {
  const fault unknown{errc::not_found, "there is no run " + name, {}, "`assay results` lists the runs"};
  auto view = storage::snapshot::open(from);
  if (!view)
    return view.error();
  if (const auto id = run_id_from_string(name)) {
    auto found = view->find_run(*id);
    if (!found)
      return found.error();
    if (*found)
      return *id;
    return unknown;
  }
  storage::run_query query;
  query.limit = storage::max_page_rows;
  const auto page = view->list_summaries(query);
  if (!page)
    return page.error();
  std::vector<run_id> fitting;
  for (const auto& run : page->runs) {
    const auto id = to_string(run.run);
    if (name == "last" || (!name.empty() && (id.starts_with(name) || id.ends_with(name))))
      fitting.push_back(run.run);
    if (name == "last" && !fitting.empty())
      break;
  }
  if (fitting.empty())
    return unknown;
  if (fitting.size() > 1)
    return fault{errc::invalid_argument,
                 "'" + name + "' fits " + std::to_string(fitting.size()) + " runs",
                 {},
                 "for example " + to_string(fitting[0]) + " and " + to_string(fitting[1])};
  return fitting.front();
}

} // namespace assay::cli
