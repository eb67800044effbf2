#pragma once

#include "core/values/errors.hpp"
#include "storage/output_folder.hpp"

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

namespace assay::cli {

using storage::as_file_name;
using storage::text_sink;

/// Writes a file so that readers see the old one or the complete new one, never a part: a temporary name
/// beside it, flushed, then renamed. Missing parent folders are made.
/// @param fill Produces the content piece by piece; its fault ends the writing and leaves the old file.
/// @returns errc::store_unreadable or errc::store_full with the path.
result<void> write_file_atomically(const std::filesystem::path& path,
                                   const std::function<result<void>(const text_sink&)>& fill);
result<void> write_file_atomically(const std::filesystem::path& path, std::string_view content);

/// @returns invalid_argument when the folder in which a `--port-file` shall appear does not exist: whoever
/// waits for the file looks for it elsewhere. An empty path is fine.
result<void> check_port_file(const std::filesystem::path& path);

/// Reads a whole file of at most @p most bytes.
result<std::string> read_file(const std::filesystem::path& path, size_t most = size_t{16} << 20);

} // namespace assay::cli
