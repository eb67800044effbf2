#pragma once

#include "core/codecs/wire_codec.hpp"

#include <string>
#include <string_view>

namespace assay::codecs {

/// How one provider's errors deviate from the others'.
struct decode_options {
  /// DashScope means a token-rate throttle by `insufficient_quota` with status 429; everybody else means that
  /// the money is gone.
  bool quota_429_is_throttle = false;
};

/// What an error body says, whatever its shape. Texts may be empty.
struct provider_error {
  std::string message;
  std::string type;
  std::string code;        ///< A numeric code as digits.
  int numeric_code = 0;    ///< The code when it is or reads as an HTTP status, else 0.
  bool moderation = false; ///< A guardrail flagged the input.
};

/// @returns one line about an error whose body is no JSON: `HTTP 502: Bad Gateway`. Of a web page only its
/// title, or else its first words, remain.
std::string describe_body(int status, std::string_view body);

/// @returns the failure that an answer with this HTTP status and error body means. Fills everything except
/// request_id, usage and simulated.
/// @param status HTTP's, or for an error after HTTP 200 the one that the body names (0 when it names none).
/// @param generation_began the error came after HTTP 200, when tokens may have been made already.
call_failure classify(int status, const provider_error& error, const http_headers& headers, wall_time now,
                      const decode_options& options, bool generation_began);

} // namespace assay::codecs
