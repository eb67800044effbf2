#include "core/values/markup.hpp"

#include "core/values/text.hpp"

namespace assay {

namespace {

constexpr std::string_view replacement = "\xEF\xBF\xBD";

/// U+FFFE and U+FFFF are no characters.
bool is_no_character(std::string_view rest) noexcept {
  return rest.size() > 2 && rest.starts_with("\xEF\xBF") && static_cast<unsigned char>(rest[2]) >= 0xBE;
}

std::string escape(std::string_view text, bool keep_spaces) {
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
    case '\n':
      out += keep_spaces ? "&#10;" : "\n";
      break;
    case '\t':
      out += keep_spaces ? "&#9;" : "\t";
      break;
    default:
      if (static_cast<unsigned char>(c) < 0x20) {
        out += replacement;
      } else if (is_no_character(std::string_view(clean).substr(i))) {
        out += replacement;
        i += 2;
      } else {
        out += c;
      }
    }
  }
  return out;
}

} // namespace

std::string escape_markup(std::string_view text) { return escape(text, false); }

std::string escape_attribute(std::string_view text) { return escape(text, true); }

} // namespace assay
