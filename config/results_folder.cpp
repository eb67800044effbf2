#include "config/results_folder.hpp"

#include "config/paths.hpp"

#include <algorithm>
#include <filesystem>

namespace assay::config {

namespace {

namespace fs = std::filesystem;

/// Without a first part that names the folder itself.
fs::path below_results(std::string_view name) {
  const fs::path given(name);
  fs::path out;
  for (auto part = given.begin(); part != given.end(); ++part)
    if (part != given.begin() || *part != fs::path(defaults::results_dir))
      out /= *part;
  return out;
}

bool lies_below(const fs::path& path, const fs::path& folder) {
  const auto [rest, unused] = std::mismatch(folder.begin(), folder.end(), path.begin(), path.end());
  return rest == folder.end();
}

} // namespace

result<std::string> results_path(const settings& from, std::string_view name) {
  const fs::path given(name);
  const bool climbs = std::find(given.begin(), given.end(), fs::path("..")) != given.end();
  const fault refused{errc::invalid_argument, "must be a relative path below the results folder",
                      "output_base_path", "write it like 'results/my_experiment'"};
  if (name.empty() || given.is_absolute() || climbs)
    return refused;
  const auto path = (fs::path(from.results_dir) / below_results(name)).lexically_normal();
  std::error_code unreadable;
  const auto real = fs::weakly_canonical(path, unreadable);
  const auto folder = fs::weakly_canonical(from.results_dir, unreadable);
  if (unreadable || !lies_below(real, folder))
    return refused;
  return absolute_path(path.string(), from.results_dir, {});
}

std::string output_place(const settings& from, std::string_view typed, const std::string& working_dir) {
  const bool is_usual = from.results_dir == absolute_path(defaults::results_dir, working_dir, {});
  if (is_usual || typed.empty() || typed.starts_with('/') || typed.starts_with('.'))
    return std::string(typed);
  return (fs::path(from.results_dir) / below_results(typed)).lexically_normal().string();
}

} // namespace assay::config
