#pragma once

#include "core/values/errors.hpp"
#include "core/values/time.hpp"
#include "server/http.hpp"

#include <nlohmann/json_fwd.hpp>

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// The shapes in which answers are given. Everything that differs between them stands here.
namespace assay::server {

/// Each route belongs to one.
enum class family : uint8_t {
  engine = 1,  ///< The object itself; errors {error, detail, message, request_id}.
  jobs = 2,    ///< /api/v1: {success, data, meta, errors}.
  datalab = 3, ///< {status, message, request_id, timestamp, execution_time_ms, ...}.
  openai = 4,  ///< /v1: OpenAI's own objects; errors {error: {message, type, param, code}}.
};

std::string_view to_string(family value) noexcept;
std::optional<family> family_from_string(std::string_view name) noexcept;

/// @returns the family whose shape errors about an unknown path take.
family family_of_path(std::string_view path) noexcept;

/// A failure as a caller sees it.
struct problem {
  unsigned status = 500;
  std::string code; ///< `VALIDATION_ERROR`; may be empty in OpenAI's shape.
  fault what;
  std::optional<seconds> retry_after;
  std::vector<std::string> allow; ///< Methods, for 405.
};

/// @returns status and code word of @p what in this family. @param retry_after When it is known better than
/// by the status alone.
problem problem_of(family kind, fault what, std::optional<seconds> retry_after = std::nullopt);

/// @returns after what time asking again may help with a failure that time mends at a known moment: a budget
/// that is spent until the end of its day or month (UTC).
std::optional<seconds> known_wait(const fault& what, wall_time now);

/// A problem of HTTP itself, which has no errc: 405, 408, 415, 429, 431.
problem http_problem(family kind, unsigned status, std::string message, std::string hint = {});

/// What envelopes tell about the exchange.
struct exchange_facts {
  std::string request_id;
  wall_time now{};
  std::chrono::duration<double, std::milli> elapsed{0};
  std::string path{}; ///< Of the request; shown by datalab errors.
};

/// @returns the body of a success: @p payload in the family's envelope.
std::string success_body(family kind, const nlohmann::json& payload, const exchange_facts& facts);

/// @returns the body of a failure. An API key that got into its texts is not told.
std::string error_body(family kind, const problem& failure, const exchange_facts& facts);

/// @returns the whole answer for a failure, with Retry-After, Allow or WWW-Authenticate where they belong.
response error_response(family kind, const problem& failure, const exchange_facts& facts);

/// @returns JSON text; bytes that are not UTF-8 become U+FFFD instead of an exception.
std::string to_text(const nlohmann::json& value);

} // namespace assay::server
