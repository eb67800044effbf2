#pragma once

#include "core/codecs/http_message.hpp"
#include "io/http_pool.hpp"
#include "io/proxy.hpp"
#include "io/url.hpp"

#include <memory>
#include <string>

namespace assay::io {

/// One request of a program that waits for its answer: command line tools, never actors.
struct fetch_request {
  origin where;
  std::string method = "GET";
  std::string target; ///< Path and query below the origin's base path.
  http_headers headers;
  std::string body;
  milliseconds timeout{30'000}; ///< For everything.
  size_t max_response_bytes = size_t{32} << 20;
  tls_options tls;
  proxy_options proxy;
  /// Where requests may go, for URLs that are not the machine's owner's; null: anywhere.
  std::shared_ptr<const address_guard> guard;
};

struct fetch_answer {
  int status = 0;
  http_headers headers;
  std::string body;
};

/// Sends a request over a connection of its own and blocks until the answer is there. Any status is an
/// Sends a request over a connection of its own, or through a proxy, and blocks until the answer is there.
/// Any status is an answer; a redirect is one too and is not followed.
/// @returns errc::forbidden when the guard refuses, errc::connect_failed, errc::provider_timeout,
/// errc::truncated_answer, errc::malformed_answer, errc::too_large, or errc::invalid_argument for a proxy
/// that makes no sense.
result<fetch_answer> fetch(const fetch_request& request);

} // namespace assay::io
