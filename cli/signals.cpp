#include "cli/signals.hpp"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <system_error>

namespace assay::cli {

namespace {

sigset_t watched() {
  sigset_t set;
  sigemptyset(&set);
  for (const int one : {SIGINT, SIGTERM, SIGHUP})
    sigaddset(&set, one);
  return set;
}

} // namespace

result<std::unique_ptr<signals>> signals::block() {
  const auto set = watched();
  const int signal_fd = ::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  const int wake_fd = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (signal_fd < 0 || wake_fd < 0 || ::pthread_sigmask(SIG_BLOCK, &set, nullptr) != 0) {
    const auto reason = std::generic_category().message(errno);
    ::close(signal_fd);
    ::close(wake_fd);
    return fault{errc::internal, "signals cannot be received: " + reason, {}, {}};
  }
  return std::unique_ptr<signals>(new signals(signal_fd, wake_fd));
}

signals::~signals() {
  const auto set = watched();
  ::pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
  ::close(signal_fd_);
  ::close(wake_fd_);
}

std::optional<int> signals::wait(milliseconds longest) {
  std::array<pollfd, 2> both{{{signal_fd_, POLLIN, 0}, {wake_fd_, POLLIN, 0}}};
  ::poll(both.data(), both.size(), static_cast<int>(longest.count()));
  uint64_t wakes = 0;
  [[maybe_unused]] const auto cleared = ::read(wake_fd_, &wakes, sizeof wakes);
  signalfd_siginfo info{};
  if (::read(signal_fd_, &info, sizeof info) == static_cast<ssize_t>(sizeof info))
    return static_cast<int>(info.ssi_signo);
  return std::nullopt;
}

void signals::wake() noexcept {
  const uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(wake_fd_, &one, sizeof one);
}

} // namespace assay::cli
