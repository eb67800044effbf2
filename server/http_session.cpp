#include "server/http_session.hpp"

#include "server/body_source.hpp"
#include "server/caller_watch.hpp"
#include "server/deadline.hpp"
#include "server/services.hpp"
#include "server/websocket/upgrade.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>

#include <array>
#include <cstdio>
#include <limits>
#include <optional>

namespace assay::server {

namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using boost::system::error_code;

constexpr size_t read_size = 16 * 1024;
/// Whoever writes a whole body before it reads has to get through with it, or never sees the answer.
constexpr size_t most_lingering_bytes = 64 * 1024 * 1024;
constexpr std::chrono::seconds lingering_time{2};

template <class Field>
std::string text_of(const Field& value) {
  return {value.data(), value.size()};
}

auto into(error_code& error) { return asio::redirect_error(asio::use_awaitable, error); }

} // namespace

struct http_session::connection_state {
  explicit connection_state(net_stream& stream) : buffer(64 * 1024), deadline(stream) {}

  boost::beast::flat_buffer buffer;
  stream_deadline deadline;
  bool first = true;
  bool waiting = false;   ///< Between two requests.
  bool finishing = false; ///< No further request.
  bool gone = false;      ///< The stream became a WebSocket.
};

/// One request and what is known about it so far.
struct http_session::exchange {
  std::optional<http::request_parser<http::string_body>> parser{std::in_place};
  request asked;
  admission admitted;
};

http_session::http_session(net_stream stream, edge_services& edge, std::string peer, bool peer_is_loopback,
                           bool secure)
    : stream_(std::move(stream)), edge_(edge), pipeline_(edge), peer_(std::move(peer)),
      peer_is_loopback_(peer_is_loopback), secure_(secure),
      state_(std::make_shared<connection_state>(stream_)) {}

void http_session::finish() {
  state_->finishing = true;
  if (state_->waiting)
    stream_.cancel();
}

void http_session::close() noexcept {
  state_->finishing = true;
  if (!state_->gone)
    stream_.close();
}

asio::awaitable<void> http_session::run() {
  const auto self = shared_from_this();
  if (secure_) {
    error_code error;
    state_->deadline.set(edge_.options.limits.handshake_time);
    co_await stream_.async_handshake(into(error));
    state_->deadline.clear();
    if (error) {
      stream_.close();
      co_return;
    }
  }
  bool more = true;
  while (more && !state_->finishing)
    more = co_await serve_one();
  if (!state_->gone) {
    state_->deadline.clear();
    stream_.close();
  }
}

asio::awaitable<bool> http_session::serve_one() {
  exchange one;
  const bool complete = co_await read_head(one);
  if (!complete)
    co_return false;
  auto& parser = *one.parser;
  const bool keep = parser.get().keep_alive();
  const bool body_follows = !parser.is_done();
  std::optional<uint64_t> announced = 0;
  if (body_follows) {
    announced.reset();
    if (const auto length = parser.content_length())
      announced = *length;
  }
  one.admitted = pipeline_.admit(one.asked, announced);
  if (one.admitted.refusal) {
    auto refusal = std::move(*one.admitted.refusal);
    // What is left of the body will not be read, so the connection cannot be used again.
    const bool kept = co_await answer(one, std::move(refusal), keep && !body_follows);
    if (body_follows)
      co_await linger();
    co_return kept;
  }
  if (one.admitted.is_web_socket()) {
    if (body_follows)
      co_return co_await reject(one, 400, "an upgrade has no body");
    const bool kept = co_await upgrade(one);
    co_return kept;
  }
  if (body_follows) {
    const bool whole = co_await read_body(one);
    if (!whole)
      co_return false;
  }
  one.asked.body = std::move(parser.get().body());
  std::shared_ptr<body_source> source; // The watch may speak to it as long as there is a watch.
  caller_watch watch(stream_);
  auto out = co_await pipeline_.handle(one.asked, one.admitted, &watch);
  source = out.source;
  if (!source)
    watch.stop();
  co_return co_await answer(one, std::move(out), keep);
}

// -- reading --------------------------------------------------------------------------------------------

