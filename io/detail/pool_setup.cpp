#include "io/detail/pool_setup.hpp"

#include "io/address_guard.hpp"

#include <algorithm>

namespace assay::io::detail {

namespace {

bool same_name(std::string_view a, std::string_view b) noexcept {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

bool is_token(std::string_view text) noexcept {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return std::isalnum(c)
           || std::string_view("!#$%&'*+-.^_`|~").find(static_cast<char>(c)) != std::string_view::npos;
  });
}

fault bad_option(std::string message, std::string where, std::string hint) {
  return fault{errc::invalid_argument, std::move(message), std::move(where), std::move(hint)};
}

/// The headers that the pool writes itself; two of one kind would confuse the server or split requests.
constexpr std::string_view own_headers[] = {"host",       "content-length",  "transfer-encoding",
                                            "connection", "accept-encoding", "proxy-authorization",
                                            "upgrade",    "expect"};

result<void> check_header(std::string_view name, std::string_view value, const char* where) {
  // Neither name nor value is repeated: a key may have slipped into either.
  if (!is_token(name))
    return bad_option("a header's name has characters that are not allowed", where,
                      "use letters, digits and -");
  if (!is_header_value(value))
    return bad_option("the value of the header " + std::string(name) + " has control characters", where,
                      "remove line breaks; a key read from a file often ends with one");
  if (std::any_of(std::begin(own_headers), std::end(own_headers),
                  [&](auto own) { return same_name(own, name); }))
    return bad_option("the header " + std::string(name) + " is written by the connection itself", where,
                      "remove it");
  return {};
}

} // namespace

bool is_header_value(std::string_view text) noexcept {
  return std::all_of(text.begin(), text.end(),
                     [](unsigned char c) { return c == '\t' || (c >= 0x20 && c != 0x7F); });
}

result<pool_setup> make_pool_setup(const pool_options& options) {
  if (options.max_connections < 1 || options.max_connections > 20'000)
    return bad_option("max_connections is " + std::to_string(options.max_connections), "max_connections",
                      "give a number from 1 to 20000");
  if (options.connect_timeout <= milliseconds::zero() || options.idle_timeout <= milliseconds::zero())
    return bad_option("connect_timeout and idle_timeout must be positive", "connect_timeout", {});
  if (options.stream_window < 1)
    return bad_option("stream_window is 0", "stream_window", "give the bytes that may be unread");
  if (options.origin.host.empty() || options.origin.port == 0)
    return bad_option("the origin names no host or port", "base_url", {});

  auto proxy = choose_proxy(options.proxy, options.origin);
  if (!proxy)
    return proxy.error();
  const bool secure = options.origin.scheme == url_scheme::https;

  pool_setup setup;
  setup.max_connections = options.max_connections;
  setup.connect_timeout = options.connect_timeout;
  setup.idle_timeout = options.idle_timeout;
  setup.max_response_bytes = options.max_response_bytes;
  setup.stream_window = options.stream_window;
  setup.origin = options.origin;
  if (options.guard && !options.guard->trusts(options.origin))
    setup.guard = options.guard;
  setup.server_name = host_and_port_of(options.origin);
  setup.dial_host = options.origin.host;
  setup.dial_port = options.origin.port;
  setup.dial_name = setup.server_name;
  setup.target_prefix = options.origin.base_path;
  const std::string authority = authority_of(options.origin);

  setup.common_headers = "Host: " + authority + "\r\nAccept-Encoding: gzip, deflate\r\n";
  std::string content_type = "application/json";
  bool has_accept = false;
  bool has_agent = false;
  const auto add = [&](std::string_view name, std::string_view value) {
    setup.common_headers.append(name).append(": ").append(value).append("\r\n");
  };
  for (const auto& [name, value] : options.extra_headers) {
    if (auto good = check_header(name, value, "extra_headers"); !good)
      return good.error();
    if (same_name(name, "content-type")) {
      content_type = value;
      continue;
    }
    has_accept = has_accept || same_name(name, "accept");
    has_agent = has_agent || same_name(name, "user-agent");
    add(name, value);
  }
  for (const auto& [name, value] : options.credentials) {
    if (auto good = check_header(name, value.reveal(), "credentials"); !good)
      return good.error();
    add(name, value.reveal());
  }
  if (!has_accept)
    add("Accept", "application/json");
  if (!has_agent)
    add("User-Agent", "assay/0.1");
  setup.body_type = "Content-Type: " + content_type + "\r\n";

  if (const auto& chosen = *proxy) {
    if (setup.guard)
      if (auto allowed = setup.guard->check_proxied(options.origin); !allowed)
        return allowed.error();
    setup.dial_host = chosen->host;
    setup.dial_port = chosen->port;
    setup.dial_name = "the proxy " + chosen->host + ":" + std::to_string(chosen->port);
    const std::string authorization = chosen->authorization.empty()
                                          ? ""
                                          : "Proxy-Authorization: " + chosen->authorization.reveal() + "\r\n";
    if (secure) {
      setup.tunnel_request = "CONNECT " + setup.server_name + " HTTP/1.1\r\nHost: " + setup.server_name
                             + "\r\n" + authorization + "\r\n";
    } else {
      setup.common_headers += authorization;
      setup.origin_prefix = "http://" + authority;
      setup.target_prefix = setup.origin_prefix + options.origin.base_path;
    }
  }
  if (secure) {
    auto tls = tls_context::make(options.tls, options.origin.host);
    if (!tls)
      return tls.error();
    setup.tls = std::move(*tls);
  }
  return setup;
}

} // namespace assay::io::detail
