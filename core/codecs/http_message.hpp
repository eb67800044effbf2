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

/// One request to a provider, ready for the wire. The origin and the credentials belong to the pool that
/// sends it, so that a message between actors never carries a key.
struct http_request {
  uint64_t id = 0;               ///< The sender's; comes back in the outcome.
  std::string target;            ///< Path and query: `/v1/chat/completions`.
  shared_text body;              ///< JSON; POSTed. Empty means GET.
  milliseconds timeout{600'000}; ///< From the moment a socket is asked for until the last byte.
};

/// What became of a request.
struct http_outcome {
  uint64_t id = 0;
  int status = 0; ///< 0 when there was no complete answer; then error says why.
  http_headers headers;
  shared_text body;
  errc error = errc::internal; ///< Meaningful when status is 0.
  std::string error_message;
  bool request_written = false; ///< The provider may have seen, and billed, the whole request.
  microseconds connect{0};
  microseconds first_byte{0};
  microseconds transfer{0};
  /// Calendar time of the last byte; the receiver derives its own scheduling lag from it.
  std::chrono::sys_time<microseconds> finished_at{};
};

} // namespace assay