asio::awaitable<bool> http_session::read_head(exchange& one) {
  const auto& limits = edge_.options.limits;
  auto& state = *state_;
  auto& parser = *one.parser;
  parser.header_limit(static_cast<uint32_t>(limits.header_bytes));
  // The limit depends on the route, which only the headers tell; Beast would refuse here without saying why.
  parser.body_limit(std::numeric_limits<uint64_t>::max());
  state.deadline.reset();
  error_code error;
  if (state.buffer.size() == 0) {
    // Nobody is told when an idle connection ends.
    state.waiting = true;
    state.deadline.set(state.first ? limits.header_time : limits.idle_time);
    const auto count = co_await stream_.async_read_some(state.buffer.prepare(read_size), into(error));
    state.waiting = false;
    if (error || state.finishing)
      co_return false;
    state.buffer.commit(count);
  }
  state.first = false;
  state.deadline.set(limits.header_time);
  co_await http::async_read_header(stream_, state.buffer, parser, into(error));
  state.deadline.clear();

  one.asked.peer = peer_;
  one.asked.peer_is_loopback = peer_is_loopback_;
  one.asked.secure = secure_;
  const auto& message = parser.get();
  one.asked.method = http_method_from_string(text_of(message.method_string()));
  one.asked.target = text_of(message.target());
  split_target(one.asked);
  for (const auto& field : message)
    one.asked.headers.push_back({text_of(field.name_string()), text_of(field.value())});

  if (state.deadline.expired())
    co_return co_await reject(one, 408, "the headers took too long");
  if (error == http::error::header_limit || one.asked.headers.size() > limits.header_fields)
    co_return co_await reject(one, 431, "the headers are too large",
                              "at most " + std::to_string(limits.header_bytes) + " bytes in "
                                  + std::to_string(limits.header_fields) + " fields");
  if (error == http::error::end_of_stream || error == asio::error::operation_aborted
      || error == asio::error::connection_reset || error == asio::error::eof
      || error == http::error::partial_message)
    co_return false;
  if (error)
    co_return co_await reject(one, 400, "this is not a well-formed HTTP request");
  if (message.version() >= 11 && message.find(http::field::host) == message.end())
    co_return co_await reject(one, 400, "the Host header is missing");
  co_return true;
}

asio::awaitable<bool> http_session::read_body(exchange& one) {
  const auto& limits = edge_.options.limits;
  auto& state = *state_;
  auto& parser = *one.parser;
  parser.body_limit(one.admitted.body_limit);
  const auto announced = parser.content_length();
  const bool too_large = announced && *announced > one.admitted.body_limit;
  if (!too_large && equals_ignoring_case(one.asked.header("Expect"), "100-continue")) {
    const bool written = co_await write_all("HTTP/1.1 100 Continue\r\n\r\n", {});
    if (!written)
      co_return false;
  }
  const auto begun = std::chrono::steady_clock::now();
  error_code error;
  if (too_large)
    error = http::error::body_limit;
  while (!parser.is_done() && !error) {
    // Whoever sends faster than the least rate is never interrupted.
    const auto allowed =
        limits.body_time
        + milliseconds{parser.get().body().size() * 1000 / std::max<size_t>(limits.body_bytes_per_second, 1)};
    state.deadline.set(begun + allowed - std::chrono::steady_clock::now());
    co_await http::async_read_some(stream_, state.buffer, parser, into(error));
  }
  state.deadline.clear();
  if (state.deadline.expired())
    co_return co_await reject(one, 408, "the body came too slowly");
  if (error == http::error::body_limit) {
    const auto what =
        problem_of(one.admitted.match.kind,
                   fault{errc::too_large,
                         "the body is larger than " + std::to_string(one.admitted.body_limit) + " bytes",
                         "body",
                         {}});
    auto refusal = pipeline_.failure(one.admitted, what);
    co_await answer(one, std::move(refusal), false);
    co_await linger();
    co_return false;
  }
  if (error && error != http::error::partial_message && error != asio::error::operation_aborted)
    co_return co_await reject(one, 400, "the body is not well-formed HTTP");
  co_return !error;
}

// -- writing --------------------------------------------------------------------------------------------

asio::awaitable<bool> http_session::write_all(std::string_view head, std::string_view body) {
  auto& state = *state_;
  state.deadline.reset();
  size_t written = 0;
  error_code error;
  while (written < head.size() + body.size() && !error) {
    std::array<asio::const_buffer, 2> pieces{
        asio::buffer(head) + written,
        asio::buffer(body) + (written > head.size() ? written - head.size() : 0),
    };
    state.deadline.set(edge_.options.limits.write_stall);
    written += co_await stream_.async_write_some(pieces, into(error));
  }
  state.deadline.clear();
  co_return !error;
}

