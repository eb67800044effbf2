#include "io/proxy.hpp"

#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/network_v4.hpp>
#include <boost/asio/ip/network_v6.hpp>
#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>

#include <algorithm>
#include <charconv>
#include <openssl/evp.h>

namespace assay::io {

namespace {

namespace asio = boost::asio;

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

std::optional<asio::ip::address> address_from(std::string_view text) {
  boost::system::error_code failed;
  const auto address = asio::ip::make_address(std::string(text), failed);
  return failed ? std::nullopt : std::optional(address);
}

bool in_range(const std::string& rule, const asio::ip::address& address) {
  boost::system::error_code failed;
  if (address.is_v4()) {
    const auto range = asio::ip::make_network_v4(rule, failed);
    return !failed
           && asio::ip::network_v4(address.to_v4(), range.prefix_length()).network() == range.network();
  }
  const auto range = asio::ip::make_network_v6(rule, failed);
  return !failed && asio::ip::network_v6(address.to_v6(), range.prefix_length()).network() == range.network();
}

/// Takes a final ":port" off @p rule. @returns the port, 0 when there is none, nothing when it is no number.
std::optional<uint16_t> take_port(std::string_view& rule) {
  std::string_view digits;
  if (rule.starts_with('[')) {
    const auto end = rule.find(']');
    if (end == std::string_view::npos)
      return std::nullopt;
    if (end + 1 < rule.size()) {
      if (rule[end + 1] != ':')
        return std::nullopt;
      digits = rule.substr(end + 2);
      if (digits.empty())
        return std::nullopt;
    }
    rule = rule.substr(1, end - 1);
  } else if (std::count(rule.begin(), rule.end(), ':') == 1) { // more than one: an IPv6 address
    const auto colon = rule.find(':');
    digits = rule.substr(colon + 1);
    rule = rule.substr(0, colon);
    if (digits.empty())
      return std::nullopt;
  }
  if (digits.empty())
    return uint16_t{0};
  uint16_t port = 0;
  const auto [end, failed] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (failed != std::errc{} || end != digits.data() + digits.size())
    return std::nullopt;
  return port;
}

bool matches(const std::string& written, const origin& where) {
  const std::string rule_text = lower(written);
  const auto address = address_from(where.host);
  if (rule_text.find('/') != std::string::npos)
    return address && in_range(rule_text, *address);

  std::string_view rule = rule_text;
  const auto port = take_port(rule);
  if (!port || (*port != 0 && *port != where.port))
    return false;
  if (rule == "*")
    return true;
  if (rule.starts_with("*."))
    rule.remove_prefix(1);
  if (rule.empty() || rule == ".")
    return false;
  const std::string host = lower(where.host);
  if (address) {
    const auto named = address_from(rule);
    return named && *named == *address;
  }
  if (rule.starts_with('.'))
    return host.size() > rule.size() && host.ends_with(rule);
  return host == rule
         || (host.size() > rule.size() && host.ends_with(rule) && host[host.size() - rule.size() - 1] == '.');
}

std::string base64(std::string_view text) {
  std::string out(4 * ((text.size() + 2) / 3) + 1, '\0'); // EVP_EncodeBlock ends its output with a zero
  const int length =
      EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                      reinterpret_cast<const unsigned char*>(text.data()), static_cast<int>(text.size()));
  out.resize(static_cast<size_t>(length));
  return out;
}

fault bad_proxy(std::string message) {
  return fault{errc::invalid_argument, std::move(message), "proxy",
               "write it like http://proxy.example.com:3128"};
}

} // namespace

std::vector<std::string> split_no_proxy(std::string_view text) {
  std::vector<std::string> rules;
  constexpr std::string_view separators = ", \t\r\n";
  for (size_t at = text.find_first_not_of(separators); at != std::string_view::npos;) {
    const size_t end = std::min(text.find_first_of(separators, at), text.size());
    rules.emplace_back(text.substr(at, end - at));
    at = text.find_first_not_of(separators, end);
  }
  return rules;
}

bool bypasses_proxy(const std::vector<std::string>& rules, const origin& where) {
  return std::any_of(rules.begin(), rules.end(),
                     [&](const std::string& rule) { return matches(rule, where); });
}

result<std::optional<proxy_endpoint>> choose_proxy(const proxy_options& options, const origin& where) {
  if (options.url.empty() || bypasses_proxy(options.no_proxy, where))
    return std::optional<proxy_endpoint>{};

  std::string text = options.url.reveal();
  if (text.find("://") == std::string::npos)
    text.insert(0, "http://"); // "proxy:3128" is how the variables are often written
  const auto parsed = boost::urls::parse_uri(text);
  if (!parsed)
    return bad_proxy("the proxy's URL is not a valid URL");
  const boost::urls::url_view url = *parsed;
  if (url.scheme_id() != boost::urls::scheme::http)
    return bad_proxy("proxies of the kind \"" + std::string(url.scheme())
                     + "\" are not supported, only http");

  proxy_endpoint proxy;
  proxy.host = lower(std::string_view(url.encoded_host_address().data(), url.encoded_host_address().size()));
  if (proxy.host.empty())
    return bad_proxy("the proxy's URL names no host");
  proxy.port = 80;
  if (url.has_port() && !url.port().empty())
    proxy.port = url.port_number();
  if (proxy.port == 0)
    return bad_proxy("the proxy's port is not between 1 and 65535");
  if (url.has_userinfo())
    proxy.authorization = secret("Basic " + base64(url.user() + ":" + url.password()));
  return std::optional(std::move(proxy));
}

proxy_options proxy_from_environment(const origin& where,
                                     const std::function<std::optional<std::string>(const char*)>& lookup) {
  const auto first_set = [&](std::initializer_list<const char*> names) -> std::string {
    for (const char* name : names)
      if (auto value = lookup(name); value && !value->empty())
        return *value;
    return {};
  };
  proxy_options options;
  options.url = secret(where.scheme == url_scheme::https
                           ? first_set({"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"})
                           : first_set({"http_proxy", "all_proxy", "ALL_PROXY"}));
  options.no_proxy = split_no_proxy(first_set({"no_proxy", "NO_PROXY"}));
  return options;
}

} // namespace assay::io
