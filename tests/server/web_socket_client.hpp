#pragma once

#include "tests/server/http_client.hpp"

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace assay::server::test {

/// A blocking WebSocket client (RFC 6455) that shares no code with the server.
class web_socket_client {
public:
  struct message {
    bool is_close = false;
    bool is_end = false; ///< The connection ended without a close frame.
    uint16_t close_code = 0;
    std::string text; ///< Or the reason of a close frame.

    nlohmann::json json() const;
  };

  /// Connects and shakes hands; `handshake` has the answer.
  web_socket_client(uint16_t port, const std::string& target, const std::string& more_headers = {},
                    int receive_buffer = 0);

  bool send(std::string_view text) { return send_frame(0x1, text); }
  bool send_frame(uint8_t opcode, std::string_view payload);
  /// The next text message or the end; pings are answered.
  message receive();
  /// Skips messages until one of this type. @returns the end when there is none.
  message receive_type(std::string_view type);

  http_reply handshake;

private:
  bool need(size_t count);

  std::unique_ptr<http_connection> connection_;
};

} // namespace assay::server::test
