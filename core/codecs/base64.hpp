#pragma once

#include <optional>
#include <string>
#include <string_view>

/// Base64 (RFC 4648, 4), and what others make of it: the URL alphabet, missing padding, wrapped lines.
namespace assay::codecs {

/// @returns the bytes, at most @p limit of them, or nothing when a character does not belong there.
std::optional<std::string> decode_base64(std::string_view text, size_t limit = std::string::npos);

/// Appends @p text in the standard alphabet without white space, and so safe inside a JSON string.
/// @returns whether it was base64; if not, @p out has part of it.
bool append_base64(std::string& out, std::string_view text);

} // namespace assay::codecs
