#pragma once

#include "mock/options.hpp"

#include <nlohmann/json_fwd.hpp>

#include <atomic>
#include <mutex>

namespace assay::mock {

/// What a rule looks at.
struct fault_candidate {
  std::string_view path;
  std::string_view model;
  std::string_view key_hash;
  bool model_call = true;  ///< Chat, embeddings, counting: what a rule without a path strikes.
  bool batch_line = false; ///< Struck by rules whose path begins with `batch:` only.
};

/// The faults in force and how often each struck. Thread-safe.
class fault_script {
public:
  explicit fault_script(uint64_t seed, std::vector<fault_rule> rules);

  /// @returns the rule that strikes this call, or one of kind none.
  fault_rule pick(const fault_candidate& call);
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
