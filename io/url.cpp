#include "io/url.hpp"

#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>

#include <algorithm>

namespace assay::io {

namespace {

std::string bracketed(const origin& where) {
  return where.host.find(':') == std::string::npos ? where.host : "[" + where.host + "]";
}

constexpr uint16_t default_port(url_scheme scheme) noexcept { return scheme == url_scheme::https ? 443 : 80; }

fault bad_url(std::string message, std::string hint = "write it like https://api.example.com/v1") {
  return fault{errc::invalid_argument, std::move(message), "base_url", std::move(hint)};
}

} // namespace

std::string authority_of(const origin& where) {
  return where.port == default_port(where.scheme) ? bracketed(where) : host_and_port_of(where);
}

std::string host_and_port_of(const origin& where) {
  return bracketed(where) + ":" + std::to_string(where.port);
}

std::string to_string(const origin& where) {
  return (where.scheme == url_scheme::https ? "https://" : "http://") + authority_of(where) + where.base_path;
}

result<origin> parse_base_url(std::string_view text) {
  // The text itself is never repeated in an error: it may hold a password.
  const auto parsed = boost::urls::parse_uri(boost::core::string_view(text.data(), text.size()));
  if (!parsed)
    return bad_url("the base URL is not a valid absolute URL");
  const boost::urls::url_view url = *parsed;

  origin where;
  if (url.scheme_id() == boost::urls::scheme::https)
    where.scheme = url_scheme::https;
  else if (url.scheme_id() == boost::urls::scheme::http)
    where.scheme = url_scheme::http;
  else
    return bad_url("the base URL's scheme \"" + std::string(url.scheme()) + "\" is not http or https");
  if (url.has_userinfo())
    return bad_url("the base URL contains a user name or password",
                   "put credentials into the provider's key");
  if (url.has_query() || url.has_fragment())
    return bad_url("the base URL contains a query or fragment", "end it after the path");

  where.host = url.encoded_host_address();
  if (where.host.empty())
    return bad_url("the base URL names no host");
  const bool six = url.host_type() == boost::urls::host_type::ipv6;
  const bool plain_host = std::all_of(where.host.begin(), where.host.end(), [six](unsigned char c) {
    return std::isalnum(c) || c == '.' || c == '-' || c == '_' || (six && c == ':');
  });
  if (!plain_host)
    return bad_url("the base URL's host has characters that no host name has",
                   "write international names in their xn-- form");
  std::transform(where.host.begin(), where.host.end(), where.host.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });

  where.port = default_port(where.scheme);
  if (url.has_port() && !url.port().empty()) {
    where.port = url.port_number();
    if (where.port == 0)
      return bad_url("the base URL's port is not between 1 and 65535");
  }
  where.base_path = url.encoded_path();
  if (!where.base_path.empty() && !where.base_path.starts_with('/')) // Boost.URL takes "host:80:90" so
    return bad_url("the base URL's port is not a number");
  while (where.base_path.ends_with('/'))
    where.base_path.pop_back();
  return where;
}

} // namespace assay::io
