#include "server/origins.hpp"

#include "core/values/loopback.hpp"

#include <algorithm>

namespace assay::server {

namespace {

/// "[::1]:8000" -> "::1", "localhost:8000" -> "localhost".
std::string_view without_port(std::string_view host) noexcept {
  if (host.starts_with('['))
    return host.substr(1, std::min(host.find(']'), host.size()) - 1);
  return host.substr(0, host.find(':'));
}

} // namespace

bool is_same_origin(const request_head& head, std::string_view origin) noexcept {
  const std::string_view scheme = head.secure ? "https://" : "http://";
  const auto host = head.header("Host");
  return !host.empty() && origin.starts_with(scheme)
         && equals_ignoring_case(origin.substr(scheme.size()), host);
}

bool is_listed_origin(const edge_options& options, std::string_view origin) noexcept {
  return std::any_of(options.allow_origins.begin(), options.allow_origins.end(),
                     [&](const std::string& allowed) { return allowed == "*" || allowed == origin; });
}

bool may_open_web_socket(const edge_options& options, const request_head& head,
                         std::string_view origin) noexcept {
  const auto& own = options.web_socket_origins;
  return is_same_origin(head, origin) || is_listed_origin(options, origin)
         || std::find(own.begin(), own.end(), origin) != own.end();
}

bool host_names_server(const edge_options& options, const request_head& head) noexcept {
  const auto host = without_port(head.header("Host"));
  if (host.empty())
    return false;
  if (is_loopback_host(host) || equals_ignoring_case(host, options.address))
    return true;
  return std::any_of(options.server_names.begin(), options.server_names.end(),
                     [&](const std::string& name) { return equals_ignoring_case(host, name); });
}

bool may_be_anonymous(const edge_options& options, const request_head& head) noexcept {
  for (const auto* proxied : {"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP", "Via"})
    if (!head.header(proxied).empty())
      return false;
  if (!head.peer_is_loopback || !host_names_server(options, head))
    return false;
  const auto origin = head.header("Origin");
  if (!origin.empty() && !is_same_origin(head, origin))
    return false;
  const auto site = head.header("Sec-Fetch-Site");
  return site.empty() || site == "same-origin" || site == "none";
}

} // namespace assay::server
