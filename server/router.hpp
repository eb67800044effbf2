#pragma once

#include "server/route.hpp"
#include "server/schema.hpp"

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace assay::server {

/// All routes with their schemas.
class route_table {
public:
  /// Adds a route. @throws std::logic_error for a mistake in its declaration: twice the same, an unknown
  /// schema, a fallback that its own parameter refuses.
  void add(route declared);
  schema_set& schemas() noexcept { return schemas_; }
  const schema_set& schemas() const noexcept { return schemas_; }
  const std::vector<std::unique_ptr<route>>& routes() const noexcept { return routes_; }

private:
  schema_set schemas_;
  std::vector<std::unique_ptr<route>> routes_;
};

/// Where a request leads.
struct route_match {
  const route* found = nullptr;            ///< Nothing when the path is unknown or knows other methods only.
  std::map<std::string, std::string> path; ///< Values of {names}, decoded.
  std::vector<std::string> allowed;        ///< Methods of the path; empty when it is unknown.
  family kind = family::engine;            ///< In whose shape errors are told.
};

/// Finds the route of @p path. HEAD is answered by GET; literal segments win over {names}.
route_match find_route(const route_table& table, http_method method, std::string_view path);

/// Checks the query parameters of a request against their declarations, with fallbacks filled in.
/// @returns invalid_argument with the parameter's name for unknown, repeated and wrong ones.
result<std::map<std::string, std::string>> check_query(const route& matched, std::string_view query);

} // namespace assay::server
