#pragma once

#include "core/values/errors.hpp"

#include <nlohmann/json_fwd.hpp>

#include <string_view>

namespace assay::server {

/// Objects and lists within each other that a body may have. Deeper ones would exhaust the stack of whoever
/// walks them.
inline constexpr unsigned deepest_json = 64;

/// Parses a caller's JSON: UTF-8, no comments, at most deepest_json deep. @returns malformed_input with the
/// line and column of the first error.
result<nlohmann::json> parse_json(std::string_view text);

} // namespace assay::server
