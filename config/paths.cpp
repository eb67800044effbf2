#include "config/paths.hpp"

#include <filesystem>
#include <unistd.h>

namespace assay::config {

namespace fs = std::filesystem;

namespace {

/// A build folder lies at most this far below the source folder: build/<preset>/cli.
constexpr int levels_up = 4;

bool is_folder(const fs::path& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

bool holds_yaml(const fs::path& folder) {
  std::error_code error;
  for (auto entry = fs::recursive_directory_iterator(folder, error); !error && entry != fs::end(entry);
       entry.increment(error)) {
    const auto ending = entry->path().extension();
    if (ending == ".yaml" || ending == ".yml")
      return true;
    if (entry.depth() >= 2)
      entry.disable_recursion_pending();
  }
  return false;
}

/// Where a shipped folder may lie: beside the program as installed or as built, or here.
std::vector<fs::path> shipped_candidates(const load_request& request, const char* name) {
  std::vector<fs::path> out;
  if (!request.executable_dir.empty()) {
    const fs::path program(request.executable_dir);
    out.push_back(program / ".." / "share" / "assay" / name);
    auto folder = program;
    for (int i = 0; i < levels_up; ++i, folder = folder.parent_path())
      out.push_back(folder / name);
  }
  out.push_back(fs::path(request.working_dir) / name);
  return out;
}

} // namespace

environment_map process_environment() {
  environment_map out;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    if (const auto equals = text.find('='); equals != std::string_view::npos)
      out[std::string(text.substr(0, equals))] = std::string(text.substr(equals + 1));
  }
  return out;
}

std::string executable_folder() {
  std::error_code error;
  const auto path = fs::read_symlink("/proc/self/exe", error);
  return error ? std::string{} : path.parent_path().string();
}

std::string absolute_path(std::string_view path, const std::string& working_dir,
                          const std::string& home_dir) {
  if (path.empty())
    return {};
  if (path.starts_with("~/") && !home_dir.empty())
    return (fs::path(home_dir) / path.substr(2)).lexically_normal().string();
  auto normal = (fs::path(working_dir) / path).lexically_normal().string();
  while (normal.size() > 1 && normal.ends_with('/'))
    normal.pop_back();
  return normal;
}

std::vector<std::string> shipped_tasks_dirs(const load_request& request) {
  for (const auto& candidate : shipped_candidates(request, "tasks"))
    if (is_folder(candidate) && holds_yaml(candidate))
      return {candidate.lexically_normal().string()};
  return {};
}

std::string shipped_python_dir(const load_request& request) {
  std::error_code ignored;
  for (const auto& candidate : shipped_candidates(request, "python"))
    if (fs::is_regular_file(candidate / "assay_worker" / "__main__.py", ignored))
      return candidate.lexically_normal().string();
  return {};
}

std::string default_config_dir(const load_request& request) {
  std::vector<fs::path> candidates{fs::path(request.working_dir) / "config"};
  if (!request.executable_dir.empty())
    candidates.push_back(fs::path(request.executable_dir) / ".." / "share" / "assay" / "config");
  for (const auto& candidate : candidates)
    if (is_folder(candidate))
      return candidate.lexically_normal().string();
  return {};
}

} // namespace assay::config
