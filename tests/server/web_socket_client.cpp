#include "tests/server/web_socket_client.hpp"

#include <nlohmann/json.hpp>

namespace assay::server::test {

nlohmann::json web_socket_client::message::json() const { return nlohmann::json::parse(text); }

web_socket_client::web_socket_client(uint16_t port, const std::string& target,
                                     const std::string& more_headers, int receive_buffer)
    : connection_(std::make_unique<http_connection>(port, receive_buffer)) {
  connection_->send(
      "GET " + target + " HTTP/1.1\r\nHost: localhost:" + std::to_string(port)
      + "\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
      + more_headers + "\r\n");
  handshake = connection_->receive();
}

bool web_socket_client::send_frame(uint8_t opcode, std::string_view payload) {
  std::string out;
  out.push_back(static_cast<char>(0x80 | opcode));
  if (payload.size() < 126) {
    out.push_back(static_cast<char>(0x80 | payload.size()));
  } else if (payload.size() < 65536) {
    out.push_back(static_cast<char>(0x80 | 126));
    out.push_back(static_cast<char>(payload.size() >> 8));
    out.push_back(static_cast<char>(payload.size()));
  } else {
    out.push_back(static_cast<char>(0x80 | 127));
    for (int shift = 56; shift >= 0; shift -= 8)
      out.push_back(static_cast<char>(payload.size() >> shift));
  }
  constexpr char mask[] = {'m', 'a', 's', 'k'};
  out.append(mask, 4);
  for (size_t i = 0; i < payload.size(); ++i)
    out.push_back(static_cast<char>(payload[i] ^ mask[i % 4]));
  return connection_->send(out);
}

bool web_socket_client::need(size_t count) {
  while (connection_->rest().size() < count)
    if (!connection_->fill())
      return false;
  return true;
}

web_socket_client::message web_socket_client::receive() {
  message out;
  for (;;) {
    if (!need(2)) {
      out.is_end = true;
      return out;
    }
    auto& rest = connection_->rest();
    const auto byte = [&](size_t i) { return static_cast<uint8_t>(rest[i]); };
    const uint8_t opcode = byte(0) & 0x0F;
    const bool last = (byte(0) & 0x80) != 0;
    uint64_t size = byte(1) & 0x7F;
    size_t header = 2;
    if (size >= 126) {
      const size_t extra = size == 126 ? 2 : 8;
      if (!need(2 + extra)) {
        out.is_end = true;
        return out;
      }
      size = 0;
      for (size_t i = 0; i < extra; ++i)
        size = (size << 8) | static_cast<uint8_t>(connection_->rest()[2 + i]);
      header += extra;
    }
    if (!need(header + size)) {
      out.is_end = true;
      return out;
    }
    auto payload = connection_->rest().substr(header, size);
    connection_->rest().erase(0, header + size);
    if (opcode == 0x9) {
      send_frame(0xA, payload);
    } else if (opcode == 0x8) {
      out.is_close = true;
      if (payload.size() >= 2) {
        out.close_code =
            static_cast<uint16_t>((static_cast<uint8_t>(payload[0]) << 8) | static_cast<uint8_t>(payload[1]));
        out.text = payload.substr(2);
      }
      send_frame(0x8, payload.substr(0, 2));
      return out;
    } else if (opcode != 0xA) {
      out.text += payload;
      if (last)
        return out;
    }
  }
}

web_socket_client::message web_socket_client::receive_type(std::string_view type) {
  for (;;) {
    auto next = receive();
    if (next.is_close || next.is_end || next.json().value("type", "") == type)
      return next;
  }
}

} // namespace assay::server::test
