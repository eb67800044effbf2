#pragma once

#include "core/values/errors.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// Requests and answers as the routes see them: plain values, so that no route needs to know the HTTP
/// library.
namespace assay::server {

enum class http_method : uint8_t { get, head, post, put, patch, erase, options, other };

std::string_view to_string(http_method method) noexcept;
http_method http_method_from_string(std::string_view name) noexcept;

struct header_field {
  std::string name;
  std::string value;
};

/// What is known of a request before its body is read.
struct request_head {
  http_method method = http_method::other;
  std::string target; ///< As sent.
  std::string path;   ///< Of the target, still percent-encoded.
  std::string query;  ///< Of the target, without '?', still percent-encoded.
  std::vector<header_field> headers;
  std::string peer; ///< The caller's address, without port.
  bool peer_is_loopback = false;
  bool secure = false; ///< Came over TLS.

  /// @returns the first value of the header, or an empty text. Names are compared without case.
  std::string_view header(std::string_view name) const noexcept;
};

/// @returns the access token or API key that the headers carry: `Authorization: Bearer`, else `x-api-key` or
/// `api-key`, as the SDKs of Anthropic and Azure send it. Nothing when there is none, or when Authorization
/// has another form.
std::optional<std::string_view> sent_token(const request_head& head) noexcept;

/// @returns whether the headers try to say who calls, rightly or not.
bool says_who_calls(const request_head& head) noexcept;

struct request : request_head {
  std::string body;
};

class body_source;

struct response {
  unsigned status = 200;
  std::string content_type = "application/json";
  std::string body;
  std::vector<header_field> headers;
  std::shared_ptr<body_source> source =
      nullptr; ///< When set, the body comes from here, and `body` is not used.
};

/// @returns the standard phrase: `Not Found`.
std::string_view status_phrase(unsigned status) noexcept;

/// Undoes percent-encoding. @param plus_is_space As in query strings.
/// @returns nothing for a broken escape, a NUL, or a text that is not UTF-8.
std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space);

/// @returns the pairs of a query string in their order; malformed_input for a broken escape.
result<std::vector<std::pair<std::string, std::string>>> parse_query(std::string_view query);

/// Splits a request target in origin form at '?'; anything after '#' is refused by the parser before.
void split_target(request_head& head);

/// @returns @p target with the values of `token` and `ticket`, and the secrets of API keys, replaced by
/// `***`: the only form that may be logged.
std::string loggable_target(std::string_view target);

/// @returns whether @p a and @p b are the same ASCII text without regard to case.
bool equals_ignoring_case(std::string_view a, std::string_view b) noexcept;

} // namespace assay::server
