#pragma once

#include "core/values/errors.hpp"

#include <nlohmann/json_fwd.hpp>

#include <string>
#include <string_view>

namespace assay::llm {

/// Fills {field} with the members of @p item: texts as they are, everything else as JSON. `{{` and `}}` are
/// literal braces.
/// @returns errc::template_failed for a field that the item lacks or a brace that is not closed.
result<std::string> fill_prompt(std::string_view text, const nlohmann::json& item);

/// @returns what is wrong with the template whatever the item: a brace that is not closed.
result<void> check_prompt(std::string_view text);

} // namespace assay::llm
