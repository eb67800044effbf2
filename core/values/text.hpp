#pragma once

#include <string>
#include <string_view>

namespace assay {

/// @returns @p text with every byte that is not part of a well-formed UTF-8 sequence (Unicode 15, table 3-7)
/// replaced by U+FFFD. JSON writers refuse anything else, and neither answers nor datasets can be trusted.
std::string valid_utf8(std::string_view text);

/// @returns whether both are the same word; the case of ASCII letters does not count.
bool same_word(std::string_view a, std::string_view b) noexcept;

} // namespace assay
