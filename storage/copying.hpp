#pragma once

#include "storage/environment.hpp"

#include <filesystem>

namespace assay::storage::detail {

/// Writes a consistent copy of the environment to the new file @p target and flushes it. On an error the file
/// is removed again. @returns its size.
result<uint64_t> copy_environment(environment& from, const std::filesystem::path& target, bool compact);

} // namespace assay::storage::detail
