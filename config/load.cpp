#include "config/load.hpp"

#include "config/checks.hpp"
#include "config/document.hpp"
#include "config/environment.hpp"
#include "config/fleet.hpp"
#include "config/paths.hpp"
#include "config/scalars.hpp"
#include "config/tree.hpp"

#include <algorithm>
#include <array>
#include <filesystem>

namespace assay::config {

namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 3> environments{"development", "testing", "production"};
constexpr std::array<std::string_view, 3> endings{".yaml", ".yml", ".json"};

/// Fills what the caller left open.
load_request completed(load_request request) {
  std::error_code ignored;
  if (request.working_dir.empty())
    request.working_dir = fs::current_path(ignored).string();
  if (const auto home = request.environment.find("HOME");
      request.home_dir.empty() && home != request.environment.end())
    request.home_dir = home->second;
  return request;
}

result<std::string> environment_of(const load_request& request, const variables& from) {
  auto name = request.environment_name;
  std::string where = "--environment";
  for (const auto* variable : {"ASSAY_ENV", "FASTAPI_ENV"})
    if (const auto found = from.find(variable); name.empty() && found) {
      name = found->value;
      where = found->source;
    }
  if (name.empty())
    name = defaults::environment;
  if (std::find(environments.begin(), environments.end(), name) == environments.end())
    return fault{errc::invalid_argument, "`" + name + "` is no environment", where,
                 "one of development, testing, production"};
  return name;
}

/// @returns the files of the folder that exist, weakest first.
std::vector<std::string> files_of(const std::string& folder, const std::string& environment) {
  std::vector<std::string> files;
  for (const auto* stem : {"default", "model_configs", "evaluation_configs", environment.c_str(), "local"})
    for (const auto ending : endings) {
      const auto path = fs::path(folder) / (std::string(stem) + std::string(ending));
      std::error_code ignored;
      if (fs::exists(path, ignored))
        files.push_back(path.string());
    }
  return files;
}

/// Paths are shown as short as they can be typed.
std::string shown(const std::string& path, const std::string& working_dir) {
  const auto relative = fs::path(path).lexically_proximate(working_dir).string();
  return relative.empty() || relative.starts_with("..") ? path : relative;
}

result<node> read_files(const load_request& request, const std::string& environment, const variables& from,
                        std::vector<std::string>& sources) {
  auto folder = request.config_dir.empty() ? from.value("ASSAY_CONFIG_DIR") : request.config_dir;
  if (folder.empty())
    folder = default_config_dir(request);
  else
    folder = absolute_path(folder, request.working_dir, request.home_dir);
  std::error_code ignored;
  if (!folder.empty() && !fs::is_directory(folder, ignored))
    return fault{errc::not_found, "the folder of configuration files does not exist", folder, ""};
  std::vector<std::string> files;
  if (!folder.empty())
    files = files_of(folder, environment);
  for (const auto& file : request.files)
    files.push_back(absolute_path(file, request.working_dir, request.home_dir));

  auto tree = node::map_at({});
  for (const auto& file : files) {
    auto parsed = parse_file(file, shown(file, request.working_dir));
    if (!parsed)
      return parsed;
    if (!parsed->is_map())
      return fault{errc::invalid_argument, "expected a group of keys, found " + describe_value(*parsed),
                   to_string(parsed->at), ""};
    substitute(*parsed, from);
    merge(tree, std::move(*parsed));
    sources.push_back(file);
  }
  return tree;
}

result<void> apply_flags(node& tree, const load_request& request) {
  for (const auto& [key, text] : request.flags) {
    // Faults name the key themselves.
    const std::string source = "flag";
    if (text.starts_with('[') || text.starts_with('{')) {
      auto parsed = parse_yaml(text, source);
      if (!parsed) {
        auto reason = parsed.error();
        reason.where = source + " " + key;
        return reason;
      }
      set_at_path(tree, key, std::move(*parsed));
      continue;
    }
    set_at_path(tree, key, node::scalar_at({std::make_shared<const std::string>(source), 0}, text));
  }
  return {};
}

/// Makes one fault of many: the first, with the others in the hint.
fault combined(std::vector<fault> faults) {
  constexpr size_t most_named = 10;
  auto first = std::move(faults.front());
  for (size_t i = 1; i < faults.size() && i < most_named; ++i)
    first.hint += (first.hint.empty() ? "also: " : "; also: ") + to_string(faults[i]);
  return first;
}

/// @returns whether somebody chose a level; the one of default.yaml, which spells the defaults out, is no
/// choice.
bool says_level(const node& tree) {
  const auto* level = at_path(tree, "logging.level");
  if (level == nullptr)
    return false;
  const auto file = level->at.source ? fs::path(*level->at.source) : fs::path{};
  return std::find(endings.begin(), endings.end(), file.extension().string()) == endings.end()
         || file.stem() != "default";
}

void make_absolute(settings& values, const load_request& request) {
  const auto absolute = [&](std::string& path, std::string_view otherwise) {
    path = absolute_path(path.empty() ? otherwise : std::string_view(path), request.working_dir,
                         request.home_dir);
  };
  absolute(values.storage.data_dir, defaults::data_dir);
  absolute(values.results_dir, defaults::results_dir);
  absolute(values.logging.file, "");
  absolute(values.server.tls.cert_file, "");
  absolute(values.server.tls.key_file, "");
  absolute(values.network.extra_ca_file, "");
  absolute(values.python.interpreter, defaults::python_interpreter);
  for (auto& root : values.python.roots)
    absolute(root, "");
  values.python.package_dir = shipped_python_dir(request);
  auto folders = shipped_tasks_dirs(request);
  for (auto& folder : values.tasks_dirs) {
    absolute(folder, "");
    if (std::find(folders.begin(), folders.end(), folder) == folders.end())
      folders.push_back(folder);
  }
  values.tasks_dirs = std::move(folders);
}

} // namespace

result<settings> load(const load_request& given) {
  const auto request = completed(given);
  const variables from(request);
  const auto environment = environment_of(request, from);
  if (!environment)
    return environment.error();

  std::vector<std::string> sources;
  auto tree = read_files(request, *environment, from, sources);
  if (!tree)
    return tree.error();
  auto warnings = from.warnings;
  if (auto applied = apply_environment(*tree, from, warnings); !applied)
    return applied.error();
  if (auto applied = apply_flags(*tree, request); !applied)
    return applied.error();

  document written;
  field_reader reader(*tree);
  fields_of(reader, written);
  if (auto faults = reader.finish(); !faults.empty())
    return combined(std::move(faults));

  auto values = std::move(written.values);
  values.environment = *environment;
  values.sources = std::move(sources);
  values.warnings = std::move(warnings);
  values.warnings.insert(values.warnings.end(), reader.warnings.begin(), reader.warnings.end());
  if (values.debug && !says_level(*tree))
    values.logging.level = "debug";
  if (values.logging.level == "warning")
    values.logging.level = "warn";
  make_absolute(values, request);
  if (auto taken = take_task_places(written, *tree, request, values); !taken)
    return taken.error();
  if (auto built = build_fleet(written, *tree, values); !built)
    return built.error();
  if (auto checked = check_settings(*tree, values); !checked)
    return checked.error();
  if (auto taken = take_evaluations(written, *tree, values); !taken)
    return taken.error();
  return values;
}

} // namespace assay::config
