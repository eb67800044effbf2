#pragma once

#include "actors/monitoring/monitor.hpp"

#include <memory>

namespace assay::storage {
class store;
}

namespace assay {

/// @returns what the monitor reads of @p store.
statistics_reader make_statistics_reader(std::shared_ptr<storage::store> store);

} // namespace assay
