#pragma once

#include <string>
#include <string_view>

namespace assay::codecs {

/// Appends @p text to @p out as a JSON string with its quotes. Control characters are escaped; every
/// ill-formed UTF-8 sequence becomes one U+FFFD, so that the result is valid JSON whatever the bytes.
void append_json_string(std::string& out, std::string_view text);

/// Appends the shortest decimal form that reads back as @p value. Infinities and NaN, which JSON lacks,
/// become null.
void append_json_number(std::string& out, double value);

/// @returns at most @p limit bytes of @p text, cut before a code point that would not fit, ill-formed parts
/// replaced.
std::string excerpt(std::string_view text, size_t limit);

} // namespace assay::codecs
