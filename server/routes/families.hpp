#pragma once

#include "server/router.hpp"

/// One function per family of routes; each declares its schemas and its routes.
namespace assay::server {

void add_shared_schemas(schema_set& schemas); ///< Of errors and lists; first of all.
void add_system_routes(route_table& table);   ///< /, /health, /metrics, /openapi.json, /docs
void add_auth_routes(route_table& table);
void add_user_routes(route_table& table);
void add_catalogue_routes(route_table& table); ///< /tasks, /models
void add_evaluation_routes(route_table& table);
void add_result_routes(route_table& table);
void add_configuration_routes(route_table& table);
void add_monitor_routes(route_table& table); ///< /monitor/...
void add_monitor_schemas(schema_set& schemas);
void add_web_socket_route(route_table& table);

/// Everything above.
void add_all_routes(route_table& table);

} // namespace assay::server
