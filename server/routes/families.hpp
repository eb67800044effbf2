#pragma once

#include "server/router.hpp"

/// One function per family of routes; each declares its schemas and its routes.
namespace assay::server {

void add_shared_schemas(schema_set& schemas); ///< Of errors and lists; first of all.
void add_system_routes(route_table& table);   ///< /, /health, /metrics, /openapi.json, /docs
void add_auth_routes(route_table& table);
void add_user_routes(route_table& table);
void add_api_key_routes(route_table& table);   ///< /auth/keys
void add_catalogue_routes(route_table& table); ///< /tasks, /models
void add_evaluation_routes(route_table& table);
void add_rescoring_routes(route_table& table);
void add_ab_test_routes(route_table& table);    ///< /ab-tests
void add_experiment_routes(route_table& table); ///< /experiments
void add_schedule_routes(route_table& table);   ///< /schedules
void add_result_routes(route_table& table);
void add_comparison_routes(route_table& table);    ///< /comparisons
void add_sample_routes(route_table& table);        ///< /results/{id}/samples
void add_export_routes(route_table& table);        ///< /results/{id}/export
void add_analytics_routes(route_table& table);     ///< /analytics/...
void add_test_database_routes(route_table& table); ///< /database/...
void add_configuration_routes(route_table& table);
void add_model_configuration_routes(route_table& table); ///< /model-configs
void add_monitor_routes(route_table& table);             ///< /monitor/...
void add_monitor_schemas(schema_set& schemas);
void add_routing_routes(route_table& table);   ///< /monitor/routing, /monitor/retries
void add_selection_routes(route_table& table); ///< /llm_api/select
void add_openai_routes(route_table& table);    ///< /v1/...
void add_llm_api_routes(route_table& table);   ///< /llm_api/...
void add_llm_schemas(schema_set& schemas);
void add_web_socket_route(route_table& table);

/// Everything above.
void add_all_routes(route_table& table);

} // namespace assay::server
