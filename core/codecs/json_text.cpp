#include "core/codecs/json_text.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>

namespace assay::codecs {

namespace {

constexpr std::string_view replacement = "\xEF\xBF\xBD";

/// What a byte needs inside a JSON string.
enum class byte_kind : uint8_t { plain, escape, multibyte };

constexpr std::array<byte_kind, 256> make_kinds() {
  std::array<byte_kind, 256> kinds{};
  for (size_t i = 0; i < kinds.size(); ++i)
    kinds[i] = i < 0x20 || i == '"' || i == '\\' || i == 0x7F ? byte_kind::escape
               : i >= 0x80                                    ? byte_kind::multibyte
                                                              : byte_kind::plain;
  return kinds;
}

constexpr auto kinds = make_kinds();

struct sequence {
  size_t length = 0; ///< Bytes taken from the input, at least 1.
  bool valid = false;
};

/// Measures the sequence at the front of @p text by the table 3-7 of the Unicode standard. An ill-formed one
/// is measured as its maximal subpart.
sequence measure(std::string_view text) noexcept {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  size_t length = 0;
  unsigned char low = 0x80;
  unsigned char high = 0xBF;
  if (lead >= 0xC2 && lead <= 0xDF) {
    length = 2;
  } else if (lead >= 0xE0 && lead <= 0xEF) {
    length = 3;
    low = lead == 0xE0 ? 0xA0 : low;
    high = lead == 0xED ? 0x9F : high;
  } else if (lead >= 0xF0 && lead <= 0xF4) {
    length = 4;
    low = lead == 0xF0 ? 0x90 : low;
    high = lead == 0xF4 ? 0x8F : high;
  } else {
    return {1, lead < 0x80};
  }
  for (size_t i = 1; i < length; ++i) {
    if (i >= text.size() || byte(i) < low || byte(i) > high)
      return {i, false};
    low = 0x80;
    high = 0xBF;
  }
  return {length, true};
}

void append_escape(std::string& out, char c) {
  switch (c) {
  case '"':
    out += "\\\"";
    return;
  case '\\':
    out += "\\\\";
    return;
  case '\n':
    out += "\\n";
    return;
  case '\r':
    out += "\\r";
    return;
  case '\t':
    out += "\\t";
    return;
  default:
    constexpr std::string_view digits = "0123456789abcdef";
    const auto value = static_cast<unsigned char>(c);
    out += "\\u00";
    out += digits[value >> 4];
    out += digits[value & 15];
  }
}

} // namespace

void append_json_string(std::string& out, std::string_view text) {
  out += '"';
  size_t begin = 0;
  size_t i = 0;
  while (i < text.size()) {
    const auto kind = kinds[static_cast<unsigned char>(text[i])];
    if (kind == byte_kind::plain) {
      ++i;
      continue;
    }
    if (kind == byte_kind::multibyte) {
      const auto found = measure(text.substr(i));
      if (!found.valid) {
        out.append(text, begin, i - begin);
        out += replacement;
        begin = i + found.length;
      }
      i += found.length;
      continue;
    }
    out.append(text, begin, i - begin);
    append_escape(out, text[i]);
    begin = ++i;
  }
  out.append(text, begin, text.size() - begin);
  out += '"';
}

void append_json_number(std::string& out, double value) {
  if (!std::isfinite(value)) {
    out += "null";
    return;
  }
  std::array<char, 32> buffer{};
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value).ptr;
  out.append(buffer.data(), end);
}

std::string excerpt(std::string_view text, size_t limit) {
  std::string out;
  while (!text.empty()) {
    const auto found = measure(text);
    const auto part = found.valid ? text.substr(0, found.length) : replacement;
    if (out.size() + part.size() > limit)
      break;
    out += part;
    text.remove_prefix(found.length);
  }
  return out;
}

} // namespace assay::codecs
