#include "io/detail/client_stream.hpp"

#include <boost/asio/error.hpp>

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace assay::io::detail {

namespace {

using boost::system::error_code;

error_code system_error_code(int error) { return {error, boost::system::system_category()}; }

fault connect_fault(const origin& where, const std::string& reason, std::string hint = {}) {
  return {errc::connect_failed,
          "no connection to " + host_and_port_of(where) + ": " + reason,
          {},
          std::move(hint)};
}

} // namespace

error_code client_stream::wait(bool to_write) {
  int longest = -1;
  if (deadline_) {
    const auto left = std::chrono::ceil<milliseconds>(*deadline_ - std::chrono::steady_clock::now()).count();
    if (left <= 0)
      return boost::asio::error::timed_out;
    longest = static_cast<int>(std::min<int64_t>(left, 3'600'000));
  }
  std::array<pollfd, 2> both{
      {{socket_, static_cast<short>(to_write ? POLLOUT : POLLIN), 0}, {wake_fd_, POLLIN, 0}}};
  const int ready = ::poll(both.data(), wake_fd_ >= 0 ? 2 : 1, longest);
  if (ready < 0)
    return errno == EINTR ? error_code{} : system_error_code(errno);
  if (ready == 0)
    return boost::asio::error::timed_out;
  if (both[1].revents != 0 && both[0].revents == 0)
    return boost::asio::error::operation_aborted;
  return {};
}

size_t client_stream::read(char* into, size_t room, error_code& error) {
  while (true) {
    size_t got = 0;
    auto state = tls_stream::outcome::ok;
    if (tls_) {
      state = tls_.read(into, room, got);
    } else {
      const auto count = ::recv(socket_, into, room, 0);
      if (count > 0)
        got = static_cast<size_t>(count);
      else if (count == 0)
        state = tls_stream::outcome::ended;
      else
        state =
            errno == EAGAIN || errno == EINTR ? tls_stream::outcome::want_read : tls_stream::outcome::failed;
    }
    switch (state) {
    case tls_stream::outcome::ok:
      error = {};
      return got;
    case tls_stream::outcome::ended:
      error = boost::asio::error::eof;
      return 0;
    case tls_stream::outcome::failed:
      error = boost::asio::error::connection_reset;
      return 0;
    case tls_stream::outcome::want_read:
    case tls_stream::outcome::want_write:
      error = wait(state == tls_stream::outcome::want_write);
      if (error)
        return 0;
    }
  }
}

size_t client_stream::write(std::string_view bytes, error_code& error) {
  while (true) {
    size_t taken = 0;
    auto state = tls_stream::outcome::ok;
    if (tls_) {
      state = tls_.write(bytes, taken);
    } else {
      const auto count = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (count >= 0)
        taken = static_cast<size_t>(count);
      else
        state =
            errno == EAGAIN || errno == EINTR ? tls_stream::outcome::want_write : tls_stream::outcome::failed;
    }
    // What TLS has taken is gone, also when it wants to wait before the rest.
    if (state == tls_stream::outcome::ok || taken > 0) {
      error = {};
      return taken;
    }
    if (state == tls_stream::outcome::ended || state == tls_stream::outcome::failed) {
      error = boost::asio::error::connection_reset;
      return 0;
    }
    error = wait(state == tls_stream::outcome::want_write);
    if (error)
      return 0;
  }
}

result<void> client_stream::open_socket(const origin& where) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (const int code = ::getaddrinfo(where.host.c_str(), std::to_string(where.port).c_str(), &hints, &found);
      code != 0)
    return connect_fault(where, ::gai_strerror(code), "check the host's name");
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> addresses(found, &::freeaddrinfo);
  error_code reason;
  for (const auto* one = found; one != nullptr; one = one->ai_next) {
    socket_ = ::socket(one->ai_family, one->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, one->ai_protocol);
    if (socket_ >= 0) {
      const int yes = 1;
      ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
      reason = {};
      if (::connect(socket_, one->ai_addr, one->ai_addrlen) != 0)
        reason = errno == EINPROGRESS ? wait(true) : system_error_code(errno);
      int error = 0;
      socklen_t size = sizeof error;
      if (!reason && ::getsockopt(socket_, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error == 0)
        return {};
      if (!reason)
        reason = system_error_code(error);
      ::close(socket_);
      socket_ = -1;
    } else {
      reason = system_error_code(errno);
    }
  }
  return connect_fault(where, reason.message());
}

result<void> client_stream::shake_hands(const origin& where, const tls_options& tls) {
  auto made = tls_context::make(tls, where.host);
  if (!made)
    return made.error();
  tls_context_ = std::move(*made);
  if (!tls_.open(*tls_context_, socket_))
    return connect_fault(where, "TLS is out of memory");
  while (true) {
    const auto state = tls_.handshake();
    if (state == tls_stream::outcome::ok)
      return {};
    if (state == tls_stream::outcome::ended || state == tls_stream::outcome::failed) {
      const auto why = tls_.why();
      return connect_fault(where, why.message, why.hint);
    }
    if (const auto error = wait(state == tls_stream::outcome::want_write))
      return connect_fault(where, error.message());
  }
}

result<void> client_stream::connect(const origin& where, const tls_options& tls) {
  close();
  if (auto opened = open_socket(where); !opened)
    return opened;
  return where.scheme == url_scheme::https ? shake_hands(where, tls) : result<void>{};
}

void client_stream::close() noexcept {
  tls_.reset();
  if (socket_ >= 0)
    ::close(socket_);
  socket_ = -1;
}

void teardown(boost::beast::role_type, client_stream& stream, error_code& error) {
  stream.close();
  error = {};
}

void beast_close_socket(client_stream& stream) { stream.close(); }

} // namespace assay::io::detail
