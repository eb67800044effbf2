#include "io/detail/client_stream.hpp"

#include "io/address_guard.hpp"
#include "io/detail/answer_reader.hpp"
#include "io/detail/system_resolver.hpp"

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

fault connect_fault(const std::string& name, const std::string& reason, std::string hint = {}) {
  return {errc::connect_failed, "no connection to " + name + ": " + reason, {}, std::move(hint)};
}

fault connect_fault(const origin& where, const std::string& reason, std::string hint = {}) {
  return connect_fault(host_and_port_of(where), reason, std::move(hint));
}

std::string name_of(const proxy_endpoint& proxy) {
  return "the proxy " + proxy.host + ":" + std::to_string(proxy.port);
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

result<void> client_stream::open_socket(const std::string& host, uint16_t port, const std::string& name,
                                        const judge& check) {
  const auto found = resolve_now(host, port, name);
  if (!found)
    return found.error();
  if (check)
    if (auto allowed = check(addresses_in(**found)); !allowed)
      return allowed;
  error_code reason;
  for (const auto* one = found->get(); one != nullptr; one = one->ai_next) {
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
  return connect_fault(name, reason.message());
}

/// RFC 9110, 9.3.6. The server speaks first in neither TLS nor HTTP, so nothing may follow the proxy's
/// answer.
result<void> client_stream::open_tunnel(const origin& where, const proxy_endpoint& proxy) {
  const auto server = host_and_port_of(where);
  const auto refused = [&](const std::string& reason, std::string hint = {}) {
    return connect_fault(server, "through " + name_of(proxy) + ": " + reason, std::move(hint));
  };
  std::string request = "CONNECT " + server + " HTTP/1.1\r\nHost: " + server + "\r\n";
  if (!proxy.authorization.empty())
    request += "Proxy-Authorization: " + proxy.authorization.reveal() + "\r\n";
  request += "\r\n";
  error_code error;
  for (size_t sent = 0; sent < request.size() && !error;)
    sent += write(std::string_view(request).substr(sent), error);
  answer_reader reader;
  reader.begin(0, true);
  std::string unread;
  auto state = answer_reader::progress::more;
  while (state == answer_reader::progress::more && !error) {
    std::array<char, 4096> room{};
    const auto got = read(room.data(), room.size(), error);
    unread.append(room.data(), got);
    size_t used = 0;
    if (!error)
      state = reader.feed(unread, used);
    unread.erase(0, used);
  }
  if (error)
    return refused(error == boost::asio::error::eof ? "it closed the connection" : error.message());
  if (state == answer_reader::progress::failed)
    return refused(reader.message());
  if (const int status = reader.status(); status / 100 != 2)
    return refused("it refused with status " + std::to_string(status),
                   status == 407 ? "put user and password into the proxy's URL"
                                 : "ask the proxy's operator to allow this host, or list it in NO_PROXY");
  if (!unread.empty())
    return refused("it sent data of its own");
  return {};
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

result<void> client_stream::connect(const origin& where, const tls_options& tls,
                                    const std::optional<proxy_endpoint>& proxy, bool tunnel,
                                    const address_guard* guard) {
  close();
  const bool secure = where.scheme == url_scheme::https;
  result<void> opened;
  if (proxy) {
    if (guard)
      opened = guard->check_proxied(where);
    if (opened)
      opened = open_socket(proxy->host, proxy->port, name_of(*proxy), {});
  } else {
    judge check;
    if (guard)
      check = [&](const auto& found) { return guard->check(where, found); };
    opened = open_socket(where.host, where.port, host_and_port_of(where), check);
  }
  if (opened && proxy && (secure || tunnel))
    opened = open_tunnel(where, *proxy);
  if (!opened || !secure)
    return opened;
  return shake_hands(where, tls);
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
