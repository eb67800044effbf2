#include "core/scoring/text.hpp"

#include <algorithm>

namespace assay::scoring {

bool is_ascii_punctuation(uint32_t c) noexcept {
  return (c >= 0x21 && c <= 0x2F) || (c >= 0x3A && c <= 0x40) || (c >= 0x5B && c <= 0x60)
         || (c >= 0x7B && c <= 0x7E);
}

namespace {

bool is_continuation(unsigned char byte) noexcept { return (byte & 0xC0U) == 0x80U; }

bool is_space(uint32_t c) noexcept {
  return c == ' ' || (c >= 0x09 && c <= 0x0D) || c == 0x85 || c == 0xA0 || c == 0x1680
         || (c >= 0x2000 && c <= 0x200B) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F
         || c == 0x3000 || c == 0xFEFF;
}

bool is_punctuation(uint32_t c) noexcept {
  if (is_ascii_punctuation(c))
    return true;
  if (c >= 0xFF01 && c <= 0xFF5E)
    return is_ascii_punctuation(c - 0xFEE0);
  return c == 0xA1 || c == 0xA7 || c == 0xAB || c == 0xB6 || c == 0xB7 || c == 0xBB || c == 0xBF
         || (c >= 0x2010 && c <= 0x2027) || (c >= 0x2030 && c <= 0x205E) || (c >= 0x3001 && c <= 0x3003)
         || (c >= 0x3008 && c <= 0x3011) || (c >= 0x3014 && c <= 0x301F) || c == 0x30FB
         || (c >= 0xFE30 && c <= 0xFE6B) || (c >= 0xFF5F && c <= 0xFF65);
}

/// The simple lower-case mapping of Unicode for the scripts named in the header.
uint32_t to_lower(uint32_t c) noexcept {
  if (c < 0x80)
    return c >= 'A' && c <= 'Z' ? c + 32 : c;
  if ((c >= 0xC0 && c <= 0xDE && c != 0xD7) || (c >= 0x391 && c <= 0x3AB && c != 0x3A2)
      || (c >= 0x410 && c <= 0x42F) || (c >= 0xFF21 && c <= 0xFF3A))
    return c + 32;
  if (c >= 0x400 && c <= 0x40F)
    return c + 80;
  // Pairs: capital on the even number, except in two stretches of Latin Extended-A.
  if ((c >= 0x139 && c <= 0x148) || (c >= 0x179 && c <= 0x17E))
    return (c & 1U) != 0 ? c + 1 : c;
  if ((c >= 0x100 && c <= 0x177 && c != 0x130 && c != 0x131 && c != 0x138 && c != 0x149)
      || (c >= 0x460 && c <= 0x481) || (c >= 0x48A && c <= 0x4BF) || (c >= 0x4D0 && c <= 0x52F)
      || (c >= 0x1E00 && c <= 0x1E95) || (c >= 0x1EA0 && c <= 0x1EFF))
    return (c & 1U) == 0 ? c + 1 : c;
  switch (c) {
  case 0x178:
    return 0xFF;
  case 0x386:
    return 0x3AC;
  case 0x388:
  case 0x389:
  case 0x38A:
    return c + 37;
  case 0x38C:
    return 0x3CC;
  case 0x38E:
  case 0x38F:
    return c + 63;
  default:
    return c;
  }
}

/// The inverse of to_lower().
uint32_t to_upper(uint32_t c) noexcept {
  if (c < 0x80)
    return c >= 'a' && c <= 'z' ? c - 32 : c;
  if (c == 0xFF)
    return 0x178;
  // Every capital that to_lower() maps stands at one of these distances from its small letter.
  for (const uint32_t distance : {32U, 80U, 1U, 37U, 38U, 63U, 64U})
    if (c > distance && to_lower(c - distance) == c)
      return c - distance;
  return c;
}

/// Copies @p text, passing every valid character through @p map, which appends what replaces it.
template <class Map>
std::string mapped(std::string_view text, Map map) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size();) {
    const code_point c = decode(text, i);
    if (c.valid)
      map(out, c.value, text.substr(i, c.length));
    else
      out.push_back(text[i]);
    i += c.length;
  }
  return out;
}

} // namespace

code_point decode(std::string_view text, size_t position) noexcept {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[position + i]); };
  const size_t left = text.size() - position;
  const unsigned char first = byte(0);
  if (first < 0x80)
    return {first, 1, true};
  if (first >= 0xC2 && first <= 0xDF && left >= 2 && is_continuation(byte(1)))
    return {(uint32_t{first} & 0x1FU) << 6 | (byte(1) & 0x3FU), 2, true};
  if (first >= 0xE0 && first <= 0xEF && left >= 3 && is_continuation(byte(1)) && is_continuation(byte(2))) {
    const uint32_t value = (uint32_t{first} & 0x0FU) << 12 | (byte(1) & 0x3FU) << 6 | (byte(2) & 0x3FU);
    if (value >= 0x800 && (value < 0xD800 || value > 0xDFFF))
      return {value, 3, true};
  }
  if (first >= 0xF0 && first <= 0xF4 && left >= 4 && is_continuation(byte(1)) && is_continuation(byte(2))
      && is_continuation(byte(3))) {
    const uint32_t value = (uint32_t{first} & 0x07U) << 18 | (byte(1) & 0x3FU) << 12 | (byte(2) & 0x3FU) << 6
                           | (byte(3) & 0x3FU);
    if (value >= 0x10000 && value <= 0x10FFFF)
      return {value, 4, true};
  }
  return {first, 1, false};
}

