#include "server/listener.hpp"

#include "server/auth/passwords.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include <spdlog/spdlog.h>

namespace assay::server {

namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

auto into(error_code& error) { return asio::redirect_error(asio::use_awaitable, error); }

asio::ip::address plain(const asio::ip::address& address) {
  if (address.is_v6() && address.to_v6().is_v4_mapped())
    return asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6());
  return address;
}

result<void> listen_on(tcp::acceptor& acceptor, const asio::ip::address& address, uint16_t port) {
  const tcp::endpoint endpoint{address, port};
  const auto refused = [&](const char* doing, const error_code& error) {
    return fault{errc::conflict, std::string("cannot ") + doing + ": " + error.message(),
                 address.to_string() + ":" + std::to_string(port), "choose another --host or --port"};
  };
  error_code error;
  acceptor.open(endpoint.protocol(), error);
  if (error)
    return refused("open a socket", error);
  acceptor.set_option(asio::socket_base::reuse_address(true), error);
  if (!error)
    acceptor.bind(endpoint, error);
  if (error)
    return refused("use the address", error);
  acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (error)
    return refused("listen", error);
  return {};
}

result<asio::ip::address> address_from(const std::string& text) {
  if (text == "localhost")
    return asio::ip::address{asio::ip::address_v4::loopback()};
  error_code error;
  const auto address = asio::ip::make_address(text, error);
  if (error)
    return fault{errc::invalid_argument, "is no IP address: " + text, "server.host",
                 "use 127.0.0.1 or 0.0.0.0"};
  return address;
}

} // namespace

result<void> check_listening(const std::string& address, uint16_t port) {
  const auto where = address_from(address);
  if (!where)
    return where.error();
  asio::io_context io;
  tcp::acceptor acceptor(io);
  return listen_on(acceptor, *where, port);
}

listener::listener(asio::io_context& io, edge_services& edge, asio::ssl::context* tls)
    : io_(io), edge_(edge), tls_(tls), acceptor_(io), second_(io), empty_(io) {}

result<void> listener::open(const std::string& address, uint16_t port) {
  const auto where = address_from(address);
  if (!where)
    return where.error();
  if (auto opened = listen_on(acceptor_, *where, port); !opened)
    return opened;
  error_code error;
  port_ = acceptor_.local_endpoint(error).port();
  if (*where != asio::ip::address{asio::ip::address_v4::loopback()})
    return {};
  if (auto opened = listen_on(second_, asio::ip::address_v6::loopback(), port_); !opened) {
    second_.close(error);
    edge_.log.debug("nothing listens on ::1 reason=\"{}\"", opened.error().message);
  }
  return {};
}

void listener::run() {
  for (auto* acceptor : {&acceptor_, &second_})
    if (acceptor->is_open())
      asio::co_spawn(io_, accept_from(*acceptor), asio::detached);
}

asio::awaitable<void> listener::accept_from(tcp::acceptor& acceptor) {
  while (acceptor.is_open()) {
    error_code error;
    tcp::socket socket{io_};
    co_await acceptor.async_accept(socket, into(error));
    if (!acceptor.is_open())
      co_return;
    if (error) {
      // Out of descriptors, most likely: accepting again at once would only burn the processor.
      edge_.log.warn("accept failed error=\"{}\"", error.message());
      asio::steady_timer pause{io_, std::chrono::milliseconds{100}};
      co_await pause.async_wait(into(error));
    } else {
      welcome(std::move(socket));
    }
  }
}

void listener::welcome(tcp::socket socket) {
  error_code error;
  const auto endpoint = socket.remote_endpoint(error);
  if (error)
    return;
  socket.set_option(tcp::no_delay(true), error);
  const auto address = plain(endpoint.address());
  const auto peer = address.to_string();
  const auto& limits = edge_.options.limits;
  if (sessions_.size() >= limits.connections)
    return refuse(std::move(socket), 503, "the server has too many connections");
  if (by_address_[peer] >= limits.connections_per_address)
    return refuse(std::move(socket), 429, "this address has too many connections");
  ++by_address_[peer];
  ++edge_.counters.connections_accepted;
  ++edge_.counters.connections_open;
  const auto number = ++numbers_;
  auto stream = tls_ ? net_stream{std::move(socket), *tls_} : net_stream{std::move(socket)};
  const auto session =
      std::make_shared<http_session>(std::move(stream), edge_, peer, address.is_loopback(), tls_ != nullptr);
  sessions_.emplace(number, session);
  asio::co_spawn(
      io_, [session]() -> asio::awaitable<void> { co_await session->run(); },
      [this, number, peer](const std::exception_ptr& thrown) {
        forget(number, peer);
        if (!thrown)
          return;
        try {
          std::rethrow_exception(thrown);
        } catch (const std::exception& failure) {
          edge_.log.error("session failed peer={} error=\"{}\"", peer, failure.what());
        }
      });
}

void listener::refuse(tcp::socket socket, unsigned status, const char* message) {
  ++edge_.counters.connections_refused;
  // A TLS peer could not read it.
  if (tls_)
    return;
  const exchange_facts facts{"req_" + random_hex(8), edge_.options.time.wall(), {}};
  auto what = http_problem(family::engine, status, message, "close connections that are not used");
  if (status == 503)
    what.code = "SERVICE_UNAVAILABLE";
  const auto body = error_body(family::engine, what, facts);
  std::string text = "HTTP/1.1 " + std::to_string(status) + " ";
  text.append(status_phrase(status))
      .append("\r\nContent-Type: application/json\r\nRetry-After: 1\r\nConnection: close\r\n")
      .append("X-Process-Time: 0.00ms\r\nX-Request-Id: ")
      .append(facts.request_id)
      .append("\r\n");
  text.append("Content-Length: ").append(std::to_string(body.size())).append("\r\n\r\n").append(body);
  // A fresh socket takes a few hundred bytes at once, and nobody waits for this one.
  error_code error;
  socket.non_blocking(true, error);
  socket.write_some(asio::buffer(text), error);
  socket.shutdown(tcp::socket::shutdown_send, error);
}

void listener::forget(uint64_t number, const std::string& peer) {
  sessions_.erase(number);
  --edge_.counters.connections_open;
  const auto it = by_address_.find(peer);
  if (it != by_address_.end() && --it->second == 0)
    by_address_.erase(it);
  if (sessions_.empty())
    empty_.cancel();
}

void listener::close() {
  error_code ignored;
  acceptor_.close(ignored);
  second_.close(ignored);
  for (const auto& [number, one] : sessions_)
    if (const auto session = one.lock())
      session->finish();
}

void listener::abort_sessions() noexcept {
  for (const auto& [number, one] : sessions_)
    if (const auto session = one.lock())
      session->close();
}

asio::awaitable<bool> listener::drained(std::chrono::milliseconds limit) {
  if (!sessions_.empty()) {
    error_code ignored;
    empty_.expires_after(limit);
    co_await empty_.async_wait(into(ignored));
  }
  co_return sessions_.empty();
}

} // namespace assay::server
