#pragma once

#include "actors/supervision/restart_policy.hpp"

#include <caf/actor_addr.hpp>
#include <caf/error.hpp>
#include <caf/exit_reason.hpp>
#include <caf/send.hpp>

#include <memory>
#include <random>
#include <set>

namespace assay {

/// The addresses of a supervisor's living children. The supervisor hears of a child's end by a down message;
/// when the supervisor ends, whatever the reason, its children end too. Links would not do: an exit by `kill`
/// travels along them and ends the supervisor, handler or not.
class children {
public:
  /// Call once, before the first child.
  template <class Self>
  void shield(Self* self) {
    self->attach_functor([addresses = addresses_](const caf::error&) {
      for (const auto& address : *addresses)
        caf::anon_send_exit(address, caf::exit_reason::kill);
    });
  }

  template <class Self, class Handle>
  void adopt(Self* self, const Handle& child) {
    addresses_->insert(child.address());
    self->monitor(child);
  }

  /// Call for every down message. @returns whether it was a child's.
  bool release(const caf::actor_addr& source) { return addresses_->erase(source) > 0; }

  size_t size() const { return addresses_->size(); }

  bool contains(const caf::actor_addr& source) const { return addresses_->contains(source); }

private:
  /// Shared with the functor that runs when the supervisor has ended.
  std::shared_ptr<std::set<caf::actor_addr>> addresses_ = std::make_shared<std::set<caf::actor_addr>>();
};

/// Chance for backoffs, owned by one actor; a fixed seed makes tests repeatable.
class dice {
public:
  explicit dice(uint64_t seed) : engine_(seed) {}
  /// @returns a number in [0, 1).
  double roll() { return std::uniform_real_distribution<double>{0.0, 1.0}(engine_); }

private:
  std::mt19937_64 engine_;
};

} // namespace assay
