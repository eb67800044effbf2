#pragma once

#include "core/values/errors.hpp"
#include "server/auth/permissions.hpp"
#include "server/families.hpp"
#include "server/http.hpp"
#include "server/route.hpp"

#include <nlohmann/json_fwd.hpp>

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>

namespace assay::server {

struct edge_services;
class caller_watch;

/// One request as its handler sees it: checked against the route's declaration.
struct request_context {
  request_context(const request& asked, const route& found, edge_services& services);
  ~request_context();
  request_context(const request_context&) = delete;
  request_context& operator=(const request_context&) = delete;

  const request& http;
  const route& matched;
  edge_services& edge;
  std::optional<principal> caller; ///< Nothing for callers without a token.
  std::string request_id;
  std::chrono::steady_clock::time_point started{};
  std::map<std::string, std::string> path;
  std::map<std::string, std::string> query;
  std::unique_ptr<nlohmann::json> body; ///< Nothing when none was sent.
  std::optional<seconds> retry_after; ///< With a failure: when it is worth trying again, where that is known.
  caller_watch* watch = nullptr;      ///< Null where nobody can tell that the caller has gone.

  /// The value of {name} in the path.
  const std::string& path_value(const char* name) const { return path.at(name); }
  /// A query parameter; empty, 0 or false when it was not given and has no fallback.
  std::string text(const char* name) const;
  int64_t integer(const char* name) const;
  bool flag(const char* name) const;

  /// The caller of a route that needs one.
  const principal& who() const { return caller.value(); }

  exchange_facts facts() const;

  /// A JSON answer in the family's envelope. @param status 0 means the route's own.
  response answer(const nlohmann::json& payload, unsigned status = 0) const;
};

} // namespace assay::server
