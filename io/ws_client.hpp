#pragma once

#include "core/codecs/http_message.hpp"
#include "io/http_pool.hpp"
#include "io/proxy.hpp"
#include "io/url.hpp"

#include <memory>
#include <string>
#include <string_view>

namespace assay::io {

struct ws_options {
  origin where;
  std::string target; ///< Below the origin's base path. May hold a ticket: never logged, never in a fault.
  http_headers headers;
  milliseconds connect_timeout{10'000};
  milliseconds idle_timeout{90'000}; ///< Without any frame, pings included, the server counts as gone.
  size_t max_message_bytes = size_t{4} << 20;
  tls_options tls;
  proxy_options proxy; ///< Reached by CONNECT, with TLS and without.
  /// receive() ends with errc::cancelled when this file descriptor becomes readable; -1: none.
  int wake_fd = -1;
};

/// A WebSocket of a program that waits for what it brings: command line tools, never actors. One thread.
class ws_client {
public:
  /// @returns errc::connect_failed, errc::unauthenticated or errc::forbidden when the server refuses,
  /// errc::invalid_argument for a proxy that makes no sense.
  static result<std::unique_ptr<ws_client>> connect(const ws_options& options);
  ~ws_client();
  ws_client(const ws_client&) = delete;
  ws_client& operator=(const ws_client&) = delete;

  /// Sends one text message.
  result<void> send(std::string_view text);

  /// Waits for the next message.
  /// @returns errc::cancelled when woken, errc::provider_timeout when idle too long, errc::truncated_answer
  /// with the server's reason when it closed.
  result<std::string> receive();

private:
  struct state;
  explicit ws_client(std::unique_ptr<state> made);
  std::unique_ptr<state> state_;
};

} // namespace assay::io
