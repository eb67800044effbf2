#include "mock/chat_request.hpp"

#include <algorithm>
#include <cctype>

namespace assay::mock {

namespace {

/// The code point's first byte tells its length; malformed bytes count as one character each.
struct character {
  char32_t code = 0;
  size_t length = 1;
};

character character_at(std::string_view text, size_t i) noexcept {
  const auto byte = [&](size_t k) { return static_cast<unsigned char>(text[i + k]); };
  const auto first = byte(0);
  const size_t length = first < 0xC0 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
  if (length == 1 || i + length > text.size())
    return {first, 1};
  char32_t code = first & (0x7F >> length);
  for (size_t k = 1; k < length; ++k)
    code = (code << 6) | (byte(k) & 0x3F);
  return {code, length};
}

constexpr bool is_cjk(char32_t c) noexcept {
  return (c >= 0x2E80 && c <= 0x9FFF) || (c >= 0xAC00 && c <= 0xD7AF) || (c >= 0xF900 && c <= 0xFAFF)
         || (c >= 0xFF00 && c <= 0xFFEF) || (c >= 0x20000 && c <= 0x3FFFF);
}

bool contains_word(std::string_view text, std::string_view word) {
  const auto same = [](char a, char b) { return std::tolower(static_cast<unsigned char>(a)) == b; };
  return std::search(text.begin(), text.end(), word.begin(), word.end(), same) != text.end();
}

} // namespace

bool calls_tool(const chat_request& request) {
  if (request.tools == tool_use::none || request.tool_name.empty() || request.after_tool_result)
    return false;
  if (request.tools == tool_use::required)
    return true;
  const auto& text = request.user_text;
  return text.find(request.tool_name) != std::string::npos
         || ((contains_word(text, "use") || contains_word(text, "call"))
             && (contains_word(text, "tool") || contains_word(text, "function")));
}

uint64_t estimate_tokens(std::string_view text) noexcept {
  uint64_t cjk = 0;
  uint64_t others = 0;
  for (size_t i = 0; i < text.size();) {
    if (static_cast<unsigned char>(text[i]) < 0x80) {
      ++others;
      ++i;
      continue;
    }
    const auto c = character_at(text, i);
    ++(is_cjk(c.code) ? cjk : others);
    i += c.length;
  }
  return cjk + (others + 3) / 4;
}

size_t bytes_of_tokens(std::string_view text, uint64_t tokens) noexcept {
  uint64_t cjk = 0;
  uint64_t others = 0;
  size_t i = 0;
  while (i < text.size()) {
    const auto c = character_at(text, i);
    ++(is_cjk(c.code) ? cjk : others);
    if (cjk + (others + 3) / 4 > tokens)
      break;
    i += c.length;
  }
  return i;
}

} // namespace assay::mock
