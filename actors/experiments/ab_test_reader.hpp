#pragma once

#include "core/experiments/ab_test.hpp"
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
  /// What has become of samples of a test's own evaluation @p run since its event @p after, in small parts of
  /// which each is asked for.
  std::function<ab_run_news(const experiments::ab_test& test, uint64_t variant, run_id run, uint64_t after)>
      run_news;
};

ab_test_reader make_ab_test_reader(std::shared_ptr<storage::store> store);

} // namespace assay
