#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/steady_timer.hpp>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>

namespace assay::io::test {

using boost::asio::awaitable;

/// The server's side of one connection, for scripts. Sending and reading throw when the client is gone, which
/// ends the script.
class peer {
public:
  peer(boost::asio::ip::tcp::socket socket, int number) : socket_(std::move(socket)), number_(number) {}

  /// 0 for the first connection that the server accepted.
  int number() const noexcept { return number_; }

  /// Reads one request with its body (by Content-Length). Throws at the end of the stream.
  awaitable<std::string> request();

  /// @returns whether bytes of a further request have come along with the last one.
  bool more_came() const noexcept { return !buffer_.empty(); }

  /// Reads as far as the empty line only, leaving the body unread.
  awaitable<std::string> request_head();

  awaitable<void> send(std::string bytes);

  /// Answers 200 with this body and a Content-Length.
  awaitable<void> answer(std::string body, std::string more_headers = "");

  /// Reads and drops until the client closes.
  awaitable<void> until_closed();

  /// Makes the rest of the connection TLS, as its server.
  awaitable<void> start_tls(boost::asio::ssl::context& context);

  /// Closes with FIN, without TLS's goodbye.
  void close();

  /// Closes with RST.
  void reset();

private:
  awaitable<size_t> read_some(char* into, size_t room);

  boost::asio::ip::tcp::socket socket_;
  int number_;
  std::unique_ptr<boost::asio::ssl::stream<boost::asio::ip::tcp::socket&>> tls_;
  std::string buffer_;
};

/// A TCP server on loopback that treats each connection as the test's script says.
class script_server {
public:
  using script = std::function<awaitable<void>(peer&)>;

  /// @param tls when given, connections start with a TLS handshake.
  explicit script_server(script treat, std::shared_ptr<boost::asio::ssl::context> tls = {});
  ~script_server();

  uint16_t port() const noexcept { return port_; }
  int accepted() const noexcept { return accepted_; }

  /// For scripts: waits until the test has opened gates so often.
  awaitable<void> gate(int number = 1);
  void open_gate();

private:
  awaitable<void> accept_all();
  awaitable<void> treat_one(std::shared_ptr<peer> client);

  script treat_;
  std::shared_ptr<boost::asio::ssl::context> tls_;
  boost::asio::io_context context_;
  boost::asio::ip::tcp::acceptor acceptor_;
  boost::asio::steady_timer gate_;
  int gates_open_ = 0;
  uint16_t port_ = 0;
  std::atomic<int> accepted_{0};
  std::thread thread_;
};

} // namespace assay::io::test
