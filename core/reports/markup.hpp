#pragma once

#include <string>
#include <string_view>

namespace assay::reports {

/// @returns @p text as it may stand between tags and in quoted attributes of HTML and XML 1.0: `& < > " '` as
/// references, characters that XML forbids and bytes that are not UTF-8 as U+FFFD.
std::string escape_markup(std::string_view text);

/// @returns at most @p most bytes of @p text, cut between characters, with `…` when something was cut off.
std::string shorten(std::string_view text, size_t most);

/// @returns @p value with that many decimals.
std::string fixed(double value, int decimals);

} // namespace assay::reports
