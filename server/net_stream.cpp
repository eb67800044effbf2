#include "server/net_stream.hpp"

#include <boost/asio/append.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/stream.hpp>

namespace assay::server {

namespace {

using boost::asio::ip::tcp;
using boost::system::error_code;

class plain_transport : public net_stream::transport {
public:
  explicit plain_transport(tcp::socket socket) : socket_(std::move(socket)) {}

  tcp::socket& socket() noexcept override { return socket_; }
  void handshake(net_stream::done_handler done) override {
    boost::asio::post(socket_.get_executor(), boost::asio::append(std::move(done), error_code{}));
  }
  void read_some(const net_stream::read_buffers& into, net_stream::transfer_handler done) override {
    socket_.async_read_some(into, std::move(done));
  }
  void write_some(const net_stream::write_buffers& from, net_stream::transfer_handler done) override {
    socket_.async_write_some(from, std::move(done));
  }
  void shutdown(net_stream::done_handler done) override {
    error_code error;
    socket_.shutdown(tcp::socket::shutdown_send, error);
    boost::asio::post(socket_.get_executor(), boost::asio::append(std::move(done), error));
  }

private:
  tcp::socket socket_;
};

class tls_transport : public net_stream::transport {
public:
  tls_transport(tcp::socket socket, boost::asio::ssl::context& tls) : stream_(std::move(socket), tls) {}

  tcp::socket& socket() noexcept override { return stream_.next_layer(); }
  void handshake(net_stream::done_handler done) override {
    stream_.async_handshake(boost::asio::ssl::stream_base::server, std::move(done));
  }
  void read_some(const net_stream::read_buffers& into, net_stream::transfer_handler done) override {
    stream_.async_read_some(into, std::move(done));
  }
  void write_some(const net_stream::write_buffers& from, net_stream::transfer_handler done) override {
    stream_.async_write_some(from, std::move(done));
  }
  void shutdown(net_stream::done_handler done) override { stream_.async_shutdown(std::move(done)); }

private:
  boost::asio::ssl::stream<tcp::socket> stream_;
};

} // namespace

net_stream::net_stream(tcp::socket socket)
    : transport_(std::make_unique<plain_transport>(std::move(socket))) {}

net_stream::net_stream(tcp::socket socket, boost::asio::ssl::context& tls)
    : transport_(std::make_unique<tls_transport>(std::move(socket), tls)) {}

void net_stream::cancel() noexcept {
  error_code ignored;
  transport_->socket().cancel(ignored);
}

void net_stream::close() noexcept {
  error_code ignored;
  transport_->socket().close(ignored);
}

} // namespace assay::server
