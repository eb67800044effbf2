#include "core/codecs/base64.hpp"

#include <algorithm>
#include <array>
#include <cstdint>

namespace assay::codecs {

namespace {

constexpr uint8_t no_digit = 0xFF;
constexpr uint8_t space = 0xFE;
constexpr uint8_t padding = 0xFD;

constexpr std::array<uint8_t, 256> make_values() {
  std::array<uint8_t, 256> values{};
  values.fill(no_digit);
  constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (size_t i = 0; i < alphabet.size(); ++i)
    values[static_cast<unsigned char>(alphabet[i])] = static_cast<uint8_t>(i);
  values['-'] = values['+'];
  values['_'] = values['/'];
  for (const char c : {' ', '\t', '\r', '\n'})
    values[static_cast<unsigned char>(c)] = space;
  values['='] = padding;
  return values;
}

constexpr auto values = make_values();

} // namespace

std::optional<std::string> decode_base64(std::string_view text, size_t limit) {
  std::string out;
  out.reserve(std::min(limit, text.size() / 4 * 3 + 3));
  uint32_t bits = 0;
  int count = 0;
  bool padded = false;
  for (const char c : text) {
    if (out.size() >= limit)
      return out;
    const auto value = values[static_cast<unsigned char>(c)];
    if (value == space)
      continue;
    if (value == no_digit || (padded && value != padding))
      return std::nullopt;
    padded = value == padding;
    if (padded)
      continue;
    bits = bits << 6 | value;
    count += 6;
    if (count >= 8) {
      count -= 8;
      out += static_cast<char>(bits >> count & 0xFF);
    }
  }
  return out;
}

bool append_base64(std::string& out, std::string_view text) {
  bool padded = false;
  for (const char c : text) {
    const auto value = values[static_cast<unsigned char>(c)];
    if (value == space)
      continue;
    if (value == no_digit || (padded && value != padding))
      return false;
    padded = value == padding;
    out += c == '-' ? '+' : c == '_' ? '/' : c;
  }
  return true;
}

} // namespace assay::codecs
