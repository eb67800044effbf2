#pragma once

#include "core/codecs/http_message.hpp"
#include "core/values/secret.hpp"
#include "io/proxy.hpp"
#include "io/runtime.hpp"
#include "io/url.hpp"

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace assay::io {

class address_guard;

/// How a server proves who it is. Chain and host name are always verified, TLS is at least 1.2.
struct tls_options {
  std::string extra_ca_file; ///< PEM certificates trusted besides the system's; empty: none.
};

/// Everything a pool needs to know about the server it talks to.
struct pool_options {
  assay::io::origin origin;
  /// Headers whose values are never logged and go to this origin only: `Authorization`, `Bearer ...`.
  std::vector<std::pair<std::string, secret>> credentials;
  /// Further headers of every request. Accept, Content-Type and User-Agent given here replace the defaults.
  http_headers extra_headers;
  uint32_t max_connections = 64;       ///< 1 to 20,000.
  milliseconds connect_timeout{5'000}; ///< For resolution, TCP, proxy and TLS together.
  milliseconds idle_timeout{55'000};   ///< Unused sockets are closed; most servers do it after 60 s or more.
  size_t max_response_bytes = size_t{32} << 20; ///< Of the body, before and after decompression.
  size_t stream_window = size_t{1} << 20; ///< Bytes of a stream delivered and not granted back; at least 1.
  tls_options tls;
  proxy_options proxy;
  /// Where connections may go, for an origin that is not the machine's owner's; null: anywhere. Every
  /// resolution is checked; what is refused fails with errc::forbidden. Excludes a proxy, which would resolve
  /// the name itself, unless the guard trusts the host.
  std::shared_ptr<const address_guard> guard;
};

/// A pool's counters; totals since it was made.
struct pool_stats {
  uint32_t connections = 0; ///< Open ones, including those being opened.
  uint32_t connecting = 0;
  uint32_t idle = 0;
  uint32_t in_flight = 0; ///< Requests that have a socket.
  uint64_t waiting = 0;   ///< Requests that wait for one.
  uint64_t connections_opened = 0;
  uint64_t answered = 0;
  uint64_t failed = 0;
  uint64_t stale_retries = 0; ///< Requests sent again because an idle socket turned out closed.
};

/// Keep-alive HTTP/1.1 connections to one origin.
///
/// Requests beyond max_connections wait in line inside the pool; whoever submits bounds their number. One
/// request at a time uses a socket, the most recently used idle socket is taken first.
///
/// Outcomes carry either a status or one of these errors, and the message says what to do:
///   forbidden         the guard lets the server's address not pass
///   connect_failed    resolution, TCP, proxy or TLS; the message names the step and host:port
///   provider_timeout  http_request::timeout passed, with or without a socket; or a stream did not begin, or
///                     fell silent; the message says which
///   truncated_answer  the connection ended before or inside the answer
///   malformed_answer  not HTTP/1.x, headers over 64 KiB, or a body that does not decompress
///   too_large         the body is over max_response_bytes
///   cancelled         cancel(), or close()'s grace ended; shutting_down: submitted after close()
///   invalid_argument  target or content type hold what would break the request, or a stream's id is in use
/// http_outcome::connect is the time from submission until a socket was ready, including the wait in line;
/// first_byte runs from there to the answer's first byte, transfer from there to its last.
///
/// Streams: a body with status 200 whose request asks for it comes in pieces, each in the turn in which its
/// bytes arrived. A stream has a window: when so many bytes have been delivered and not been granted back,
/// its socket is no longer read, and the provider feels TCP's own backpressure; reading goes on when half of
/// the window is free again. What is unread never exceeds the window, but for a compressed body, where one
/// read may expand to more (never over max_response_bytes in all). An answer with another status comes whole,
/// in the outcome.
///
/// Sent twice: a request on a reused socket is sent once more, on a fresh socket and unreported, when that
/// socket proves to have been closed while idle: no byte of an answer came, and the request was not written
/// completely, or the peer's TCP acknowledged none of it, or the end came within half a second of the write.
/// Only in that last case may the server have seen it; should the second sending fail, request_written is
/// true. A request with resend == false is sent again in the first case only; in the others it fails with
/// truncated_answer, and request_written is true.
class http_pool {
public:
  /// Receives pieces and outcomes, on the runtime's thread: everything that one turn of the loop produced in
  /// one call. What it refers to must live until the pool is closed (see close()) or the runtime joined.
  using sink = std::function<void(http_turn&&)>;

  /// Checks @p options and reads the CA files; opens no connection yet. Fails with errc::invalid_argument.
  static result<std::shared_ptr<http_pool>> make(io_runtime& runtime, pool_options options, sink deliver);

  /// Closes without grace.
  ~http_pool();

  http_pool(const http_pool&) = delete;
  http_pool& operator=(const http_pool&) = delete;

  /// Sends a batch; from any thread. Each request gets exactly one outcome.
  void submit(std::vector<http_request>&& requests);

  /// Ends requests early: each still open gets the outcome cancelled, its socket is closed. From any thread.
  void cancel(std::vector<uint64_t> ids);

  /// Gives back what pieces of streams have used up, so that they are read on; from any thread. Streams that
  /// have ended are passed over.
  void grant(std::vector<http_credit> credits);

  /// Takes no more requests: those waiting are cancelled at once, those in flight when @p grace has passed.
  /// @p closed runs on the runtime's thread after the last outcome. From any thread; may be repeated with a
  /// shorter grace.
  void close(milliseconds grace, std::function<void()> closed = {});

  /// A recent view of the counters; from any thread.
  pool_stats stats() const;

private:
  struct state;
  explicit http_pool(std::unique_ptr<state> owned);
  std::unique_ptr<state> state_;
};

} // namespace assay::io
