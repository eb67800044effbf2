#include "core/codecs/gemini_parts.hpp"

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

/// The two parts of a resource: `models/` and the name.
std::pair<std::string_view, std::string_view> split(std::string_view wire_model) {
  for (const std::string_view collection : {"models/", "tunedModels/"})
    if (wire_model.starts_with(collection))
      return {collection, wire_model.substr(collection.size())};
  if (const auto slash = wire_model.rfind('/'); slash != std::string_view::npos)
    wire_model.remove_prefix(slash + 1);
  return {"models/", wire_model};
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
