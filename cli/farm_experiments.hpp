#pragma once

#include "actors/experiments/experiment_supervisor.hpp"
#include "cli/farm.hpp"

#include <memory>

namespace assay::cli {

/// How the farm keeps experiments, siblings left out.
experiment_supervisor_config experiments_from(const farm_options& options,
                                              const std::shared_ptr<storage::store>& store,
                                              const std::shared_ptr<executor>& workers, uint64_t seed);

} // namespace assay::cli
