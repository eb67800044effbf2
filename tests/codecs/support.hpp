#pragma once

#include "core/codecs/http_message.hpp"

#include <string>
#include <string_view>

namespace assay::test {

/// An answer as a provider would send it.
inline http_outcome answered(int status, std::string_view body, http_headers headers = {}) {
  http_outcome outcome;
  outcome.status = status;
  outcome.body = shared_text(body);
  outcome.headers = std::move(headers);
  outcome.request_written = true;
  return outcome;
}

/// A fixed moment: Sun, 06 Nov 1994 08:49:37 GMT.
inline wall_time noon_of_tests() { return wall_time{std::chrono::seconds{784111777}}; }

} // namespace assay::test
