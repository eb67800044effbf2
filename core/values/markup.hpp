#pragma once

#include <string>
#include <string_view>

namespace assay {

/// @returns @p text as it may stand between tags and in quoted attributes of HTML and XML 1.0: `& < > " '` as
/// references, characters that XML forbids and bytes that are not UTF-8 as U+FFFD.
std::string escape_markup(std::string_view text);

/// As escape_markup(), for attributes of XML whose line ends and tabs have to survive: a reader would make
/// spaces of them (XML 1.0, 3.3.3).
std::string escape_attribute(std::string_view text);

} // namespace assay
