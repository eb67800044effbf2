#pragma once

#include "core/scoring/scorer_definition.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

// Several right answers in one target, for the scorers that take them; nobody else includes this.
namespace assay::scoring {

/// @returns every right answer, as written; nothing when the target is not what the separator promises.
std::optional<std::vector<std::string>> right_texts(const scorer_definition& definition,
                                                    std::string_view target);

} // namespace assay::scoring
