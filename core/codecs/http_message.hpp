#pragma once

#include "core/values/errors.hpp"
#include "core/values/shared_text.hpp"
#include "core/values/time.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace assay {

/// Header names are compared without regard to case.
using http_headers = std::vector<std::pair<std::string, std::string>>;

/// @returns the first value of @p name, or an empty text.
std::string_view find_header(const http_headers& headers, std::string_view name) noexcept;

/// Appends @p text as one segment of a path: everything but letters, digits and -._~ becomes %XX (RFC
/// 3986, 3.3).
void append_path_segment(std::string& out, std::string_view text);

enum class http_method : uint8_t {
  by_body = 0, ///< POST with a body, GET without one.
  post = 1,
  put = 2,
  patch = 3,
  delete_ = 4,
};

/// One request to a provider, ready for the wire. The origin and the credentials belong to the pool that
/// sends it, so that a message between actors never carries a key.
struct http_request {
  uint64_t id = 0;               ///< The sender's; comes back in pieces and outcome.
  std::string target;            ///< Path and query, below the base URL's path: `/chat/completions`.
  shared_text body;              ///< JSON, unless content_type says otherwise.
  milliseconds timeout{600'000}; ///< From the moment a socket is asked for until the last byte.
  /// A body that comes with status 200 is delivered piece by piece, as it arrives. Among the streams that are
  /// open at a time, ids are unique.
  bool stream = false;
  http_method method = http_method::by_body;
  /// Of a stream, from the moment it has a socket until its body begins; 0 is no limit.
  milliseconds first_byte_timeout{60'000};
  /// Of a stream, between two arrivals inside its body, whatever they hold; 0 is no limit. The time in which
  /// the receiver's credit is used up does not count.
  milliseconds idle_timeout{30'000};
  std::string content_type; ///< Empty: the pool's, which is application/json.
  bool at_origin = false;   ///< The base URL's path does not go before target.
  /// May be sent again when a kept-alive socket turns out to be closed before any byte of an answer. What
  /// must not be made twice is sent again only if it was not written whole, and else fails.
  bool resend = true;
};

/// A part of a streamed body, decompressed. Cut anywhere, never empty.
struct http_piece {
  uint64_t id = 0;
  shared_text bytes;
};

/// So many bytes of a stream's pieces have been dealt with; the stream may read as many again.
struct http_credit {
  uint64_t id = 0;
  uint64_t bytes = 0;
};

/// What became of a request.
struct http_outcome {
  uint64_t id = 0;
  int status = 0;              ///< 0 when there was no complete answer; then error says why.
  http_headers headers;        ///< Also of a stream that broke off inside its body.
  shared_text body;            ///< Empty when it was delivered in pieces.
  errc error = errc::internal; ///< Meaningful when status is 0.
  std::string error_message;
  bool request_written = false; ///< The provider may have seen, and billed, the whole request.
  microseconds connect{0};
  microseconds first_byte{0}; ///< Of a stream: the first byte of the body, or of an answer that is not 200.
  microseconds transfer{0};
  /// Calendar time of the last byte; the receiver derives its own scheduling lag from it.
  std::chrono::sys_time<microseconds> finished_at{};
};

/// What one turn of the loop produced. The pieces come before the outcomes: those of one request are in
/// order, and its outcome follows its last piece.
struct http_turn {
  std::vector<http_piece> pieces;
  std::vector<http_outcome> outcomes;
};

} // namespace assay
