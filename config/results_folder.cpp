#include "config/results_folder.hpp"

#include "config/paths.hpp"
#include "core/values/results_place.hpp"

#include <algorithm>
#include <filesystem>

namespace assay::config {

namespace {

namespace fs = std::filesystem;

bool lies_below(const fs::path& path, const fs::path& folder) {
  const auto [rest, unused] = std::mismatch(folder.begin(), folder.end(), path.begin(), path.end());
  return rest == folder.end();
}

} // namespace

result<std::string> results_path(const settings& from, std::string_view name) {
  const auto place = place_in_results(name);
  if (!place)
    return place.error();
  const auto path = (fs::path(from.results_dir) / *place).lexically_normal();
  std::error_code unreadable;
  const auto real = fs::weakly_canonical(path, unreadable);
  const auto folder = fs::weakly_canonical(from.results_dir, unreadable);
  if (unreadable || !lies_below(real, folder))
    return fault{errc::invalid_argument, "leads out of the results folder, or cannot be read",
                 "output_base_path", "choose another place"};
  return absolute_path(path.string(), from.results_dir, {});
}

std::string output_place(const settings& from, std::string_view typed, const std::string& working_dir) {
  const bool is_usual = from.results_dir == absolute_path(defaults::results_dir, working_dir, {});
  const auto place = place_in_results(typed);
  if (is_usual || !place || typed.starts_with('.'))
    return std::string(typed);
  return (fs::path(from.results_dir) / *place).lexically_normal().string();
}

} // namespace assay::config
