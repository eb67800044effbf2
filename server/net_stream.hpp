#pragma once

#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/beast/core/role.hpp>
#include <boost/system/error_code.hpp>

#include <array>
#include <cstddef>
#include <memory>
#include <utility>

namespace assay::server {

/// A short list of buffers of one fixed type, so that the code behind net_stream is compiled once.
template <class Buffer>
class buffer_list {
public:
  using value_type = Buffer;
  using const_iterator = const Buffer*;

  buffer_list() = default;

  /// Takes the first few buffers: enough for a partial read or write.
  template <class Sequence>
  explicit buffer_list(const Sequence& from) {
    const auto last = boost::asio::buffer_sequence_end(from);
    for (auto it = boost::asio::buffer_sequence_begin(from); it != last && count_ < buffers_.size(); ++it)
      if (const Buffer one(*it); one.size() != 0)
        buffers_[count_++] = one;
  }

  const_iterator begin() const noexcept { return buffers_.data(); }
  const_iterator end() const noexcept { return buffers_.data() + count_; }

private:
  std::array<Buffer, 8> buffers_{};
  size_t count_ = 0;
};

/// A connection, plain or TLS, behind one type: sessions are written and compiled once.
class net_stream {
public:
  using executor_type = boost::asio::any_io_executor;
  using transfer_handler = boost::asio::any_completion_handler<void(boost::system::error_code, size_t)>;
  using done_handler = boost::asio::any_completion_handler<void(boost::system::error_code)>;
  using read_buffers = buffer_list<boost::asio::mutable_buffer>;
  using write_buffers = buffer_list<boost::asio::const_buffer>;

  /// What a kind of connection can do.
  class transport {
  public:
    virtual ~transport() = default;
    virtual boost::asio::ip::tcp::socket& socket() noexcept = 0;
    virtual void handshake(done_handler done) = 0;
    virtual void read_some(const read_buffers& into, transfer_handler done) = 0;
    virtual void write_some(const write_buffers& from, transfer_handler done) = 0;
    virtual void shutdown(done_handler done) = 0;
  };

  explicit net_stream(boost::asio::ip::tcp::socket socket);
  net_stream(boost::asio::ip::tcp::socket socket, boost::asio::ssl::context& tls);
  net_stream(net_stream&&) noexcept = default;
  net_stream& operator=(net_stream&&) noexcept = default;

  executor_type get_executor() noexcept { return transport_->socket().get_executor(); }
  boost::asio::ip::tcp::socket& socket() noexcept { return transport_->socket(); }

  /// Operations under way end with operation_aborted; the connection stays.
  void cancel() noexcept;
  /// Ends everything at once.
  void close() noexcept;

  template <class Token>
  auto async_handshake(Token&& token) {
    return boost::asio::async_initiate<Token, void(boost::system::error_code)>(
        [t = transport_.get()](auto handler) { t->handshake(done_handler(std::move(handler))); }, token);
  }

  template <class Buffers, class Token>
  auto async_read_some(const Buffers& into, Token&& token) {
    return boost::asio::async_initiate<Token, void(boost::system::error_code, size_t)>(
        [t = transport_.get()](auto handler, const read_buffers& list) {
          t->read_some(list, transfer_handler(std::move(handler)));
        },
        token, read_buffers(into));
  }

  template <class Buffers, class Token>
  auto async_write_some(const Buffers& from, Token&& token) {
    return boost::asio::async_initiate<Token, void(boost::system::error_code, size_t)>(
        [t = transport_.get()](auto handler, const write_buffers& list) {
          t->write_some(list, transfer_handler(std::move(handler)));
        },
        token, write_buffers(from));
  }

  /// Ends our side in order: TLS says so to the peer, TCP is shut down for sending.
  template <class Token>
  auto async_shutdown(Token&& token) {
    return boost::asio::async_initiate<Token, void(boost::system::error_code)>(
        [t = transport_.get()](auto handler) { t->shutdown(done_handler(std::move(handler))); }, token);
  }

private:
  std::unique_ptr<transport> transport_;
};

/// Found by Beast's WebSocket when it closes a connection or its own timeouts end one.
template <class Handler>
void async_teardown(boost::beast::role_type, net_stream& stream, Handler&& handler) {
  stream.async_shutdown(std::forward<Handler>(handler));
}

inline void beast_close_socket(net_stream& stream) { stream.close(); }

} // namespace assay::server
