#include "cli/reachable.hpp"

#include "io/url.hpp"

#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <system_error>

namespace assay::cli {

namespace {

class socket_fd {
public:
  explicit socket_fd(int fd) noexcept : fd_(fd) {}
  ~socket_fd() {
    if (fd_ >= 0)
      ::close(fd_);
  }
  socket_fd(const socket_fd&) = delete;
  socket_fd& operator=(const socket_fd&) = delete;
  int get() const noexcept { return fd_; }

private:
  const int fd_;
};

using addresses = std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)>;

addresses resolve(const std::string& host, uint16_t port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found) != 0)
    found = nullptr;
  return {found, &::freeaddrinfo};
}

fault unreachable(const std::string& host, uint16_t port, const std::string& reason) {
  return {errc::connect_failed,
          "nothing answers at " + host + ":" + std::to_string(port) + ": " + reason,
          {},
          {}};
}

/// @returns 0, or the error of connecting.
int try_connect(const addrinfo& to, milliseconds timeout) {
  const socket_fd fd(::socket(to.ai_family, to.ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, to.ai_protocol));
  if (fd.get() < 0)
    return errno;
  if (::connect(fd.get(), to.ai_addr, to.ai_addrlen) == 0)
    return 0;
  if (errno != EINPROGRESS)
    return errno;
  pollfd wait{fd.get(), POLLOUT, 0};
  if (::poll(&wait, 1, static_cast<int>(timeout.count())) != 1)
    return ETIMEDOUT;
  int error = 0;
  socklen_t size = sizeof error;
  ::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &size);
  return error;
}

} // namespace

result<void> check_listening(const std::string& host, uint16_t port, milliseconds timeout) {
  const auto found = resolve(host, port);
  if (!found)
    return unreachable(host, port, "the name is unknown");
  int error = 0;
  for (const auto* one = found.get(); one != nullptr; one = one->ai_next) {
    error = try_connect(*one, timeout);
    if (error == 0)
      return {};
  }
  return unreachable(host, port, std::generic_category().message(error));
}

result<void> check_listening(const std::string& base_url, milliseconds timeout) {
  const auto where = io::parse_base_url(base_url);
  if (!where)
    return where.error();
  return check_listening(where->host, where->port, timeout);
}

result<void> check_port_free(const std::string& host, uint16_t port) {
  const auto found = resolve(host, port);
  if (!found)
    return fault{errc::invalid_argument, "the address " + host + " is unknown", "server.host", {}};
  const socket_fd fd(::socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int yes = 1;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  if (fd.get() < 0 || ::bind(fd.get(), found->ai_addr, found->ai_addrlen) != 0 || ::listen(fd.get(), 1) != 0)
    return fault{errc::conflict,
                 "cannot listen on " + host + ":" + std::to_string(port) + ": "
                     + std::generic_category().message(errno),
                 "server.port", "choose another with --port"};
  return {};
}

} // namespace assay::cli
