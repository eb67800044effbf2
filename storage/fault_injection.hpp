#pragma once

#include <cstdint>
#include <functional>

namespace assay::storage {

/// The places where the store can be made to fail.
enum class store_operation : uint8_t {
  begin,     ///< Before a write transaction starts.
  put,       ///< Before a row is written or erased.
  commit,    ///< Instead of a commit.
  committed, ///< After a commit, before anyone hears of it; the answer is ignored.
  grow,      ///< Instead of enlarging the map.
};

/// What an operation pretends to have met.
enum class injected_error : uint8_t {
  none,
  disk_full, ///< ENOSPC
  io_error,  ///< EIO
  map_full,  ///< MDB_MAP_FULL
};

/// Asked before each operation, on the thread that does it. Empty outside tests.
using fault_injector = std::function<injected_error(store_operation)>;

} // namespace assay::storage
