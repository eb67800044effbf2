#include "core/codecs/json_reader.hpp"

#include "core/values/text.hpp"

#include <algorithm>
#include <charconv>
#include <limits>

namespace assay::codecs {

namespace {

/// The code unit of an escape `\uXXXX` at @p i, or 0.
uint32_t escaped_unit(std::string_view text, size_t i) {
  uint32_t value = 0;
  if (i + 6 > text.size() || text[i] != '\\' || text[i + 1] != 'u')
    return 0;
  const auto [end, error] = std::from_chars(text.data() + i + 2, text.data() + i + 6, value, 16);
  return error == std::errc{} && end == text.data() + i + 6 ? value : 0;
}

/// Repairs what stops a strict parser and no other client.
std::string repaired(std::string_view body) {
  auto text = valid_utf8(body);
  for (size_t i = 0; i + 1 < text.size(); ++i) {
    if (text[i] != '\\')
      continue;
    const auto unit = escaped_unit(text, i);
    const auto next = escaped_unit(text, i + 6);
    if (unit >= 0xD800 && unit <= 0xDBFF && next >= 0xDC00 && next <= 0xDFFF)
      i += 11;
    else if (unit >= 0xD800 && unit <= 0xDFFF)
      text.replace(i, 6, "\\ufffd"), i += 5;
    else
      ++i;
  }
  return text;
}

std::string_view without_bom(std::string_view body) {
  if (body.starts_with("\xEF\xBB\xBF"))
    body.remove_prefix(3);
  return body;
}

} // namespace

std::optional<dom::element> member(dom::element parent, const char* name) {
  dom::element found;
  if (parent[name].get(found) != simdjson::SUCCESS || found.is_null())
    return std::nullopt;
  return found;
}

std::string_view text_of(const std::optional<dom::element>& element) {
  std::string_view text;
  if (!element || element->get(text) != simdjson::SUCCESS)
    return {};
  return text;
}

std::string_view text_member(dom::element parent, const char* name) { return text_of(member(parent, name)); }

std::optional<uint32_t> count_member(dom::element parent, const char* name) {
  const auto value = number_member(parent, name);
  if (!value || !(*value >= 0))
    return std::nullopt;
  return static_cast<uint32_t>(std::min(*value, double{std::numeric_limits<uint32_t>::max()}));
}

std::optional<double> number_member(dom::element parent, const char* name) {
  const auto element = member(parent, name);
  double value = 0;
  if (!element || element->get(value) != simdjson::SUCCESS)
    return std::nullopt;
  return value;
}

bool flag_member(dom::element parent, const char* name) {
  const auto element = member(parent, name);
  bool flag = false;
  return element && element->get(flag) == simdjson::SUCCESS && flag;
}

std::string word_member(dom::element parent, const char* name) {
  const auto element = member(parent, name);
  int64_t number = 0;
  if (element && element->get(number) == simdjson::SUCCESS)
    return std::to_string(number);
  return std::string(text_of(element));
}

std::string text_or_json(dom::element element) {
  if (element.is_string())
    return std::string(text_of(element));
  return simdjson::minify(element);
}

std::optional<dom::element> json_document::parse(std::string_view text) {
  text = without_bom(text);
  if (text.empty())
    return std::nullopt;
  dom::element root;
  auto error = parser_.parse(text.data(), text.size()).get(root);
  if (error == simdjson::UTF8_ERROR || error == simdjson::STRING_ERROR) {
    const auto mended = repaired(text);
    error = parser_.parse(mended).get(root);
  }
  if (error != simdjson::SUCCESS)
    return std::nullopt;
  return root;
}

} // namespace assay::codecs
