#pragma once

#include "core/values/errors.hpp"

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

namespace assay::cli {

/// Takes the next piece of a file's content.
using text_sink = std::function<void(std::string_view)>;

/// Writes a file so that readers see the old one or the complete new one, never a part: a temporary name
/// beside it, flushed, then renamed. Missing parent folders are made.
/// @param fill Produces the content piece by piece; its fault ends the writing and leaves the old file.
/// @returns errc::store_unreadable or errc::store_full with the path.
result<void> write_file_atomically(const std::filesystem::path& path,
                                   const std::function<result<void>(const text_sink&)>& fill);
result<void> write_file_atomically(const std::filesystem::path& path, std::string_view content);

/// Reads a whole file of at most @p most bytes.
result<std::string> read_file(const std::filesystem::path& path, size_t most = size_t{16} << 20);

/// @returns @p name with every character that is awkward in a file name replaced by `_`.
std::string as_file_name(std::string_view name);

} // namespace assay::cli
