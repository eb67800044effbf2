#include "core/values/results_place.hpp"

#include <algorithm>
#include <filesystem>

namespace assay {

namespace {

constexpr size_t longest_name = 255;

bool is_usual(std::string_view part) {
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; };
  return part.size() <= longest_name && part != ".." && std::ranges::none_of(part, is_control);
}

} // namespace

result<std::string> place_in_results(std::string_view name) {
  const std::filesystem::path asked(name);
  std::filesystem::path out;
  bool allowed = !name.empty() && !asked.is_absolute();
  for (auto part = asked.begin(); part != asked.end() && allowed; ++part) {
    allowed = is_usual(part->native());
    const bool is_the_folder = part == asked.begin() && *part == std::filesystem::path("results");
    if (!part->empty() && *part != std::filesystem::path(".") && !is_the_folder)
      out /= *part;
  }
  if (!allowed)
    return fault{errc::invalid_argument, "must be a relative path below the results folder",
                 "output_base_path", "write it like 'results/my_experiment'"};
  return out.empty() ? std::string{"."} : out.string();
}

} // namespace assay
