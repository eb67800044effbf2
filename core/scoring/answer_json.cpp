#include "core/scoring/answer_json.hpp"

#include "core/scoring/text.hpp"

#include <nlohmann/json.hpp>

#include <utility>

namespace assay::scoring {
namespace {

using nlohmann::json;
using chooser = std::function<bool(const json&)>;

constexpr int depth_limit = 200;
constexpr size_t parse_attempts = 64;

/// @returns the end of the bracketed text that begins at @p begin, or npos when it does not close or nests
/// too deeply. Knows strings, and leaves the rest to the parser.
size_t closing(std::string_view text, size_t begin) {
  int depth = 0;
  bool quoted = false;
  for (size_t i = begin; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      if (c == '\\')
        ++i;
      else if (c == '"')
        quoted = false;
    } else if (c == '"') {
      quoted = true;
    } else if (c == '{' || c == '[') {
      if (++depth > depth_limit)
        return std::string_view::npos;
    } else if ((c == '}' || c == ']') && --depth == 0) {
      return i + 1;
    }
  }
  return std::string_view::npos;
}

found_json fenced(std::string_view answer, const chooser& fits) {
  found_json found;
  size_t attempts = 0;
  for (size_t open = answer.find("```"); open != std::string_view::npos && attempts < parse_attempts;
       ++attempts) {
    const size_t line_end = answer.find('\n', open);
    const size_t close = answer.find("```", open + 3);
    if (close == std::string_view::npos)
      break;
    // The language stands on the opening line, which in a block of one line holds the JSON.
    size_t begin = line_end < close ? line_end + 1 : open + 3;
    if (line_end >= close && answer.substr(begin, 4) == "json")
      begin += 4;
    if (auto value = parse_json(answer.substr(begin, close - begin)); value && fits(*value))
      found = found_json{std::move(value), std::string(strip(answer.substr(begin, close - begin)))};
    open = answer.find("```", close + 3);
  }
  return found;
}

found_json embedded(std::string_view answer, char bracket, const chooser& fits) {
  found_json found;
  size_t attempts = 0;
  for (size_t open = answer.find(bracket); open != std::string_view::npos && attempts < parse_attempts;
       ++attempts) {
    const size_t end = closing(answer, open);
    std::unique_ptr<json> value;
    if (end != std::string_view::npos)
      value = parse_json(answer.substr(open, end - open));
    if (value && fits(*value)) {
      found = found_json{std::move(value), std::string(answer.substr(open, end - open))};
      open = answer.find(bracket, end);
    } else {
      open = answer.find(bracket, open + 1);
    }
  }
  return found;
}

} // namespace

std::unique_ptr<json> parse_json(std::string_view text) {
  text = strip(text);
  if (text.empty())
    return nullptr;
  // The parser has no limit on depth, and what it builds is compared by recursion.
  if ((text.front() == '{' || text.front() == '[') && closing(text, 0) == std::string_view::npos)
    return nullptr;
  json value = json::parse(text, nullptr, false);
  return value.is_discarded() ? nullptr : std::make_unique<json>(std::move(value));
}

found_json find_json(std::string_view answer, const chooser& fits) {
  if (auto value = parse_json(answer))
    return {std::move(value), std::string(strip(answer))};
  if (auto found = fenced(answer, fits))
    return found;
  if (auto found = embedded(answer, '{', fits))
    return found;
  return embedded(answer, '[', fits);
}

} // namespace assay::scoring
