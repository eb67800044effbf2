#pragma once

#include "protocol/messages/experiments.hpp"
#include "storage/store.hpp"

#include <functional>
#include <memory>
#include <string>

namespace assay {

/// What experiments read of the store. Called on worker threads.
struct experiment_reader {
  /// Every experiment, without its children.
  std::function<experiments_recalled()> experiments;
  /// The children whose keys begin with @p prefix, in order.
  std::function<experiment_children_recalled(const std::string& prefix)> children;
};

experiment_reader make_experiment_reader(std::shared_ptr<storage::store> store);

} // namespace assay