void append_utf8(std::string& out, uint32_t value) {
  const auto push = [&](uint32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (value < 0x80) {
    push(value);
  } else if (value < 0x800) {
    push(0xC0U | value >> 6);
    push(0x80U | (value & 0x3FU));
  } else if (value < 0x10000) {
    push(0xE0U | value >> 12);
    push(0x80U | (value >> 6 & 0x3FU));
    push(0x80U | (value & 0x3FU));
  } else {
    push(0xF0U | value >> 18);
    push(0x80U | (value >> 12 & 0x3FU));
    push(0x80U | (value >> 6 & 0x3FU));
    push(0x80U | (value & 0x3FU));
  }
}

bool is_ascii(std::string_view text) noexcept {
  // Without a way out of the loop, the compiler looks at many bytes at once.
  unsigned char all = 0;
  for (const char c : text)
    all = static_cast<unsigned char>(all | static_cast<unsigned char>(c));
  return all < 0x80;
}

std::string fold_width(std::string_view text) {
  return mapped(text, [](std::string& out, uint32_t c, std::string_view bytes) {
    if (c >= 0xFF01 && c <= 0xFF5E)
      out.push_back(static_cast<char>(c - 0xFEE0));
    else if (c == 0x3000)
      out.push_back(' ');
    else if ((c >= 0x2010 && c <= 0x2013) || c == 0x2212 || c == 0xFE63)
      out.push_back('-');
    else
      out.append(bytes);
  });
}

std::string upper_case(std::string_view text) {
  return mapped(text, [](std::string& out, uint32_t c, std::string_view bytes) {
    if (const uint32_t upper = to_upper(c); upper != c)
      append_utf8(out, upper);
    else
      out.append(bytes);
  });
}

bool is_white_space(uint32_t value) noexcept { return is_space(value); }

std::string_view strip_front(std::string_view text) noexcept {
  while (!text.empty()) {
    const code_point c = decode(text, 0);
    if (!c.valid || !is_space(c.value))
      break;
    text.remove_prefix(c.length);
  }
  return text;
}

std::string remove_ascii_punctuation(std::string_view text) {
  std::string out(text);
  std::erase_if(out, [](char c) { return is_ascii_punctuation(static_cast<unsigned char>(c)); });
  return out;
}

std::string remove_ascii_digits(std::string_view text) {
  std::string out(text);
  std::erase_if(out, [](char c) { return c >= '0' && c <= '9'; });
  return out;
}

std::string lower_case(std::string_view text) {
  if (is_ascii(text)) {
    std::string out(text);
    for (char& c : out)
      if (c >= 'A' && c <= 'Z')
        c = static_cast<char>(c + 32);
    return out;
  }
  return mapped(text, [](std::string& out, uint32_t c, std::string_view bytes) {
    if (const uint32_t lower = to_lower(c); lower != c)
      append_utf8(out, lower);
    else
      out.append(bytes);
  });
}

std::string_view strip(std::string_view text) noexcept {
  while (!text.empty()) {
    const code_point c = decode(text, 0);
    if (!c.valid || !is_space(c.value))
      break;
    text.remove_prefix(c.length);
  }
  while (!text.empty()) {
    size_t start = text.size() - 1;
    while (start > 0 && text.size() - start < 4 && is_continuation(static_cast<unsigned char>(text[start])))
      --start;
    const code_point c = decode(text, start);
    if (!c.valid || start + c.length != text.size() || !is_space(c.value))
      break;
    text.remove_suffix(c.length);
  }
  return text;
}

std::string remove_punctuation(std::string_view text) {
  return mapped(text, [](std::string& out, uint32_t c, std::string_view bytes) {
    if (!is_punctuation(c))
      out.append(bytes);
  });
}

std::string remove_digits(std::string_view text) {
  return mapped(text, [](std::string& out, uint32_t c, std::string_view bytes) {
    if (!(c >= '0' && c <= '9') && !(c >= 0xFF10 && c <= 0xFF19))
      out.append(bytes);
  });
}

bool is_word_character(uint32_t c) noexcept {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_'
         || (c >= 0xC0 && c <= 0x1FFF && c != 0xD7 && c != 0xF7);
}

std::string_view cut(std::string_view text, size_t limit) noexcept {
  if (text.size() <= limit)
    return text;
  size_t end = limit;
  while (end > 0 && limit - end < 3 && is_continuation(static_cast<unsigned char>(text[end])))
    --end;
  // Bytes that are no UTF-8 anyway are cut where they stand.
  if (is_continuation(static_cast<unsigned char>(text[end])))
    end = limit;
  return text.substr(0, end);
}

} // namespace assay::scoring
