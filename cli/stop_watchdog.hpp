#pragma once

#include "core/values/time.hpp"

#include <functional>
#include <string>
#include <thread>

namespace assay::cli {

/// Ends a process whose farm does not end: an actor whose handle somebody kept would otherwise hold it for
/// ever. Does nothing unless it is armed, and nothing more once it is destroyed.
class stop_watchdog {
public:
  /// @param who_lives Called when the patience is over, from a thread of its own.
  /// @param give_up Called after it with what it said; usually does not return.
  void arm(milliseconds patience, std::function<std::string()> who_lives,
           std::function<void(const std::string&)> give_up);

private:
  std::jthread watch_; ///< Its destructor asks it to end, and waits.
};

/// Says on the log who is still there, then aborts.
void abort_with(const std::string& who_lives);

} // namespace assay::cli
