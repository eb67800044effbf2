#pragma once

#include "cli/farm.hpp"

#include <atomic>
#include <functional>
#include <memory>

namespace assay::cli {

/// Hears from the event hub when runs end, so that nobody has to ask often. Hearing nothing is possible (the
/// hub may restart): whoever waits asks now and then all the same.
class run_listener {
public:
  /// @param on_news Called on an actor's thread after each event that is stored; must be quick.
  run_listener(farm& of, std::function<void()> on_news);
  /// Lets go of its actor; must come before the farm stops.
  ~run_listener();
  run_listener(const run_listener&) = delete;
  run_listener& operator=(const run_listener&) = delete;

  void listen(run_id run);

private:
  farm& farm_;
  event_sink_actor sink_;
};

} // namespace assay::cli
