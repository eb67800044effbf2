#pragma once

#include "protocol/messages/ab_tests.hpp"
#include "storage/store.hpp"

#include <functional>
#include <memory>
#include <string>

namespace assay {

/// What A/B tests read of the store. Called on worker threads.
struct ab_test_reader {
  /// Every test.
  std::function<ab_tests_recalled()> tests;
  /// Hands over the observations whose keys begin with @p prefix, in order, in small parts. The last part,
  /// which comes even after an error, is marked so.
  std::function<void(const std::string& prefix, const std::function<void(ab_observations_recalled&&)>& part)>
      observations;
};

ab_test_reader make_ab_test_reader(std::shared_ptr<storage::store> store);

} // namespace assay
