#include "core/reports/markup.hpp"

#include "core/values/text.hpp"

#include <array>
#include <cstdio>

namespace assay::reports {

namespace {

constexpr std::string_view replacement = "\xEF\xBF\xBD";

} // namespace

std::string escape_markup(std::string_view text) {
  const auto clean = valid_utf8(text);
  std::string out;
  out.reserve(clean.size() + clean.size() / 8);
  for (size_t i = 0; i < clean.size(); ++i) {
    const char c = clean[i];
    switch (c) {
    case '&':
      out += "&amp;";
      break;
    case '<':
      out += "&lt;";
      break;
    case '>':
      out += "&gt;";
      break;
    case '"':
      out += "&quot;";
      break;
    case '\'':
      out += "&#39;";
      break;
    case '\r':
      // A reader of XML would turn it into a line feed.
      out += "&#13;";
      break;
    default:
      if (static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t') {
        out += replacement;
      } else if (clean.compare(i, 2, "\xEF\xBF") == 0 && i + 2 < clean.size()
                 && static_cast<unsigned char>(clean[i + 2]) >= 0xBE) {
        // U+FFFE and U+FFFF are no characters.
        out += replacement;
        i += 2;
      } else {
        out += c;
      }
    }
  }
  return out;
}

std::string shorten(std::string_view text, size_t most) {
  if (text.size() <= most)
    return std::string(text);
  auto end = most;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80)
    --end;
  return std::string(text.substr(0, end)) + "…";
}

std::string fixed(double value, int decimals) {
  std::array<char, 64> buffer{};
  const auto size = std::snprintf(buffer.data(), buffer.size(), "%.*f", decimals, value);
  return size < 0 ? std::string{} : std::string(buffer.data());
}

} // namespace assay::reports
