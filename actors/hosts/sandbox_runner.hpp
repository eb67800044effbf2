#pragma once

#include "core/values/sandbox.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace assay {

/// The outside of the sandbox actor: starts programs and tells of their ends.
class sandbox_runner {
public:
  /// Ends what still runs; nothing is told of it.
  virtual ~sandbox_runner() = default;

  /// Starts @p job, whose id is the caller's ticket, unique among all it starts. Its result comes once.
  /// @param slot Jobs that run at the same time have different ones, from 0.
  virtual void start(const sandbox_job& job, uint32_t slot) = 0;

  /// Ends a job early; its result still comes.
  virtual void kill(uint64_t ticket) = 0;

  /// A job that finds out what the sandbox holds here, and what its result says.
  struct findings {
    bool available = false;
    fault reason; ///< Why not.
    std::vector<std::string> limits;
  };
  virtual sandbox_job examination() const = 0;
  virtual findings read_examination(const sandbox_result& result) const = 0;
};

/// Where a runner delivers; called on any thread.
using sandbox_runner_sink = std::function<void(sandbox_result)>;

using sandbox_runner_factory = std::function<std::unique_ptr<sandbox_runner>(sandbox_runner_sink)>;

} // namespace assay
