#pragma once

#include "core/values/markup.hpp"

#include <string>
#include <string_view>

namespace assay::reports {

/// @returns at most @p most bytes of @p text, cut between characters, with `…` when something was cut off.
std::string shorten(std::string_view text, size_t most);

/// @returns @p value with that many decimals.
std::string fixed(double value, int decimals);

} // namespace assay::reports
