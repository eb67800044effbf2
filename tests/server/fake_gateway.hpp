#pragma once

#include "protocol/actors.hpp"

#include <caf/actor_system.hpp>

#include <cstdint>
#include <mutex>
#include <vector>

namespace assay::server::test {

/// A gateway whose answer depends on the model: `echo` repeats the last message, word by word when streamed,
/// each only when the one before was taken; `silent` never answers, `broken` fails after a first piece,
/// `busy` and `missing` fail at once, `moved`, `no-route`,
/// `unknown-there` and `refused` as a provider's HTTP 308, 404, 404 and 400, `endless` streams until
/// withdrawn. Everything else is an echo. It must outlive its actors.
class fake_gateway {
public:
  gateway_actor spawn(caf::actor_system& system);

  std::vector<model_question> questions() const {
    const std::lock_guard lock{mutex_};
    return questions_;
  }
  size_t withdrawn() const {
    const std::lock_guard lock{mutex_};
    return withdrawn_;
  }
  uint64_t taken() const {
    const std::lock_guard lock{mutex_};
    return taken_;
  }

private:
  mutable std::mutex mutex_;
  std::vector<model_question> questions_;
  size_t withdrawn_ = 0;
  uint64_t taken_ = 0;
};

} // namespace assay::server::test
