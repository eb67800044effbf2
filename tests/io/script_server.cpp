#include "tests/io/script_server.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include <algorithm>
#include <array>
#include <cstdlib>

namespace assay::io::test {

namespace asio = boost::asio;
using asio::use_awaitable;
using asio::ip::tcp;

awaitable<size_t> peer::read_some(char* into, size_t room) {
  const auto buffer = asio::buffer(into, room);
  if (tls_)
    co_return co_await tls_->async_read_some(buffer, use_awaitable);
  co_return co_await socket_.async_read_some(buffer, use_awaitable);
}

awaitable<std::string> peer::request_head() {
  std::array<char, 16384> room;
  for (;;) {
    const auto end = buffer_.find("\r\n\r\n");
    if (end != std::string::npos) {
      std::string head = buffer_.substr(0, end + 4);
      buffer_.erase(0, end + 4);
      co_return head;
    }
    const size_t got = co_await read_some(room.data(), room.size());
    buffer_.append(room.data(), got);
  }
}

awaitable<std::string> peer::request() {
  std::string text = co_await request_head();
  const auto at = text.find("Content-Length: ");
  const size_t body = at == std::string::npos ? 0 : static_cast<size_t>(std::atoll(text.c_str() + at + 16));
  std::array<char, 16384> room;
  while (buffer_.size() < body) {
    const size_t got = co_await read_some(room.data(), room.size());
    buffer_.append(room.data(), got);
  }
  text.append(buffer_, 0, body);
  buffer_.erase(0, body);
  co_return text;
}

awaitable<void> peer::send(std::string bytes) {
  if (tls_)
    co_await asio::async_write(*tls_, asio::buffer(bytes), use_awaitable);
  else
    co_await asio::async_write(socket_, asio::buffer(bytes), use_awaitable);
}

awaitable<void> peer::answer(std::string body, std::string more_headers) {
  std::string text = "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n";
  text += more_headers + "\r\n" + body;
  co_await send(std::move(text));
}

awaitable<void> peer::until_closed() {
  std::array<char, 16384> room;
  for (;;) {
    boost::system::error_code ended;
    if (tls_)
      co_await tls_->async_read_some(asio::buffer(room), asio::redirect_error(use_awaitable, ended));
    else
      co_await socket_.async_read_some(asio::buffer(room), asio::redirect_error(use_awaitable, ended));
    if (ended)
      co_return;
  }
}

awaitable<void> peer::start_tls(asio::ssl::context& context) {
  tls_ = std::make_unique<asio::ssl::stream<tcp::socket&>>(socket_, context);
  co_await tls_->async_handshake(asio::ssl::stream_base::server, use_awaitable);
}

void peer::close() {
  boost::system::error_code ignored;
  socket_.shutdown(tcp::socket::shutdown_both, ignored);
  socket_.close(ignored);
}

void peer::reset() {
  boost::system::error_code ignored;
  socket_.set_option(asio::socket_base::linger(true, 0), ignored);
  socket_.close(ignored);
}

script_server::script_server(script treat, std::shared_ptr<asio::ssl::context> tls)
    : treat_(std::move(treat)), tls_(std::move(tls)),
      acceptor_(context_, tcp::endpoint(asio::ip::address_v4::loopback(), 0)), gate_(context_) {
  acceptor_.listen(4096);
  port_ = acceptor_.local_endpoint().port();
  gate_.expires_at(asio::steady_timer::time_point::max());
  asio::co_spawn(context_, accept_all(), asio::detached);
  thread_ = std::thread([this] { context_.run(); });
}

script_server::~script_server() {
  context_.stop();
  thread_.join();
}

awaitable<void> script_server::accept_all() {
  for (;;) {
    tcp::socket socket = co_await acceptor_.async_accept(use_awaitable);
    socket.set_option(tcp::no_delay(true));
    auto client = std::make_shared<peer>(std::move(socket), accepted_++);
    asio::co_spawn(context_, treat_one(std::move(client)), asio::detached);
  }
}

awaitable<void> script_server::treat_one(std::shared_ptr<peer> client) {
  try {
    if (tls_)
      co_await client->start_tls(*tls_);
    co_await treat_(*client);
  } catch (const boost::system::system_error&) { // the client went away, as many tests want it to
  }
}

awaitable<void> script_server::gate(int number) {
  while (gates_open_ < number) {
    boost::system::error_code woken;
    co_await gate_.async_wait(asio::redirect_error(use_awaitable, woken));
  }
}

void script_server::open_gate() {
  asio::post(context_, [this] {
    ++gates_open_;
    gate_.cancel();
  });
}

} // namespace assay::io::test
