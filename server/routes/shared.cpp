#include "server/routes/shared.hpp"

#include "server/result_writer.hpp"
#include "server/routes/families.hpp"
#include "server/services.hpp"

#include <nlohmann/json.hpp>

namespace assay::server {

std::vector<query_parameter> paging_parameters(int64_t usual_limit) {
  query_parameter page{"page", parameter_type::integer, "Which page, from 1", "1", 1, 1'000'000, {}, 256,
                       false};
  query_parameter limit{
      "limit", parameter_type::integer, "Entries on a page", std::to_string(usual_limit), 1, 1000, {}, 256,
      false};
  return {page, limit};
}

result<run_id> run_id_in_path(const request_context& context) {
  const auto& text = context.path_value("id");
  if (const auto id = run_id_from_string(text))
    return *id;
  return fault{errc::not_found, "there is no evaluation '" + text + "'", "id",
               "ids look like eval_1234567890_abcd1234"};
}

result<run_record> readable_run(const request_context& context, run_id run) {
  auto record = context.edge.read_now([&](storage::snapshot& view) { return view.find_run(run); });
  if (!record)
    return record.error();
  if (!*record || !context.who().may_see_runs_of((*record)->spec.owner))
    return fault{errc::not_found, "there is no evaluation '" + to_string(run) + "'", "id", {}};
  return std::move(**record);
}

std::optional<fault> refuse_uncounted_calls(const request_context& context) {
  const auto most = context.caller ? context.caller->tokens_per_minute : 0;
  if (most == 0)
    return std::nullopt;
  return fault{errc::forbidden,
               "this API key may use " + std::to_string(most)
                   + " tokens a minute, and calls of evaluations and batches do not keep to that",
               {},
               "use a key without tokens_per_minute; budget_per_day bounds what evaluations cost"};
}

result<run_record> changeable_run(const request_context& context, run_id run) {
  auto record = readable_run(context, run);
  if (record && !context.who().may_change_runs_of(record->spec.owner))
    return fault{
        errc::forbidden, "the evaluation is somebody else's", {}, "ask its owner or an administrator"};
  return record;
}

void add_output(const request_context& context, const run_record& run, nlohmann::json& shown) {
  if (run.spec.output_path.empty())
    return;
  auto output = context.edge.read_now([&](storage::snapshot& view) { return output_json(view, run); });
  if (output && *output)
    shown["output"] = std::move(**output);
}

void add_shared_schemas(schema_set& schemas) {
  schemas.add("Output", R"({
    "type": "object",
    "description": "The files that output_base_path asked for; absent when it was not given.",
    "properties": {
      "folder": {"type": "string", "description": "Below the results folder.", "examples": ["my_experiment"]},
      "state": {"type": "string", "enum": ["waiting", "written", "failed"], "description": "waiting until the evaluation has ended and a moment longer."},
      "files": {"type": "array", "items": {"type": "string"}, "description": "Below the results folder."},
      "error": {"type": ["string", "null"], "description": "Why they could not be written."}
    },
    "required": ["folder", "state", "files", "error"]
  })");
  schemas.add("Error", R"({
    "type": "object",
    "description": "What went wrong, where, and what to do about it.",
    "properties": {
      "error": {
        "type": "object",
        "properties": {
          "code": {"type": "string", "examples": ["VALIDATION_ERROR"]},
          "message": {"type": "string"},
          "field": {"type": ["string", "null"], "examples": ["task_ids[2]"]},
          "details": {"type": "object"}
        },
        "required": ["code", "message", "field", "details"]
      },
      "detail": {"type": "string"},
      "message": {"type": "string"},
      "request_id": {"type": "string"}
    },
    "required": ["error", "detail", "message", "request_id"]
  })");
}

void add_all_routes(route_table& table) {
  add_shared_schemas(table.schemas());
  add_system_routes(table);
  add_auth_routes(table);
  add_user_routes(table);
  add_api_key_routes(table);
  add_catalogue_routes(table);
  add_evaluation_routes(table);
  add_rescoring_routes(table);
  add_ab_test_routes(table);
  add_experiment_routes(table);
  add_schedule_routes(table);
  add_result_routes(table);
  add_comparison_routes(table);
  add_sample_routes(table);
  add_export_routes(table);
  add_analytics_routes(table);
  add_test_database_routes(table);
  add_configuration_routes(table);
  add_model_configuration_routes(table);
  add_monitor_routes(table);
  add_routing_routes(table);
  add_selection_routes(table);
  add_llm_schemas(table.schemas());
  add_openai_routes(table);
  add_llm_api_routes(table);
  add_web_socket_route(table);
}

} // namespace assay::server
