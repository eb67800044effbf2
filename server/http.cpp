#include "server/http.hpp"

#include "core/values/text.hpp"
#include "server/auth/api_keys.hpp"

#include <algorithm>
#include <array>

namespace assay::server {

namespace {

constexpr std::array<std::pair<http_method, std::string_view>, 7> methods{{
    {http_method::get, "GET"},
    {http_method::head, "HEAD"},
    {http_method::post, "POST"},
    {http_method::put, "PUT"},
    {http_method::patch, "PATCH"},
    {http_method::erase, "DELETE"},
    {http_method::options, "OPTIONS"},
}};

char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

int hex_digit(char c) noexcept {
  if (c >= '0' && c <= '9')
    return c - '0';
  const char small = lower(c);
  return small >= 'a' && small <= 'f' ? small - 'a' + 10 : -1;
}

/// Also names that no route declares: what is refused is logged as well.
bool may_name_a_secret(std::string name) {
  std::transform(name.begin(), name.end(), name.begin(), lower);
  constexpr std::array<std::string_view, 6> words{"token", "ticket", "secret", "passw", "key", "auth"};
  return std::any_of(words.begin(), words.end(),
                     [&](std::string_view word) { return name.find(word) != std::string::npos; });
}

} // namespace

std::string_view to_string(http_method method) noexcept {
  for (const auto& [value, name] : methods)
    if (value == method)
      return name;
  return "OTHER";
}

http_method http_method_from_string(std::string_view name) noexcept {
  for (const auto& [value, known] : methods)
    if (known == name)
      return value;
  return http_method::other;
}

bool equals_ignoring_case(std::string_view a, std::string_view b) noexcept {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return lower(x) == lower(y); });
}

std::string_view request_head::header(std::string_view name) const noexcept {
  for (const auto& field : headers)
    if (equals_ignoring_case(field.name, name))
      return field.value;
  return {};
}

std::optional<std::string_view> sent_token(const request_head& head) noexcept {
  constexpr std::string_view scheme = "Bearer ";
  if (const auto value = head.header("Authorization"); !value.empty()) {
    if (value.size() <= scheme.size() || !equals_ignoring_case(value.substr(0, scheme.size()), scheme))
      return std::nullopt;
    return value.substr(scheme.size());
  }
  for (const auto* name : {"x-api-key", "api-key"})
    if (const auto value = head.header(name); !value.empty())
      return value;
  return std::nullopt;
}

bool says_who_calls(const request_head& head) noexcept {
  return !head.header("Authorization").empty() || sent_token(head).has_value();
}

std::string_view status_phrase(unsigned status) noexcept {
  switch (status) {
  case 200:
    return "OK";
  case 201:
    return "Created";
  case 202:
    return "Accepted";
  case 204:
    return "No Content";
  case 302:
    return "Found";
  case 304:
    return "Not Modified";
  case 400:
    return "Bad Request";
  case 401:
    return "Unauthorized";
  case 402:
    return "Payment Required";
  case 403:
    return "Forbidden";
  case 404:
    return "Not Found";
  case 405:
    return "Method Not Allowed";
  case 408:
    return "Request Timeout";
  case 409:
    return "Conflict";
  case 413:
    return "Content Too Large";
  case 415:
    return "Unsupported Media Type";
  case 422:
    return "Unprocessable Content";
  case 426:
    return "Upgrade Required";
  case 429:
    return "Too Many Requests";
  case 431:
    return "Request Header Fields Too Large";
  case 500:
    return "Internal Server Error";
  case 501:
    return "Not Implemented";
  case 502:
    return "Bad Gateway";
  case 503:
    return "Service Unavailable";
  case 504:
    return "Gateway Timeout";
  case 507:
    return "Insufficient Storage";
  default:
    return "Unknown";
  }
}

std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '%') {
      if (i + 2 >= text.size())
        return std::nullopt;
      const int high = hex_digit(text[i + 1]);
      const int low = hex_digit(text[i + 2]);
      if (high < 0 || low < 0)
        return std::nullopt;
      c = static_cast<char>(high * 16 + low);
      i += 2;
    } else if (c == '+' && plus_is_space) {
      c = ' ';
    }
    if (c == '\0')
      return std::nullopt;
    out.push_back(c);
  }
  if (valid_utf8(out) != out)
    return std::nullopt;
  return out;
}

result<std::vector<std::pair<std::string, std::string>>> parse_query(std::string_view query) {
  std::vector<std::pair<std::string, std::string>> out;
  for (size_t start = 0; start < query.size();) {
    const auto end = std::min(query.find('&', start), query.size());
    const auto piece = query.substr(start, end - start);
    start = end + 1;
    if (piece.empty())
      continue;
    const auto equals = piece.find('=');
    auto name = percent_decode(piece.substr(0, equals), true);
    auto value = percent_decode(
        equals == std::string_view::npos ? std::string_view{} : piece.substr(equals + 1), true);
    if (!name || !value)
      return fault{errc::malformed_input, "the query string has a broken escape or is not UTF-8", "query",
                   "percent-encode every byte that is not a letter, a digit or one of -._~"};
    out.emplace_back(std::move(*name), std::move(*value));
  }
  return out;
}

namespace {

/// @returns the target without scheme and authority: clients of proxies send whole URLs, and RFC 9112 3.2.2
/// wants them taken.
std::string_view origin_form(std::string_view target) {
  const auto end = target.find("://");
  if (target.starts_with('/') || end == std::string_view::npos
      || !(equals_ignoring_case(target.substr(0, end), "http")
           || equals_ignoring_case(target.substr(0, end), "https")))
    return target;
  target.remove_prefix(end + 3);
  const auto path = target.find_first_of("/?");
  return path == std::string_view::npos ? "/" : target.substr(path);
}

} // namespace

void split_target(request_head& head) {
  const auto target = origin_form(head.target);
  const auto mark = target.find('?');
  // A URL may go from its authority straight to its query.
  head.path = mark == 0 ? "/" : std::string(target.substr(0, mark));
  head.query = mark == std::string_view::npos ? std::string{} : std::string(target.substr(mark + 1));
}

std::string loggable_target(std::string_view target) {
  const auto mark = target.find('?');
  std::string out{target.substr(0, mark)};
  const bool has_query = mark != std::string_view::npos;
  if (has_query)
    out.push_back('?');
  const auto query = has_query ? target.substr(mark + 1) : std::string_view{};
  for (size_t start = 0; has_query && start <= query.size();) {
    const auto end = std::min(query.find('&', start), query.size());
    const auto piece = query.substr(start, end - start);
    const auto name = percent_decode(piece.substr(0, piece.find('=')), true).value_or("");
    if (start != 0)
      out.push_back('&');
    // A name that cannot be decoded is shown without its value: it might have been meant as one of these.
    if (name.empty() || may_name_a_secret(name))
      out.append(piece.substr(0, piece.find('='))).append("=***");
    else
      out.append(piece);
    start = end + 1;
  }
  for (auto& c : out)
    if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) >= 0x7f)
      c = '?';
  return without_api_keys(out);
}

} // namespace assay::server
