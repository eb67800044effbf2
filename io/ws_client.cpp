#include "io/ws_client.hpp"

#include "io/detail/client_stream.hpp"

#include <boost/asio/error.hpp>
#include <boost/beast/core/buffers_to_string.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/websocket/error.hpp>
#include <boost/beast/websocket/stream.hpp>

namespace assay::io {

namespace {

namespace websocket = boost::beast::websocket;
using boost::system::error_code;

} // namespace

struct ws_client::state {
  explicit state(const ws_options& given) : options(given), socket(context, given.wake_fd) {}

  ws_options options;
  boost::asio::io_context context;
  websocket::stream<detail::client_stream, false> socket;

  fault failure(const error_code& error) const {
    const auto who = host_and_port_of(options.where);
    if (error == boost::asio::error::operation_aborted)
      return {errc::cancelled, "the waiting was ended", {}, {}};
    if (error == boost::asio::error::timed_out)
      return {errc::provider_timeout, "nothing was heard from " + who + " for too long", {}, {}};
    if (error == websocket::error::closed) {
      const std::string reason(socket.reason().reason.c_str());
      return {errc::truncated_answer,
              who + " closed the connection" + (reason.empty() ? "" : ": " + reason),
              {},
              {}};
    }
    return {errc::truncated_answer, "the connection to " + who + " was lost: " + error.message(), {}, {}};
  }
};

ws_client::ws_client(std::unique_ptr<state> made) : state_(std::move(made)) {}

ws_client::~ws_client() {
  error_code ignored;
  state_->socket.next_layer().expires_after(milliseconds{500});
  if (state_->socket.is_open())
    state_->socket.close(websocket::close_code::normal, ignored);
}

result<std::unique_ptr<ws_client>> ws_client::connect(const ws_options& options) {
  auto made = std::make_unique<state>(options);
  auto& socket = made->socket;
  socket.next_layer().expires_after(options.connect_timeout);
  const auto proxy = choose_proxy(options.proxy, options.where);
  if (!proxy)
    return proxy.error();
  if (auto connected = socket.next_layer().connect(options.where, options.tls, *proxy, true); !connected)
    return connected.error();
  socket.read_message_max(options.max_message_bytes);
  socket.set_option(websocket::stream_base::decorator([&](websocket::request_type& request) {
    for (const auto& [name, value] : options.headers)
      request.set(name, value);
  }));
  websocket::response_type response;
  error_code error;
  socket.handshake(response, authority_of(options.where), options.where.base_path + options.target, error);
  if (error == websocket::error::upgrade_declined) {
    const auto status = response.result_int();
    return fault{status == 401   ? errc::unauthenticated
                 : status == 403 ? errc::forbidden
                                 : errc::connect_failed,
                 host_and_port_of(options.where) + " refused the WebSocket with status "
                     + std::to_string(status),
                 {},
                 {}};
  }
  if (error)
    return fault{errc::connect_failed,
                 "no WebSocket at " + host_and_port_of(options.where) + ": " + error.message(),
                 {},
                 {}};
  return std::unique_ptr<ws_client>(new ws_client(std::move(made)));
}

result<void> ws_client::send(std::string_view text) {
  error_code error;
  auto& socket = state_->socket;
  socket.next_layer().expires_after(state_->options.idle_timeout);
  socket.text(true);
  socket.write(boost::asio::buffer(text.data(), text.size()), error);
  if (error)
    return state_->failure(error);
  return {};
}

result<std::string> ws_client::receive() {
  error_code error;
  auto& socket = state_->socket;
  boost::beast::flat_buffer buffer;
  // The deadline is for the next frame of any kind; pings are answered inside and start it anew.
  socket.control_callback([&](websocket::frame_type, boost::beast::string_view) {
    socket.next_layer().expires_after(state_->options.idle_timeout);
  });
  socket.next_layer().expires_after(state_->options.idle_timeout);
  socket.read(buffer, error);
  socket.control_callback();
  if (error)
    return state_->failure(error);
  return boost::beast::buffers_to_string(buffer.data());
}

} // namespace assay::io
