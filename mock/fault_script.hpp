#pragma once

#include "mock/options.hpp"

#include <nlohmann/json_fwd.hpp>

#include <atomic>
#include <mutex>

namespace assay::mock {

/// The faults in force and how often each struck. Thread-safe.
class fault_script {
public:
  explicit fault_script(uint64_t seed, std::vector<fault_rule> rules);

  /// @returns the rule that strikes this call, or one of kind none.
  fault_rule pick(std::string_view path, std::string_view model);
  /// Replaces all rules; their counts begin at zero.
  void replace(std::vector<fault_rule> rules);
  /// The rules with their counts: `matched` (candidates) and `struck`.
  nlohmann::json to_json() const;

private:
  struct counted_rule {
    fault_rule rule;
    uint64_t matched = 0;
    uint64_t struck = 0;
  };

  const uint64_t seed_;
  std::atomic<bool> empty_{true}; ///< Spares the lock in the usual case.
  mutable std::mutex mutex_;
  std::vector<counted_rule> rules_;
};

} // namespace assay::mock
