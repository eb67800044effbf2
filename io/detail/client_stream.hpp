#pragma once

#include "core/values/errors.hpp"
#include "core/values/time.hpp"
#include "io/detail/tls_client.hpp"
#include "io/http_pool.hpp"
#include "io/proxy.hpp"
#include "io/url.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/beast/core/role.hpp>
#include <boost/system/system_error.hpp>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace assay::io::detail {

/// A connection for programs that have nothing else to do than wait for it: a synchronous stream as Beast
/// wants it, over TCP or TLS, whose every wait has a deadline and can be ended through a file descriptor.
class client_stream {
public:
  using executor_type = boost::asio::io_context::executor_type;

  /// @param wake_fd Ends a wait with operation_aborted when it becomes readable; -1: none.
  explicit client_stream(boost::asio::io_context& context, int wake_fd = -1)
      : context_(context), wake_fd_(wake_fd) {}
  ~client_stream() { close(); }
  client_stream(const client_stream&) = delete;
  client_stream& operator=(const client_stream&) = delete;

  executor_type get_executor() noexcept { return context_.get_executor(); }

  /// Resolves, connects and shakes hands before the deadline; only the resolver may take longer.
  /// @param proxy Whom to connect to instead; a server behind TLS is reached by CONNECT.
  /// @param tunnel CONNECT also without TLS, for protocols that a proxy would not understand.
  /// @param guard When given, checks every address before the first connection, which goes to one of them.
  result<void> connect(const origin& where, const tls_options& tls,
                       const std::optional<proxy_endpoint>& proxy = std::nullopt, bool tunnel = false,
                       const address_guard* guard = nullptr);
  void close() noexcept;

  /// Every later wait ends with timed_out after @p from_now.
  void expires_after(milliseconds from_now) { deadline_ = std::chrono::steady_clock::now() + from_now; }

  template <class MutableBuffers>
  size_t read_some(const MutableBuffers& buffers, boost::system::error_code& error) {
    for (auto at = boost::asio::buffer_sequence_begin(buffers);
         at != boost::asio::buffer_sequence_end(buffers); ++at)
      if (const boost::asio::mutable_buffer one(*at); one.size() > 0)
        return read(static_cast<char*>(one.data()), one.size(), error);
    error = {};
    return 0;
  }

  template <class MutableBuffers>
  size_t read_some(const MutableBuffers& buffers) {
    boost::system::error_code error;
    const auto count = read_some(buffers, error);
    if (error)
      throw boost::system::system_error(error);
    return count;
  }

  template <class ConstBuffers>
  size_t write_some(const ConstBuffers& buffers, boost::system::error_code& error) {
    for (auto at = boost::asio::buffer_sequence_begin(buffers);
         at != boost::asio::buffer_sequence_end(buffers); ++at)
      if (const boost::asio::const_buffer one(*at); one.size() > 0)
        return write({static_cast<const char*>(one.data()), one.size()}, error);
    error = {};
    return 0;
  }

  template <class ConstBuffers>
  size_t write_some(const ConstBuffers& buffers) {
    boost::system::error_code error;
    const auto count = write_some(buffers, error);
    if (error)
      throw boost::system::system_error(error);
    return count;
  }

private:
  size_t read(char* into, size_t room, boost::system::error_code& error);
  size_t write(std::string_view bytes, boost::system::error_code& error);
  /// Waits until the socket can be read or written. @returns why not, if it cannot.
  boost::system::error_code wait(bool to_write);
  using judge = std::function<result<void>(const std::vector<boost::asio::ip::address>&)>;
  /// @param check empty: every address will do.
  result<void> open_socket(const std::string& host, uint16_t port, const std::string& name,
                           const judge& check);
  result<void> open_tunnel(const origin& where, const proxy_endpoint& proxy);
  result<void> shake_hands(const origin& where, const tls_options& tls);

  boost::asio::io_context& context_;
  const int wake_fd_;
  int socket_ = -1;
  std::unique_ptr<tls_context> tls_context_;
  tls_stream tls_;
  std::optional<std::chrono::steady_clock::time_point> deadline_;
};

/// Beast's customisation points.
void teardown(boost::beast::role_type role, client_stream& stream, boost::system::error_code& error);
void beast_close_socket(client_stream& stream);

} // namespace assay::io::detail
