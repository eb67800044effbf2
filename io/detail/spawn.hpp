#pragma once

#include "core/values/errors.hpp"
#include "io/process.hpp"

#include <sys/types.h>
#include <unistd.h>
#include <utility>

namespace assay::io::detail {

/// A file descriptor with one owner.
class owned_descriptor {
public:
  owned_descriptor() = default;
  explicit owned_descriptor(int descriptor) noexcept : descriptor_(descriptor) {}
  owned_descriptor(owned_descriptor&& other) noexcept : descriptor_(other.release()) {}
  owned_descriptor& operator=(owned_descriptor&& other) noexcept {
    reset(other.release());
    return *this;
  }
  ~owned_descriptor() { reset(-1); }

  int get() const noexcept { return descriptor_; }
  int release() noexcept { return std::exchange(descriptor_, -1); }
  void reset(int descriptor) noexcept {
    const int old = std::exchange(descriptor_, descriptor);
    if (old >= 0)
      ::close(old);
  }

private:
  int descriptor_ = -1;
};

/// A program that runs, and our ends of its pipes.
struct spawned {
  pid_t pid = -1; ///< Also the number of its session and process group.
  owned_descriptor input;
  owned_descriptor output;
  owned_descriptor error;
  owned_descriptor report;     ///< Empty unless process_options::with_report.
  owned_descriptor exit_watch; ///< A pidfd, readable once it has ended; empty where the kernel has none.
};

/// Starts a program; blocks until it executes. @returns errc::not_found when there is no such program or
/// folder, errc::busy when the machine has no room for it, errc::invalid_argument for a command that is empty
/// or not absolute.
result<spawned> spawn(const process_options& options);

} // namespace assay::io::detail
