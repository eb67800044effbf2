#pragma once

#include <span>
#include <string>
#include <string_view>

namespace assay {

/// @returns the word of @p candidates nearest to @p word by optimal string alignment distance (insert,
/// delete, replace, swap neighbours), or an empty text when none is near enough to be a likely misspelling:
/// at most a third of the longer word's length, and at most three edits.
std::string_view closest_word(std::string_view word, std::span<const std::string_view> candidates);

/// @returns "did you mean 'x'?", or an empty text when nothing is near.
std::string did_you_mean(std::string_view word, std::span<const std::string_view> candidates);

} // namespace assay
