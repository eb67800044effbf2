#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace assay::mock {

/// One part of a multipart body; looks into it.
struct body_part {
  std::string name;     ///< Of Content-Disposition; empty without one.
  std::string filename; ///< As above.
  std::string content_type;
  std::string_view content;
};

/// Splits a body of `multipart/form-data` or `multipart/related`.
/// @param content_type the header with its boundary.
/// @returns nothing when the boundary is missing or the body does not end with it.
std::optional<std::vector<body_part>> split_multipart(std::string_view content_type, std::string_view body);

} // namespace assay::mock
