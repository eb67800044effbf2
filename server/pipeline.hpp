#pragma once

#include "server/http.hpp"
#include "server/request_context.hpp"
#include "server/router.hpp"

#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <optional>
#include <string>

namespace assay::server {

struct edge_services;
class caller_watch;

/// What is decided from the head of a request alone, before its body is read.
struct admission {
  std::optional<response> refusal; ///< The answer already: 401, 403, 404, 405, 413, 415, or a preflight's.
  size_t body_limit = 0;
  route_match match;
  std::optional<principal> caller;
  std::string request_id;
  std::string path;
  std::chrono::steady_clock::time_point started{};

  bool is_web_socket() const noexcept { return match.found && !match.found->handler; }
};

/// The way of every request: identity, route, permission, validation, handler, envelope, headers, log line.
class pipeline {
public:
  explicit pipeline(edge_services& edge) : edge_(edge) {}

  /// @param body_bytes As announced; nothing when the body comes in chunks.
  admission admit(const request_head& head, std::optional<uint64_t> body_bytes) const;

  /// Validates and handles an admitted request. Never throws.
  /// @param watch Tells handlers that wait long when the caller has gone; may be null.
  boost::asio::awaitable<response> handle(const request& asked, const admission& admitted,
                                          caller_watch* watch = nullptr) const;

  /// A failure of HTTP itself, in the shape of the family that the path belongs to.
  response http_failure(const admission& admitted, unsigned status, std::string message,
                        std::string hint = {}) const;
  response failure(const admission& admitted, const problem& what) const;

  /// Adds what every answer has, and writes the log line.
  void finish(const request_head& head, const admission& admitted, response& out) const;

private:
  std::optional<problem> authorise(const request_head& head, admission& out) const;
  boost::asio::awaitable<result<response>> try_handle(request_context& context) const;
  response preflight(const request_head& head, const admission& admitted) const;
  void add_cors(const request_head& head, response& out) const;

  edge_services& edge_;
};

} // namespace assay::server
