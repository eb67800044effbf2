#include "server/routes/model_configs.hpp"

namespace assay::server {

void add_model_configuration_schemas(schema_set& schemas) {
  schemas.add("NewModelConfiguration", R"({
    "type": "object",
    "description": "The fields of model_configs.yaml, beside model_id or in `configuration`. docs/configuration.md has all of them.",
    "properties": {
      "model_id": {"type": "string", "minLength": 1, "maxLength": 128, "description": "Letters, digits, '.', '_' and '-'.", "examples": ["claude-3-haiku"]},
      "configuration": {"type": ["object", "null"]},
      "model_type": {"type": ["string", "null"], "examples": ["anthropic_claude"], "description": "anthropic_claude, openai_gpt, deepseek, ..."},
      "model": {"type": ["string", "null"], "description": "What the provider calls it, when not model_id."},
      "temperature": {"type": ["number", "null"], "examples": [0.7]},
      "max_tokens": {"type": ["integer", "null"], "examples": [2048]},
      "top_p": {"type": ["number", "null"]},
      "stop_sequences": {"type": ["array", "null"], "items": {"type": "string"}},
      "rate_limits": {"type": ["object", "null"]},
      "cost_management": {"type": ["object", "null"]},
      "performance_targets": {"type": ["object", "null"]},
      "task_optimizations": {"type": ["object", "null"], "description": "Parameters by type of task."},
      "request_id": {"type": "string", "minLength": 1, "maxLength": 128}
    },
    "required": ["model_id"]
  })");
  schemas.add("ModelConfigurationChange", R"({
    "type": "object",
    "description": "All fields of the configuration, as in NewModelConfiguration.",
    "properties": {
      "model_id": {"type": ["string", "null"], "maxLength": 128},
      "configuration": {"type": ["object", "null"]},
      "request_id": {"type": "string", "minLength": 1, "maxLength": 128}
    }
  })");
  schemas.add("ModelConfiguration", R"({
    "type": "object",
    "properties": {
      "model_id": {"type": "string"},
      "version": {"type": "integer", "description": "One more with each change."},
      "configuration": {"type": "object", "description": "In the shape of an entry of model_configs.yaml."},
      "deleted": {"type": "boolean"},
      "created_at": {"type": "string", "format": "date-time"}, "created_by": {"type": "string"},
      "updated_at": {"type": "string", "format": "date-time"}, "updated_by": {"type": "string"},
      "notes": {"type": "array", "items": {"type": "string"}, "description": "What its author should know."}
    },
    "required": ["model_id", "version", "configuration", "deleted", "created_at", "created_by", "updated_at", "updated_by"]
  })");
  schemas.add("ModelConfigurationList", R"({
    "type": "object",
    "properties": {
      "items": {"type": "array", "items": {"$ref": "#/components/schemas/ModelConfiguration"}},
      "total": {"type": "integer"}, "page": {"type": "integer"}, "page_size": {"type": "integer"}
    },
    "required": ["items", "total", "page", "page_size"]
  })");
  schemas.add("ModelConfigurationHistory", R"({
    "type": "object",
    "properties": {
      "model_id": {"type": "string"},
      "items": {
        "type": "array",
        "items": {
          "type": "object",
          "properties": {
            "version": {"type": "integer"},
            "action": {"type": "string", "enum": ["created", "updated", "deleted"]},
            "at": {"type": "string", "format": "date-time"}, "by": {"type": "string"},
            "changes": {"type": "array", "items": {"type": "object"}, "description": "field, before, after"},
            "configuration": {"type": ["object", "null"]}
          },
          "required": ["version", "action", "at", "by", "changes", "configuration"]
        }
      },
      "total": {"type": "integer", "description": "Of all versions."},
      "next_before": {"type": ["integer", "null"], "description": "`before` of the next page."}
    },
    "required": ["model_id", "items", "total", "next_before"]
  })");
  schemas.add("ModelConfigurationDeleted", R"({
    "type": "object",
    "properties": {
      "status": {"const": "deleted"}, "model_id": {"type": "string"}, "version": {"type": "integer"}, "message": {"type": "string"}
    },
    "required": ["status", "model_id", "version", "message"]
  })");
  schemas.add("ModelConfigurationText", R"({
    "type": "object", "additionalProperties": false,
    "properties": {
      "yaml": {"type": "string", "minLength": 1, "maxLength": 4194304, "description": "The text of a model_configs.yaml; JSON of the same shape does too."},
      "dry_run": {"type": "boolean", "description": "Only says what would be stored."},
      "request_id": {"type": "string", "minLength": 1, "maxLength": 128}
    },
    "required": ["yaml"]
  })");
  schemas.add("ModelConfigurationImport", R"({
    "type": "object",
    "properties": {
      "created": {"type": "array", "items": {"type": "string"}}, "updated": {"type": "array", "items": {"type": "string"}},
      "unchanged": {"type": "array", "items": {"type": "string"}},
      "notes": {"type": "array", "items": {"type": "string"}}, "dry_run": {"type": "boolean"}
    },
    "required": ["created", "updated", "unchanged", "notes", "dry_run"]
  })");
  schemas.add("OptimizedConfiguration", R"({
    "type": "object",
    "properties": {
      "model_id": {"type": "string"}, "version": {"type": ["integer", "null"], "description": "null for a model that is not stored."},
      "source": {"type": "string", "enum": ["stored", "farm"], "description": "Stored, or configured in files or known from the catalogue."},
      "task_type": {"type": "string"}, "strategy": {"type": "string"},
      "configuration": {"type": "object", "description": "The values in effect."},
      "values": {"type": "object", "description": "By parameter: value, configured, source, reason, evidence."},
      "candidates": {"type": "array", "items": {"type": "object"}, "description": "The sets of parameters that finished runs have tried."},
      "observed": {"type": ["object", "null"], "description": "The monitor's window over the model's calls."},
      "targets": {"type": ["object", "null"]},
      "evidence": {"type": "boolean", "description": "Whether any value comes from runs or the monitor."},
      "notes": {"type": "array", "items": {"type": "string"}}
    },
    "required": ["model_id", "version", "source", "task_type", "strategy", "configuration", "values", "candidates", "observed", "evidence", "notes"]
  })");
}

} // namespace assay::server
