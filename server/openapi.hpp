#pragma once

#include "server/router.hpp"

#include <nlohmann/json_fwd.hpp>

#include <string>

namespace assay::server {

/// Describes every route as an OpenAPI 3.1 document.
nlohmann::json openapi_document(const route_table& table, const std::string& version);

/// A page for people, made from the same table. Needs no network and no other file.
struct documentation_page {
  std::string html;
  std::string
      policy; ///< Content-Security-Policy that allows this page's own style and script and nothing else.
};

documentation_page make_documentation_page(const route_table& table, const std::string& version);

} // namespace assay::server
