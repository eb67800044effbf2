#pragma once

#include "core/values/errors.hpp"
#include "core/values/secret.hpp"
#include "io/url.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace assay::io {

/// Which proxy to use and for which hosts not to.
struct proxy_options {
  secret url;                        ///< `http://[user:password@]host[:port]`; empty: no proxy.
  std::vector<std::string> no_proxy; ///< Rules, see bypasses_proxy().
};

/// A proxy that was chosen for an origin.
struct proxy_endpoint {
  std::string host;
  uint16_t port = 0;
  secret authorization; ///< Value of Proxy-Authorization, or empty.
};

/// Splits a NO_PROXY text at commas and white space.
std::vector<std::string> split_no_proxy(std::string_view text);

/// @returns whether requests to @p where go direct. Rules, without regard to case:
///   `*`                 everything
///   `example.com`       the host and its subdomains
///   `.example.com`, `*.example.com`   its subdomains only
///   `10.0.0.7`, `[::1]` an address
///   `10.0.0.0/8`        a range of addresses; applies to literal addresses, names are not resolved
///   any but the range with `:port` appended: that port only
bool bypasses_proxy(const std::vector<std::string>& rules, const origin& where);

/// @returns the proxy for @p where, nothing when it is to be reached directly, or a fault when the proxy's
/// URL cannot be used (only http:// proxies are supported).
result<std::optional<proxy_endpoint>> choose_proxy(const proxy_options& options, const origin& where);

/// Reads the customary variables for the origin's scheme through @p lookup (nothing: not set): https_proxy,
/// HTTPS_PROXY or http_proxy, then all_proxy, ALL_PROXY; no_proxy, NO_PROXY. The upper-case HTTP_PROXY is
/// ignored, as in curl: a web server may set it from a request's header.
proxy_options proxy_from_environment(const origin& where,
                                     const std::function<std::optional<std::string>(const char*)>& lookup);

} // namespace assay::io
