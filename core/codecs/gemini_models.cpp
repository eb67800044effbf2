#include "core/codecs/gemini_parts.hpp"

#include <algorithm>
#include <array>
#include <charconv>

namespace assay::codecs::gemini {

namespace {

/// The generation of a model that names none (`gemini-flash-latest`): the newest.
constexpr unsigned newest = 999;

/// @returns ten times the version: 25 for `2.5-flash`, 30 for `3-pro-preview`.
unsigned generation_of(std::string_view rest) {
  unsigned major = 0;
  const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), major);
  if (error != std::errc{} || major > 90)
    return newest;
  rest.remove_prefix(static_cast<size_t>(end - rest.data()));
  const bool minor = rest.size() >= 2 && rest[0] == '.' && rest[1] >= '0' && rest[1] <= '9';
  return major * 10 + (minor ? static_cast<unsigned>(rest[1] - '0') : 0);
}

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

constexpr std::array<std::string_view, 2> collections{"models/", "tunedModels/"};

/// @returns whether @p path is `publishers/google/` and the like, which stand in a path as they are.
bool is_plain_path(std::string_view path) {
  while (!path.empty()) {
    const auto slash = path.find('/');
    const auto segment = path.substr(0, slash);
    const bool plain = std::ranges::all_of(segment, [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-'
             || c == '_';
    });
    if (slash == std::string_view::npos || segment.empty() || !plain)
      return false;
    path.remove_prefix(slash + 1);
  }
  return true;
}

/// The two parts of a resource: `models/` and the name.
std::pair<std::string_view, std::string_view> split(std::string_view wire_model) {
  for (const std::string_view vendor : {"google/", "gemini/"})
    if (wire_model.starts_with(vendor))
      wire_model.remove_prefix(vendor.size());
  for (const auto collection : collections)
    if (wire_model.starts_with(collection))
      return {wire_model.substr(0, collection.size()), wire_model.substr(collection.size())};
  // Other places of the vendor have longer resources: publishers/google/models/NAME.
  for (const auto collection : collections)
    if (const auto at = wire_model.rfind(collection);
        at != std::string_view::npos && is_plain_path(wire_model.substr(0, at)))
      return {wire_model.substr(0, at + collection.size()), wire_model.substr(at + collection.size())};
  return {collections[0], wire_model};
}

} // namespace

model_traits traits_of(std::string_view wire_model) {
  model_traits traits;
  constexpr std::string_view mark = "gemini-";
  const auto start = wire_model.find(mark);
  if (start == std::string_view::npos)
    return traits;
  const auto rest = wire_model.substr(start + mark.size());
  const auto generation = generation_of(rest);
  traits.signatures = generation >= 30;
  if (generation < 25 || contains(rest, "embedding") || contains(rest, "image") || contains(rest, "tts"))
    return traits;
  traits.thinking = generation < 30 ? thinking_mode::budget : thinking_mode::level;
  traits.can_stop_thinking = generation < 30 && !contains(rest, "pro");
  // 3.8 Flash knows low, medium and high; nothing is known of the ones between.
  traits.minimal_level = contains(rest, "flash") && generation <= 35;
  return traits;
}

std::string resource_of(std::string_view wire_model) {
  const auto [collection, name] = split(wire_model);
  return std::string(collection) + std::string(name);
}

std::string path_of(std::string_view wire_model) {
  const auto [collection, name] = split(wire_model);
  std::string path(collection);
  append_path_segment(path, name);
  return path;
}

} // namespace assay::codecs::gemini
