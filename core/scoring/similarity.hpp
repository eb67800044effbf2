#pragma once

#include "core/scoring/scorer.hpp"

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace assay::scoring {

/// @returns the cosine of the angle between two vectors; nothing when they differ in length, are empty or one
/// has no length.
std::optional<double> cosine(std::span<const float> a, std::span<const float> b) noexcept;

/// @returns the texts to embed: the answer first, then every right answer that target and definition name.
std::vector<std::string> texts_to_embed(const scorer_definition& definition, std::string_view answer,
                                        std::string_view target);

/// @param vectors In the order of texts_to_embed().
/// @returns the greatest cosine between the answer and a right answer, not below 0; 0 or 1 with a threshold.
score_outcome similarity_outcome(const scorer_definition& definition,
                                 std::span<const std::vector<float>> vectors);

} // namespace assay::scoring
