#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace assay::cli {

/// A line of the log taken apart: `request method=GET path="/a b" status=200`.
struct log_line {
  std::string_view words; ///< What stands before the fields.
  /// In order; values as they are written, with their quotes.
  std::vector<std::pair<std::string_view, std::string_view>> fields;
};

/// Splits where `name=value` pairs begin and reach to the end. A text without them is all words.
log_line split_fields(std::string_view text);

/// One JSON object for a line of the log: time, level, message, and each field of the message by its own
/// name. A field `time` is called duration, and one that is called like the other two gets an underscore
/// behind its name. Whole and decimal numbers are numbers.
std::string log_line_json(std::string_view time, std::string_view level, std::string_view text);

} // namespace assay::cli
