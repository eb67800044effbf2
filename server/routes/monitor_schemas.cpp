#include "server/routes/families.hpp"

namespace assay::server {

void add_monitor_schemas(schema_set& schemas) {
  schemas.add("MonitorWindow", R"({
    "type": "object",
    "description": "Calls of one window. Times are seconds, costs dollars, rates 0 to 1; what is unknown is null.",
    "properties": {
      "window": {"type": "string", "examples": ["5m"]}, "window_seconds": {"type": "integer"},
      "samples": {"type": "integer", "description": "Ended calls; every number of the window rests on them unless it names its own."},
      "external": {"type": "integer", "description": "Of them, calls made elsewhere and reported."},
      "failures": {"type": "integer"}, "retries": {"type": "integer"},
      "success_rate": {"type": ["number", "null"]}, "error_rate": {"type": ["number", "null"]},
      "errors": {"type": "object", "additionalProperties": {"type": "integer"}},
      "response_time_avg": {"type": ["number", "null"]}, "response_time_p50": {"type": ["number", "null"]},
      "response_time_p95": {"type": ["number", "null"]}, "response_time_p99": {"type": ["number", "null"]},
      "prompt_tokens": {"type": "integer"}, "completion_tokens": {"type": "integer"},
      "cost": {"type": "number"}, "unpriced": {"type": "integer", "description": "Answers that the cost lacks."},
      "cost_per_hour": {"type": "number"},
      "quality_score": {"type": ["number", "null"]}, "quality_samples": {"type": "integer"},
      "cost_efficiency": {"type": ["number", "null"], "description": "Quality points (quality times 100) for a dollar."},
      "breakdown": {"type": "object", "description": "Mean seconds in each part of a call's way, of `samples` calls of the farm."},
      "targets": {"type": "object", "description": "Whether performance_targets were met; null without calls."}
    },
    "required": ["window", "samples", "success_rate", "response_time_avg", "cost", "quality_score"]
  })");
  schemas.add("MonitorOverview", R"({
    "type": "object",
    "properties": {
      "timestamp": {"type": "string", "format": "date-time"}, "monitoring_enabled": {"type": "boolean"},
      "complete": {"type": "boolean", "description": "False while earlier statistics are still being read."},
      "summary": {"type": "object"},
      "windows": {"type": "object", "additionalProperties": {"$ref": "#/components/schemas/MonitorWindow"}},
      "models": {"type": "array", "items": {"type": "object"}}, "alerts": {"type": "object"}
    },
    "required": ["timestamp", "summary", "windows", "models", "alerts"]
  })");
  schemas.add("MonitorList", R"({
    "type": "object",
    "properties": {"window": {"type": "string"}, "items": {"type": "array", "items": {"type": "object"}}},
    "required": ["items"]
  })");
  schemas.add("MonitorModel", R"({
    "type": "object",
    "properties": {
      "model_id": {"type": "string"}, "timestamp": {"type": "string", "format": "date-time"},
      "providers": {"type": "array", "items": {"type": "object"}, "description": "One for each provider that was asked."},
      "recommendations": {"type": "array", "items": {"type": "object"}},
      "history": {"type": "array", "items": {"$ref": "#/components/schemas/MonitorWindow"}},
      "history_complete": {"type": "boolean"}
    },
    "required": ["model_id", "providers"]
  })");
  schemas.add("MonitorCosts", R"({
    "type": "object",
    "properties": {
      "window": {"type": "string"}, "samples": {"type": "integer"}, "total_cost": {"type": "number"},
      "cost_per_hour": {"type": "number"}, "projected_cost_per_day": {"type": "number"},
      "models": {"type": "array", "items": {"type": "object"}}, "suggestions": {"type": "array", "items": {"type": "object"}}
    },
    "required": ["window", "samples", "total_cost", "models", "suggestions"]
  })");
  schemas.add("MonitorAlert", R"({
    "type": "object",
    "properties": {
      "alert_id": {"type": "string"}, "type": {"type": "string", "examples": ["error_rate"]},
      "model_id": {"type": ["string", "null"]}, "provider": {"type": ["string", "null"]},
      "state": {"type": "string", "enum": ["open", "acknowledged", "resolved"]},
      "value": {"type": "number"}, "threshold": {"type": "number"},
      "window": {"type": "string"}, "samples": {"type": "integer"}, "message": {"type": "string"},
      "opened_at": {"type": "string", "format": "date-time"},
      "acknowledged_at": {"type": ["string", "null"]}, "acknowledged_by": {"type": ["string", "null"]},
      "resolved_at": {"type": ["string", "null"]}
    },
    "required": ["alert_id", "type", "state", "value", "threshold", "window", "samples", "message", "opened_at"]
  })");
  schemas.add(
      "MonitorReport",
      R"({"type": "object", "properties": {"generated_at": {"type": "string"}}, "required": ["generated_at"]})");
  schemas.add("MonitorThresholds", R"({
    "type": "object", "additionalProperties": false,
    "properties": {
      "monitoring_enabled": {"type": "boolean", "description": "Off: nothing is counted in windows and nothing alerts."},
      "response_time_threshold": {"type": "number", "minimum": 0, "description": "Seconds, mean over 5m."},
      "error_rate_threshold": {"type": "number", "minimum": 0, "maximum": 1},
      "cost_threshold_per_hour": {"type": ["number", "null"], "minimum": 0, "description": "Dollars, all models together."},
      "minimum_samples": {"type": "integer", "minimum": 1, "description": "Windows with fewer calls raise no alert."},
      "scaling_thresholds": {
        "type": "object", "additionalProperties": false,
        "properties": {
          "response_time_high": {"type": "number", "minimum": 0}, "error_rate_high": {"type": "number", "minimum": 0, "maximum": 1},
          "success_rate_low": {"type": "number", "minimum": 0, "maximum": 1}
        }
      },
      "auto_scaling_enabled": {"type": "boolean", "description": "Recommendations about calls in flight are applied, never above what is configured."},
      "apply_retry_advice": {"type": "boolean", "description": "What GET /monitor/retries proposes is applied, within bounds; false brings the configuration's rules back."},
      "request_id": {"type": "string", "minLength": 1, "maxLength": 128}
    }
  })");
  const std::string members = R"(
      "model_id": {"type": "string", "minLength": 1, "maxLength": 200},
      "provider": {"type": "string", "minLength": 1, "maxLength": 128, "description": "Default: the one that the model is configured with, else external."},
      "response_time": {"type": "number", "minimum": 0, "maximum": 86400, "description": "Seconds."},
      "success": {"type": "boolean"},
      "error": {"type": "string", "maxLength": 64, "description": "Class of the failure.", "examples": ["rate_limited"]},
      "cost": {"type": "number", "minimum": 0, "maximum": 1000000, "description": "Dollars."},
      "quality": {"type": "number", "minimum": 0, "maximum": 1},
      "prompt_tokens": {"type": "integer", "minimum": 0, "maximum": 1000000000},
      "completion_tokens": {"type": "integer", "minimum": 0, "maximum": 1000000000},
      "timestamp": {"type": "string", "format": "date-time", "description": "When it ended, at most 24 hours ago; default now."},
      "source": {"type": "string", "maxLength": 128, "description": "Who reports it; for the reader of the request's log."},
      "request_id": {"type": "string", "minLength": 1, "maxLength": 128})";
  schemas.add("MonitorRecord", R"({"type": "object", "additionalProperties": false, "properties": {)"
                                   + members + R"(}, "required": ["model_id", "response_time", "success"]})");
  schemas.add("MonitorRecords", R"({
    "type": "object", "additionalProperties": false,
    "description": "One record, or a list of them in records.",
    "properties": {
      "records": {"type": "array", "minItems": 1, "maxItems": 1000, "items": {"$ref": "#/components/schemas/MonitorRecord"}},)"
                                    + members + "}}");
  schemas.add("MonitorRecorded", R"({
    "type": "object",
    "properties": {"recorded": {"type": "integer"}, "message": {"type": "string"}},
    "required": ["recorded", "message"]
  })");
}

} // namespace assay::server
