#pragma once

#include "storage/write_transaction.hpp"

#include <cstdint>
#include <vector>

namespace assay::storage::detail {

/// One step forward: what brings data of version `from` to version `from + 1`. All steps of one opening
/// happen in one transaction, so a failed one leaves the old version intact. A step that must touch every row
/// of a large table should rather raise the version byte of the record and let readers take both.
struct migration {
  uint32_t from = 0;
  std::function<result<void>(write_transaction&)> apply;
};

/// What a version of assay expects of the data.
struct schema {
  uint32_t version = 1;
  std::vector<migration> steps; ///< In rising order of `from`.
};

/// The schema of this version of assay. Version 1 is the first release.
schema current_schema();

/// Reads the data's version. @returns 0 for a new store.
result<uint32_t> stored_version(const std::shared_ptr<environment>& environment);

/// Gives a new store its version and brings an older one forward.
/// @returns errc::store_incompatible when the data is newer or a step is missing.
result<void> bring_forward(const std::shared_ptr<environment>& environment, const schema& wanted);

/// @returns errc::store_incompatible unless the data has exactly this version: a reader cannot bring it
/// forward.
result<void> require_version(const std::shared_ptr<environment>& environment, const schema& wanted);

} // namespace assay::storage::detail
