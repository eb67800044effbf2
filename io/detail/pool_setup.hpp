#pragma once

#include "io/detail/tls_client.hpp"
#include "io/http_pool.hpp"

#include <memory>
#include <string>
#include <string_view>

namespace assay::io::detail {

/// A pool's options, checked and turned into what the wire needs.
struct pool_setup {
  std::string dial_host; ///< The server's or the proxy's.
  uint16_t dial_port = 0;
  std::string server_name; ///< "api.example.com:443", for people.
  std::string dial_name;   ///< The same, or "the proxy proxy.example.com:3128".
  /// What goes before the target: the base path, or scheme, host and base path for a plain proxy.
  std::string target_prefix;
  std::string origin_prefix;  ///< The same without the base path.
  std::string common_headers; ///< Every header that is the same in all requests; secret.
  std::string body_type;      ///< The header of a body whose request names no type.
  std::string tunnel_request; ///< CONNECT with its headers, or empty; secret.
  std::unique_ptr<tls_context> tls;
  assay::io::origin origin;
  std::shared_ptr<const address_guard> guard;

  uint32_t max_connections = 1;
  milliseconds connect_timeout{};
  milliseconds idle_timeout{};
  size_t max_response_bytes = 0;
  size_t stream_window = 0;
};

/// @returns whether @p text can be a header's value without ending it.
bool is_header_value(std::string_view text) noexcept;

/// Checks @p options; fails with errc::invalid_argument.
result<pool_setup> make_pool_setup(const pool_options& options);

} // namespace assay::io::detail
