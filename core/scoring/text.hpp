#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace assay::scoring {

/// One character of a UTF-8 text. A byte that is not UTF-8 is a character of its own with valid = false.
struct code_point {
  uint32_t value = 0;
  uint8_t length = 1; ///< Bytes.
  bool valid = false;
};

/// @returns the character that begins at @p position, which must be inside @p text.
code_point decode(std::string_view text, size_t position) noexcept;

/// Appends @p value as UTF-8.
void append_utf8(std::string& out, uint32_t value);

/// @returns whether every byte is ASCII.
bool is_ascii(std::string_view text) noexcept;

/// @returns the text with full-width forms (U+FF01..U+FF5E) and the ideographic space as ASCII, and the
/// dashes and minus signs U+2010..U+2013, U+2212 and U+FE63 as '-'.
std::string fold_width(std::string_view text);

/// @returns the text in lower case: ASCII, Latin, Greek, Cyrillic and full-width letters.
std::string lower_case(std::string_view text);

/// @returns the text without white space, ASCII or Unicode, at both ends.
std::string_view strip(std::string_view text) noexcept;

/// @returns the text without white space in front.
std::string_view strip_front(std::string_view text) noexcept;

/// @returns the text in upper case: the letters that lower_case() knows.
std::string upper_case(std::string_view text);

/// @returns whether the character is white space, ASCII or Unicode.
bool is_white_space(uint32_t value) noexcept;

/// @returns whether @p c is ASCII punctuation (Python's string.punctuation).
bool is_ascii_punctuation(uint32_t c) noexcept;

/// @returns the text without ASCII, general and CJK punctuation.
std::string remove_punctuation(std::string_view text);

/// @returns the text without ASCII and full-width digits.
std::string remove_digits(std::string_view text);

/// @returns the text without ASCII punctuation, or without ASCII digits.
std::string remove_ascii_punctuation(std::string_view text);
std::string remove_ascii_digits(std::string_view text);

/// @returns whether the character is a letter or digit of a script that writes words with spaces between.
bool is_word_character(uint32_t value) noexcept;

/// @returns at most @p limit bytes of @p text, never half a character.
std::string_view cut(std::string_view text, size_t limit) noexcept;

} // namespace assay::scoring
