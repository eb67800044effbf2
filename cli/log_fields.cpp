#include "cli/log_fields.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <charconv>
#include <system_error>

namespace assay::cli {

namespace {

using json = nlohmann::ordered_json;

bool is_name_char(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.';
}

/// @returns how long the name at the front is when an equals sign follows it, else 0.
size_t name_length(std::string_view text) noexcept {
  const auto end =
      static_cast<size_t>(std::find_if_not(text.begin(), text.end(), is_name_char) - text.begin());
  return end < text.size() && text[end] == '=' ? end : 0;
}

/// Takes `name=value` and the blank behind it from the front. @returns false when none is there.
bool take_field(std::string_view& rest, std::pair<std::string_view, std::string_view>& out) {
  const auto equals = name_length(rest);
  if (equals == 0)
    return false;
  auto value = rest.substr(equals + 1);
  size_t end = 0;
  if (value.starts_with('"')) {
    // Texts are quoted and not escaped, so only a quote before a field or the end closes one.
    for (end = value.find('"', 1); end != std::string_view::npos; end = value.find('"', end + 1))
      if (end + 1 == value.size() || (value[end + 1] == ' ' && name_length(value.substr(end + 2)) > 0))
        break;
    if (end == std::string_view::npos)
      return false;
    ++end;
  } else {
    end = std::min(value.find(' '), value.size());
  }
  out = {rest.substr(0, equals), value.substr(0, end)};
  rest = value.substr(end);
  if (rest.starts_with(' '))
    rest.remove_prefix(1);
  return true;
}

json value_of(std::string_view text) {
  if (text.size() >= 2 && text.starts_with('"'))
    return std::string(text.substr(1, text.size() - 2));
  const auto digits = text.starts_with('-') ? text.substr(1) : text;
  // 007 is a name and no number.
  const bool padded = digits.size() > 1 && digits[0] == '0' && digits[1] != '.';
  if (!digits.empty() && digits[0] >= '0' && digits[0] <= '9' && !padded) {
    const auto* end = text.data() + text.size();
    int64_t whole = 0;
    if (const auto read = std::from_chars(text.data(), end, whole); read.ptr == end && read.ec == std::errc{})
      return whole;
    double real = 0;
    // 12e3 may be the end of an id.
    const auto read = std::from_chars(text.data(), end, real, std::chars_format::fixed);
    if (read.ptr == end && read.ec == std::errc{} && digits.find('.') != std::string_view::npos)
      return real;
  }
  return std::string(text);
}

} // namespace

log_line split_fields(std::string_view text) {
  for (size_t start = 0; start != std::string_view::npos && start < text.size();) {
    log_line out{text.substr(0, start == 0 ? 0 : start - 1), {}};
    auto rest = text.substr(start);
    std::pair<std::string_view, std::string_view> field;
    while (!rest.empty() && take_field(rest, field))
      out.fields.push_back(field);
    if (rest.empty())
      return out;
    const auto blank = text.find(' ', start);
    start = blank == std::string_view::npos ? blank : blank + 1;
  }
  return {text, {}};
}

std::string log_line_json(std::string_view time, std::string_view level, std::string_view text) {
  const auto line = split_fields(text);
  json out{{"time", time}, {"level", level}, {"message", line.words}};
  for (const auto& [name, value] : line.fields) {
    const bool taken = name == "level" || name == "message";
    out[name == "time" ? "duration" : std::string(name) + (taken ? "_" : "")] = value_of(value);
  }
  return out.dump(-1, ' ', false, json::error_handler_t::replace);
}

} // namespace assay::cli
