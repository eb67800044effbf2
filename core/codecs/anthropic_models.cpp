#include "core/codecs/anthropic_parts.hpp"
#include "core/codecs/catalogue.hpp"

#include <charconv>

namespace assay::codecs::anthropic {

namespace {

/// The generation of a model that names none (`claude-opus-latest`, `claude-mythos-preview`): the newest.
constexpr unsigned newest = 999;

struct model_name {
  std::string_view family;      ///< opus, sonnet, haiku, fable, ...
  unsigned generation = newest; ///< Ten times the version: 45 for 4.5, 30 for 3.
};

/// Takes the number at the front of @p text, when it is no date. @returns nothing when there is none.
std::optional<unsigned> take_number(std::string_view& text) {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || value > 99)
    return std::nullopt;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return value;
}

/// Reads `3-5-sonnet-20241022`, `opus-4-1-20250805`, `sonnet-4@20250514`, `opus-5.5` and the like.
model_name read_name(std::string_view rest) {
  model_name name;
  const auto take_version = [&] {
    const auto major = take_number(rest);
    if (!major)
      return;
    name.generation = *major * 10;
    if (rest.starts_with('-') || rest.starts_with('.')) {
      auto minor_text = rest.substr(1);
      if (const auto minor = take_number(minor_text); minor && *minor <= 9) {
        name.generation += *minor;
        rest = minor_text;
      }
    }
  };
  take_version();
  if (rest.starts_with('-'))
    rest.remove_prefix(1);
  const auto end = rest.find_first_of("-@:");
  name.family = rest.substr(0, end);
  if (name.generation == newest && end != std::string_view::npos) {
    rest.remove_prefix(end + 1);
    take_version();
  }
  return name;
}

thinking_mode thinking_of(const model_name& name) {
  if (name.generation < 37)
    return thinking_mode::none;
  if (name.generation < 46)
    return thinking_mode::budget;
  if (name.generation < 50)
    return thinking_mode::on_request;
  if (name.family == "haiku")
    return thinking_mode::on;
  if (name.family == "opus" || name.family == "sonnet")
    return name.generation < 55 ? thinking_mode::on : thinking_mode::always;
  return thinking_mode::always;
}

} // namespace

model_traits traits_of(std::string_view wire_model) {
  model_traits traits;
  if (const auto* known = shipped_catalogue().find(wire_model))
    traits.most_tokens = known->max_output_tokens;
  constexpr std::string_view mark = "claude-";
  const auto start = wire_model.find(mark);
  if (start == std::string_view::npos)
    return traits;
  const auto name = read_name(wire_model.substr(start + mark.size()));
  const auto generation = name.generation;
  const bool forces_from_51 = name.family == "fable" || name.family == "mythos";
  traits.sampling = generation < 47;
  traits.temperature_with_top_p = generation < 41;
  // The vendor's pages disagree about Sonnet 4.6; a refusal costs nothing, so it is asked.
  traits.prefill = generation < 46 || (generation == 46 && name.family == "sonnet");
  traits.forced_tools = generation < (forces_from_51 ? 51U : 55U);
  traits.schemas = generation >= 41;
  traits.thinking = thinking_of(name);
  return traits;
}

} // namespace assay::codecs::anthropic
