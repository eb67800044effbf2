#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace boost::asio {
class io_context;
}

namespace assay::io {

/// One event loop and the one thread that runs it. Everything asynchronous of a runtime happens on that
/// thread, so what it owns needs no locks.
class io_runtime {
public:
  /// @param name of the thread, as seen in top and gdb; the kernel keeps the first 15 characters.
  explicit io_runtime(std::string name);

  /// Stops and joins.
  ~io_runtime();

  io_runtime(const io_runtime&) = delete;
  io_runtime& operator=(const io_runtime&) = delete;

  /// Starts the thread. Further calls do nothing; a stopped runtime stays stopped.
  void start();

  /// Asks the loop to end: every stop hook runs (pools report what was in flight), then the loop returns.
  /// Does not wait; may be called from any thread and any number of times.
  void stop();

  /// Waits for the thread to end, then runs what was posted too late for the loop. Never call it from the
  /// loop's own thread. What is posted after join() is dropped.
  void join();

  /// Runs @p work on the loop's thread; from any thread.
  void post(std::function<void()> work);

  /// @returns whether the caller is the loop's thread.
  bool on_thread() const noexcept;

  /// @returns whether join() has ended the loop for good.
  bool joined() const noexcept;

  /// Registers @p hook to run on the loop's thread when the runtime stops. @returns its number, or 0 without
  /// registering it when the runtime is stopping already.
  uint64_t at_stop(std::function<void()> hook);

  /// Withdraws the hook with this number.
  void forget(uint64_t hook);

  /// The loop, for the .cpp files of this folder and of servers.
  boost::asio::io_context& context() noexcept;

  /// Keeps the loop's memory (not its thread) alive for objects that may outlive the runtime.
  std::shared_ptr<void> lifeline() const noexcept;

private:
  struct state;
  std::shared_ptr<state> state_;
};

} // namespace assay::io
