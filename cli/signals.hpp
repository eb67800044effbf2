#pragma once

#include "core/values/errors.hpp"
#include "core/values/time.hpp"

#include <memory>
#include <optional>

namespace assay::cli {

/// Turns SIGINT, SIGTERM and SIGHUP into values that the main thread waits for. Must be made before any other
/// thread, which then inherits that these signals are blocked.
class signals {
public:
  static result<std::unique_ptr<signals>> block();
  /// Lets the signals act again.
  ~signals();
  signals(const signals&) = delete;
  signals& operator=(const signals&) = delete;

  /// Waits for a signal, for wake(), or until @p longest has passed. @returns the signal's number.
  std::optional<int> wait(milliseconds longest);

  /// Becomes readable when a signal has come; for others that wait.
  int descriptor() const noexcept { return signal_fd_; }

  /// Ends a wait; from any thread.
  void wake() noexcept;

private:
  signals(int signal_fd, int wake_fd) noexcept : signal_fd_(signal_fd), wake_fd_(wake_fd) {}

  const int signal_fd_;
  const int wake_fd_;
};

} // namespace assay::cli
