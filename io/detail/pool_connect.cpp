#include "io/detail/pool_engine.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

namespace assay::io::detail {

namespace {

void set_option(int socket, int level, int name, int value) noexcept {
  ::setsockopt(socket, level, name, &value, sizeof value); // an option that is refused costs only comfort
}

std::string text_of(const boost::asio::ip::tcp::endpoint& where) {
  const std::string address = where.address().to_string();
  return (where.address().is_v6() ? "[" + address + "]" : address) + ":" + std::to_string(where.port());
}

std::string with_hint(std::string message, const std::string& hint) {
  return hint.empty() ? message : std::move(message) + " (" + hint + ")";
}

} // namespace

void pool_engine::open_connection(exchange* resend) {
  if (spare_.empty()) {
    connections_.push_back(std::make_unique<connection>());
    spare_.push_back(connections_.back().get());
  }
  connection& c = *spare_.back();
  spare_.pop_back();
  c.at = phase::resolving;
  c.wants_write = c.used = c.write_failed = c.paused = false;
  c.work = resend;
  c.sent_bytes = c.sent_before = 0;
  c.next_address = 0;
  c.last_failure.clear();
  c.connect_deadline = now_ + setup_.connect_timeout;
  opening_.push_back(c);
  ++open_count_;
  ++opening_count_;
  ++opened_total_;
  if (resend) {
    resend->on = &c;
    ++resend_count_;
  }
  schedule(c, c.connect_deadline);
  c.addresses = resolver_.known(now_);
  if (c.addresses) {
    dial_next(c);
    return;
  }
  resolver_.look_up([weak = weak_from_this()](const address_list& found, const fault& reason) {
    if (const auto self = weak.lock())
      self->on_resolved(found, reason);
  });
}

void pool_engine::on_resolved(const address_list& found, const fault& reason) {
  begin_turn();
  std::vector<connection*> ready;
  for (connection& c : opening_)
    if (c.at == phase::resolving)
      ready.push_back(&c);
  for (connection* c : ready) {
    if (c->at != phase::resolving)
      continue;
    c->addresses = found;
    if (found)
      dial_next(*c);
    else
      refused(*c, reason.code, with_hint(reason.message, reason.hint));
  }
  end_turn();
}

void pool_engine::dial_next(connection& c) {
  while (c.next_address < c.addresses->size()) {
    // Every address left gets its share of the time left, or a dead one would use up all of it.
    const auto left = static_cast<int64_t>(c.addresses->size() - c.next_address);
    schedule(c, now_ + (c.connect_deadline - now_) / left);
    if (try_dial(c))
      return;
    close_socket(c);
  }
  resolver_.forget();
  connect_failed(c, c.last_failure + " (check that it runs and that no firewall is in between)");
}

bool pool_engine::try_dial(connection& c) {
  const auto& where = (*c.addresses)[c.next_address++];
  c.at = phase::dialling;
  c.socket = ::socket(where.protocol().family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
  if (c.socket < 0) {
    c.last_failure =
        std::string("no socket can be opened: ") + std::strerror(errno)
        + (errno == EMFILE || errno == ENFILE ? "; raise ulimit -n or lower max_connections" : "");
    return false;
  }
  set_option(c.socket, IPPROTO_TCP, TCP_NODELAY, 1);
  // A call may be silent for minutes; without probes, routers on the way forget the connection.
  set_option(c.socket, SOL_SOCKET, SO_KEEPALIVE, 1);
  set_option(c.socket, IPPROTO_TCP, TCP_KEEPIDLE, 60);
  set_option(c.socket, IPPROTO_TCP, TCP_KEEPINTVL, 15);
  set_option(c.socket, IPPROTO_TCP, TCP_KEEPCNT, 4);

  if (::connect(c.socket, where.data(), static_cast<socklen_t>(where.size())) != 0 && errno != EINPROGRESS) {
    c.last_failure = "TCP connection to " + text_of(where) + ": " + std::strerror(errno);
    return false;
  }
  if (!watch(c, true)) {
    c.last_failure = std::string("the socket cannot be watched: ") + std::strerror(errno);
    return false;
  }
  return true;
}

void pool_engine::on_dialled(connection& c) {
  int code = 0;
  socklen_t size = sizeof code;
  if (::getsockopt(c.socket, SOL_SOCKET, SO_ERROR, &code, &size) != 0)
    code = errno;
  const auto& where = (*c.addresses)[c.next_address - 1];
  if (code != 0) {
    c.last_failure = "TCP connection to " + text_of(where) + ": " + std::strerror(code);
    close_socket(c);
    dial_next(c);
    return;
  }
  resolver_.prefer(where);
  schedule(c, c.connect_deadline);
  want_write(c, false);
  if (!setup_.tunnel_request.empty())
    start_tunnel(c);
  else
    on_connected(c);
}

void pool_engine::on_connected(connection& c) {
  if (setup_.tls)
    start_handshake(c);
  else
    become_ready(c);
}

void pool_engine::start_tunnel(connection& c) {
  c.at = phase::tunnelling;
  c.reader.begin(0, true);
  // A fresh socket's buffer holds any CONNECT; one that does not is broken.
  const ssize_t sent =
      ::send(c.socket, setup_.tunnel_request.data(), setup_.tunnel_request.size(), MSG_NOSIGNAL);
  if (sent != static_cast<ssize_t>(setup_.tunnel_request.size()))
    connect_failed(c, "CONNECT cannot be sent to " + setup_.dial_name + ": "
                          + (sent < 0 ? std::strerror(errno) : "it takes no data"));
  else
    c.sent_bytes += static_cast<uint64_t>(sent);
}

void pool_engine::on_tunnel(connection& c) {
  std::string_view bytes;
  std::string reason;
  bool full = false;
  const std::string what = "CONNECT " + setup_.server_name + " through " + setup_.dial_name + ": ";
  switch (receive(c, bytes, full, reason)) {
  case received::nothing:
    return;
  case received::ended:
    connect_failed(c, what + "the proxy closed the connection");
    return;
  case received::broken:
    connect_failed(c, what + reason);
    return;
  case received::bytes:
    break;
  }
  size_t used = 0;
  switch (c.reader.feed(bytes, used)) {
  case answer_reader::progress::more:
    c.unread.assign(bytes.substr(used));
    return;
  case answer_reader::progress::failed:
    connect_failed(c, what + c.reader.message());
    return;
  case answer_reader::progress::done:
    break;
  }
  const int status = c.reader.status();
  if (status / 100 != 2) {
    connect_failed(c, what + "the proxy refused with status " + std::to_string(status)
                          + (status == 407
                                 ? " (put user and password into the proxy's URL)"
                                 : " (ask the proxy's operator to allow this host, or list it in no_proxy)"));
    return;
  }
  if (used != bytes.size()) {
    connect_failed(c, what + "the proxy sent data before TLS began");
    return;
  }
  c.unread.clear();
  c.reader.release();
  on_connected(c);
}

void pool_engine::start_handshake(connection& c) {
  c.at = phase::handshaking;
  if (!c.tls.open(*setup_.tls, c.socket))
    connect_failed(c, "TLS could not start: out of memory");
  else
    on_handshake(c);
}

void pool_engine::on_handshake(connection& c) {
  switch (c.tls.handshake()) {
  case tls_stream::outcome::want_read:
    want_write(c, false);
    return;
  case tls_stream::outcome::want_write:
    want_write(c, true);
    return;
  case tls_stream::outcome::ok:
    want_write(c, false);
    become_ready(c);
    return;
  case tls_stream::outcome::ended:
  case tls_stream::outcome::failed:
    break;
  }
  const fault reason = c.tls.why();
  connect_failed(c,
                 with_hint("TLS handshake with " + setup_.server_name + ": " + reason.message, reason.hint));
}

void pool_engine::on_connect_timeout(connection& c) {
  if (c.at == phase::dialling) {
    c.last_failure =
        "TCP connection to " + text_of((*c.addresses)[c.next_address - 1]) + ": no answer in time";
    close_socket(c);
    if (now_ < c.connect_deadline) {
      dial_next(c);
      return;
    }
  }
  const std::string limit = " took longer than " + std::to_string(setup_.connect_timeout.count()) + " ms";
  switch (c.at) {
  case phase::resolving:
    connect_failed(c, "resolving the name " + setup_.dial_host + limit + " (check this machine's DNS)");
    break;
  case phase::tunnelling:
    connect_failed(c, "CONNECT " + setup_.server_name + " through " + setup_.dial_name + limit);
    break;
  case phase::handshaking:
    connect_failed(c, "TLS handshake with " + setup_.server_name + limit);
    break;
  default:
    resolver_.forget();
    connect_failed(c, c.last_failure + " (check that it runs and that no firewall is in between)");
  }
}

void pool_engine::connect_failed(connection& c, std::string message) {
  refused(c, errc::connect_failed, std::move(message));
}

void pool_engine::refused(connection& c, errc code, std::string message) {
  exchange* victim = c.work;
  close_connection(c);
  if (!victim && !waiting_.empty())
    victim = &next_waiting();
  if (victim)
    fail(*victim, code, "no connection to " + setup_.server_name + ": " + std::move(message));
}

void pool_engine::become_ready(connection& c) {
  static_cast<list_hook&>(c).unlink();
  --opening_count_;
  c.addresses.reset();
  if (exchange* resend = c.work) {
    --resend_count_;
    assign(c, *resend);
  } else {
    make_idle(c);
  }
}

void pool_engine::close_socket(connection& c) {
  c.tls.reset();
  if (c.socket >= 0)
    ::close(c.socket); // leaves the epoll set by itself
  c.socket = -1;
  c.wants_write = false;
}

void pool_engine::close_connection(connection& c) {
  if (opening(c)) {
    --opening_count_;
    if (c.work)
      --resend_count_;
  } else if (c.at == phase::idle) {
    --idle_count_;
    c.tls.say_goodbye();
  }
  static_cast<list_hook&>(c).unlink();
  timer_wheel::withdraw(c);
  close_socket(c);
  if (c.work)
    c.work->on = nullptr;
  c.work = nullptr;
  c.at = phase::closed;
  c.addresses.reset();
  std::string().swap(c.unread);
  std::string().swap(c.unsent);
  --open_count_;
  just_closed_.push_back(&c);
}

} // namespace assay::io::detail
