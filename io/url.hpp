#pragma once

#include "core/values/errors.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace assay::io {

enum class url_scheme : uint8_t { http = 1, https = 2 };

/// Where requests go: everything of a base URL that all requests to one server share.
struct origin {
  url_scheme scheme = url_scheme::https;
  std::string host; ///< Lower case; an IPv6 address stands without brackets.
  uint16_t port = 443;
  std::string base_path; ///< Empty, or "/api" without a final slash; prefixed to every target.

  bool operator==(const origin&) const = default;
};

/// @returns "host" or "host:port", with brackets around IPv6 and without the scheme's own port, as the Host
/// header wants it.
std::string authority_of(const origin& where);

/// @returns "host:port", always with the port: what CONNECT and messages for people want.
std::string host_and_port_of(const origin& where);

/// @returns the URL that parse_base_url() reads back.
std::string to_string(const origin& where);

/// Reads "https://host[:port][/path]". User names, queries and fragments are refused: credentials belong into
/// the provider's key, never into a URL that is logged.
result<origin> parse_base_url(std::string_view text);

} // namespace assay::io
