#pragma once

#include <span>
#include <string>
#include <string_view>

namespace assay::tasks {

/// @returns "did you mean 'x'?" when a known name is near, else "known: a, b, c", at most 12 of them.
std::string name_hint(std::string_view name, std::span<const std::string> known);

} // namespace assay::tasks