asio::awaitable<bool> http_session::answer(exchange& one, response out, bool keep) {
  // HTTP/1.0 knows no chunks: such a body ends with the connection.
  const bool chunked = one.parser->get().version() >= 11;
  keep = keep && !state_->finishing && (chunked || !out.source);
  pipeline_.finish(one.asked, one.admitted, out);
  std::string head = "HTTP/1.1 " + std::to_string(out.status) + " ";
  head.append(status_phrase(out.status)).append("\r\n");
  for (const auto& field : out.headers)
    head.append(field.name).append(": ").append(field.value).append("\r\n");
  const bool bodiless = out.status == 204 || out.status == 304;
  if (!bodiless) {
    if (!out.body.empty() || out.source)
      head.append("Content-Type: ").append(out.content_type).append("\r\n");
    if (!out.source)
      head.append("Content-Length: ").append(std::to_string(out.body.size())).append("\r\n");
    else if (chunked)
      head.append("Transfer-Encoding: chunked\r\n");
  }
  head.append(keep ? "Connection: keep-alive\r\n\r\n" : "Connection: close\r\n\r\n");
  if (bodiless || one.asked.method == http_method::head)
    out.body.clear();
  if (out.source && !bodiless && one.asked.method != http_method::head) {
    const auto source = out.source;
    bool whole = co_await write_all(head, {});
    if (whole)
      whole = co_await write_pieces(*source, chunked);
    co_return whole&& keep;
  }
  const bool written = co_await write_all(head, out.body);
  co_return written&& keep;
}

asio::awaitable<bool> http_session::write_pieces(body_source& source, bool chunked) {
  std::array<char, 24> size{};
  while (true) {
    auto piece = co_await source.next();
    if (piece.empty() && source.broken())
      co_return false;
    if (piece.empty())
      break;
    std::string framed;
    if (chunked) {
      std::snprintf(size.data(), size.size(), "%zx\r\n", piece.size());
      piece.append("\r\n");
      framed = size.data();
    }
    const bool written = co_await write_all(framed, piece);
    if (!written)
      co_return false;
  }
  if (!chunked)
    co_return true;
  std::string end = "0\r\n";
  for (const auto& field : source.trailers())
    end.append(field.name).append(": ").append(field.value).append("\r\n");
  end.append("\r\n");
  co_return co_await write_all(end, {});
}

asio::awaitable<bool> http_session::reject(exchange& one, unsigned status, std::string message,
                                           std::string hint) {
  // Nothing of such a request has been admitted.
  if (one.admitted.request_id.empty()) {
    request_head nothing;
    one.admitted = pipeline_.admit(nothing, 0);
    one.admitted.match.kind = family_of_path(one.asked.path);
  }
  auto out = pipeline_.http_failure(one.admitted, status, std::move(message), std::move(hint));
  state_->deadline.reset();
  co_await answer(one, std::move(out), false);
  co_await linger();
  co_return false;
}

asio::awaitable<void> http_session::linger() {
  // Closing while the peer still sends makes its system throw our answer away; so what comes is read for a
  // moment.
  error_code error;
  state_->deadline.set(lingering_time);
  co_await stream_.async_shutdown(into(error));
  std::array<char, read_size> dropped{};
  size_t total = 0;
  while (!error && total < most_lingering_bytes)
    total += co_await stream_.async_read_some(asio::buffer(dropped), into(error));
  state_->deadline.clear();
}

asio::awaitable<bool> http_session::upgrade(exchange& one) {
  auto verdict = judge_upgrade(one.asked, one.admitted.caller, edge_);
  if (!verdict) {
    auto what = verdict.error();
    auto refusal = pipeline_.failure(one.admitted, what);
    co_return co_await answer(one, std::move(refusal), false);
  }
  response switched;
  switched.status = 101;
  pipeline_.finish(one.asked, one.admitted, switched);
  state_->deadline.clear();
  state_->gone = true;
  auto handshake = one.parser->release();
  auto who = std::move(*verdict);
  auto headers = std::move(switched.headers);
  auto peer = peer_;
  co_await run_web_socket(std::move(stream_), std::move(handshake), edge_, std::move(who), std::move(peer),
                          std::move(headers));
  co_return false;
}

} // namespace assay::server
