#pragma once

#include <algorithm>
#include <string>
#include <string_view>

/// Server-sent events.
namespace assay::mock {

/// The text of a frame is about one token: up to four bytes, never splitting a character.
inline size_t piece_length(std::string_view text) noexcept {
  auto end = std::min<size_t>(4, text.size());
  while (end < text.size() && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80)
    ++end;
  return end;
}

/// Calls @p take with each piece of @p text.
template <class Take>
void for_each_piece(std::string_view text, Take&& take) {
  while (!text.empty()) {
    const auto length = piece_length(text);
    take(text.substr(0, length));
    text.remove_prefix(length);
  }
}

/// @returns `data: <json>` and an empty line; @p crlf ends lines with CRLF instead of LF.
inline std::string data_event(std::string_view json, bool crlf = false) {
  return std::string("data: ").append(json).append(crlf ? "\r\n\r\n" : "\n\n");
}

/// @returns `event: <name>`, `data: <json>` and an empty line.
inline std::string named_event(std::string_view name, std::string_view json) {
  return std::string("event: ").append(name).append("\ndata: ").append(json).append("\n\n");
}

/// @returns a comment, which clients skip.
inline std::string comment_event(std::string_view text, bool crlf = false) {
  return std::string(": ").append(text).append(crlf ? "\r\n\r\n" : "\n\n");
}

} // namespace assay::mock
