#pragma once

#include "server/auth/documents.hpp"
#include "server/farm_access.hpp"
#include "server/reader_pool.hpp"

#include <memory>

namespace assay::storage {
class store;
}

namespace assay::server {

/// Users and tokens in the farm's store: read through snapshots, written through the journal. What it is
/// given must outlive it.
std::shared_ptr<document_store> make_stored_documents(std::shared_ptr<storage::store> store,
                                                      farm_access& farm, reader_pool& readers);

} // namespace assay::server
