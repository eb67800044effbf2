#pragma once

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace assay::server::test {

struct http_reply {
  int status = 0;                             ///< 0 when the connection ended without an answer.
  std::map<std::string, std::string> headers; ///< Names in lower case.
  std::string body;

  nlohmann::json json() const;
  std::string header(const std::string& name) const;
};

/// A plain blocking HTTP client that sends exactly what a test tells it to. Everything it waits for has a
/// limit.
class http_connection {
public:
  explicit http_connection(uint16_t port, int receive_buffer = 0, bool over_ipv6 = false);
  ~http_connection();
  http_connection(const http_connection&) = delete;
  http_connection& operator=(const http_connection&) = delete;

  /// @returns whether all bytes were taken.
  bool send(std::string_view bytes);
  /// Reads one answer. @param head_only The answer to HEAD.
  http_reply receive(bool head_only = false);
  /// @returns whether the server has closed, after reading whatever it still sent.
  bool closed();

  int socket() const noexcept { return socket_; }
  /// What was received beyond the last answer.
  std::string& rest() noexcept { return buffer_; }
  /// Reads some more bytes into rest(). @returns false at the end.
  bool fill();

private:
  int socket_ = -1;
  std::string buffer_;
};

/// @returns whether this machine has ::1.
bool has_ipv6_loopback();

/// The text of a request with Host and, with a body, Content-Length and Content-Type.
std::string request_text(std::string_view method, std::string_view target, std::string_view body = {},
                         std::string_view token = {}, std::string_view more_headers = {});

/// One request on a connection of its own.
http_reply http(uint16_t port, std::string_view method, std::string_view target, std::string_view body = {},
                std::string_view token = {}, std::string_view more_headers = {});

} // namespace assay::server::test
