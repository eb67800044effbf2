#pragma once

#include "server/http_session.hpp"
#include "server/services.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <map>
#include <memory>
#include <optional>
#include <string>

namespace assay::server {

/// @returns whether listener::open() could use this address now; listens there for a moment.
result<void> check_listening(const std::string& address, uint16_t port);

/// Accepts connections, keeps to the caps, and knows every session.
class listener {
public:
  /// @param tls Nothing for plain TCP.
  listener(boost::asio::io_context& io, edge_services& edge, boost::asio::ssl::context* tls);

  /// For 127.0.0.1 and localhost the same port of ::1 is listened on too, where there is one: `localhost`
  /// means either. @returns connect_failed when the address cannot be used.
  result<void> open(const std::string& address, uint16_t port);
  uint16_t port() const noexcept { return port_; }

  /// Begins to accept; ends with close().
  void run();

  /// No more connections; idle sessions end now, others after their answer.
  void close();
  /// Ends every session now.
  void abort_sessions() noexcept;
  /// Waits until no session is left, or @p limit has passed. @returns whether none is left.
  boost::asio::awaitable<bool> drained(std::chrono::milliseconds limit);

private:
  boost::asio::awaitable<void> accept_from(boost::asio::ip::tcp::acceptor& acceptor);
  void welcome(boost::asio::ip::tcp::socket socket);
  void refuse(boost::asio::ip::tcp::socket socket, unsigned status, const char* message);
  void forget(uint64_t number, const std::string& peer);

  boost::asio::io_context& io_;
  edge_services& edge_;
  boost::asio::ssl::context* tls_;
  boost::asio::ip::tcp::acceptor acceptor_;
  boost::asio::ip::tcp::acceptor second_; ///< On ::1; closed when there is none.
  boost::asio::steady_timer empty_;       ///< Cancelled when the last session ends.
  uint16_t port_ = 0;
  uint64_t numbers_ = 0;
  std::map<uint64_t, std::weak_ptr<http_session>> sessions_;
  std::map<std::string, size_t> by_address_;
};

} // namespace assay::server
