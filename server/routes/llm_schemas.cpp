#include "server/routes/families.hpp"

namespace assay::server {

namespace {

void add_shapes_of_families(schema_set& schemas) {
  schemas.add("OpenAiError", R"({
    "type": "object",
    "properties": {
      "error": {
        "type": "object",
        "properties": {
          "message": {"type": "string"}, "type": {"type": "string", "examples": ["invalid_request_error"]},
          "param": {"type": ["string", "null"], "examples": ["messages[0].content"]},
          "code": {"type": ["string", "null"], "examples": ["model_not_found"]}
        },
        "required": ["message", "type", "param", "code"]
      }
    },
    "required": ["error"]
  })");
  schemas.add("DatalabAnswer", R"({
    "type": "object",
    "properties": {
      "status": {"type": "string", "enum": ["success", "error", "pending"]},
      "message": {"type": ["string", "null"]}, "request_id": {"type": "string"},
      "timestamp": {"type": "string", "format": "date-time"},
      "execution_time_ms": {"type": "number"}
    },
    "required": ["status", "message", "request_id", "timestamp", "execution_time_ms"]
  })");
  schemas.add("DatalabError", R"({
    "type": "object",
    "properties": {
      "status": {"const": "error"}, "message": {"type": "string"},
      "error_code": {"type": "string", "examples": ["VALIDATION_ERROR"]},
      "error_details": {"type": "object"}, "request_id": {"type": "string"},
      "timestamp": {"type": "string", "format": "date-time"},
      "execution_time_ms": {"type": "number"}, "path": {"type": "string"}
    },
    "required": ["status", "message", "error_code", "error_details", "request_id", "timestamp", "path"]
  })");
}

void add_openai_requests(schema_set& schemas) {
  schemas.add("ChatMessage", R"({
    "type": "object",
    "properties": {
      "role": {"type": "string", "description": "system, developer, user, assistant or tool."},
      "content": {"type": ["string", "array", "null"], "description": "A text, or parts of the types text and image_url."},
      "name": {"type": ["string", "null"]},
      "tool_calls": {"type": ["array", "null"], "items": {"type": "object"}},
      "tool_call_id": {"type": ["string", "null"]}
    },
    "required": ["role"]
  })");
  schemas.add("ChatCompletionRequest", R"({
    "type": "object",
    "properties": {
      "model": {"type": "string", "minLength": 1, "examples": ["gpt-4o-mini", "anthropic/claude-3-haiku"]},
      "messages": {"type": "array", "minItems": 1, "items": {"$ref": "#/components/schemas/ChatMessage"}},
      "temperature": {"type": ["number", "null"], "minimum": 0, "maximum": 2},
      "top_p": {"type": ["number", "null"], "minimum": 0, "maximum": 1},
      "frequency_penalty": {"type": ["number", "null"], "minimum": -2, "maximum": 2},
      "presence_penalty": {"type": ["number", "null"], "minimum": -2, "maximum": 2},
      "max_tokens": {"type": ["integer", "null"], "minimum": 1},
      "max_completion_tokens": {"type": ["integer", "null"], "minimum": 1},
      "n": {"type": ["integer", "null"], "minimum": 1, "maximum": 128},
      "seed": {"type": ["integer", "null"]},
      "stop": {"type": ["string", "array", "null"]},
      "stream": {"type": ["boolean", "null"]},
      "stream_options": {"type": ["object", "null"]},
      "logprobs": {"type": ["boolean", "null"]},
      "top_logprobs": {"type": ["integer", "null"], "minimum": 0, "maximum": 20},
      "response_format": {"type": ["object", "null"], "description": "text, json_object or json_schema."},
      "tools": {"type": ["array", "null"], "items": {"type": "object"}},
      "tool_choice": {"type": ["string", "object", "null"]},
      "parallel_tool_calls": {"type": ["boolean", "null"]},
      "reasoning_effort": {"type": ["string", "null"]},
      "user": {"type": ["string", "null"]}
    },
    "required": ["model", "messages"]
  })");
  schemas.add("EmbeddingRequest", R"({
    "type": "object",
    "properties": {
      "model": {"type": "string", "minLength": 1, "examples": ["text-embedding-3-small"]},
      "input": {"type": ["string", "array"]},
      "dimensions": {"type": ["integer", "null"], "minimum": 1},
      "encoding_format": {"type": ["string", "null"], "enum": ["float", "base64", null]},
      "user": {"type": ["string", "null"]}
    },
    "required": ["model", "input"]
  })");
}

void add_openai_answers(schema_set& schemas) {
  schemas.add("ChatCompletion", R"({
    "type": "object",
    "properties": {
      "id": {"type": "string"}, "object": {"const": "chat.completion"}, "created": {"type": "integer"},
      "model": {"type": "string"}, "choices": {"type": "array", "items": {"type": "object"}},
      "usage": {"type": "object"}
    },
    "required": ["id", "object", "created", "model", "choices", "usage"]
  })");
  schemas.add("EmbeddingList", R"({
    "type": "object",
    "properties": {
      "object": {"const": "list"}, "data": {"type": "array", "items": {"type": "object"}},
      "model": {"type": "string"}, "usage": {"type": "object"}
    },
    "required": ["object", "data", "model", "usage"]
  })");
  schemas.add("OpenAiModel", R"({
    "type": "object",
    "properties": {
      "id": {"type": "string"}, "object": {"const": "model"}, "created": {"type": "integer"},
      "owned_by": {"type": "string"}
    },
    "required": ["id", "object", "created", "owned_by"]
  })");
  schemas.add("OpenAiModelList", R"({
    "type": "object",
    "properties": {
      "object": {"const": "list"},
      "data": {"type": "array", "items": {"$ref": "#/components/schemas/OpenAiModel"}}
    },
    "required": ["object", "data"]
  })");
}

void add_llm_api_requests(schema_set& schemas) {
  schemas.add("LlmRequest", R"({
    "type": "object",
    "description": "The members of llm_params may stand at the top as well, where they win.",
    "properties": {
      "prompt": {"type": ["string", "null"]},
      "messages": {"type": ["array", "null"], "items": {"$ref": "#/components/schemas/ChatMessage"}},
      "images": {"type": ["array", "string", "null"], "description": "Addresses or base64."},
      "model": {"type": ["string", "null"], "default": "gpt-3.5-turbo"},
      "provider": {"type": ["string", "null"], "examples": ["openai", "anthropic", "local"]},
      "system_message": {"type": ["string", "null"]}, "system_prompt": {"type": ["string", "null"]},
      "temperature": {"type": ["number", "null"], "minimum": 0, "maximum": 2, "default": 0.7},
      "max_tokens": {"type": ["integer", "null"], "minimum": 1, "default": 256},
      "top_p": {"type": ["number", "null"], "minimum": 0, "maximum": 1},
      "top_k": {"type": ["integer", "null"], "minimum": 1},
      "frequency_penalty": {"type": ["number", "null"], "minimum": -2, "maximum": 2},
      "presence_penalty": {"type": ["number", "null"], "minimum": -2, "maximum": 2},
      "stop_sequences": {"type": ["array", "string", "null"]},
      "seed": {"type": ["integer", "null"]},
      "stream": {"type": ["boolean", "null"], "description": "As server-sent events when Accept names text/event-stream; otherwise the answer is collected."},
      "timeout": {"type": ["number", "null"], "default": 60, "description": "Seconds."},
      "cache": {"type": ["string", "null"], "enum": ["off", "use", "rewrite", "remove", null]},
      "raw_response": {"type": ["boolean", "null"], "description": "Whether the provider's own body comes along, up to 1 MiB of it; not with stream, and never from kept answers."},
      "llm_params": {"type": ["object", "null"]},
      "request_id": {"type": "string"}
    }
  })");
  schemas.add("LlmBatchRequest", R"({
    "type": "object",
    "properties": {
      "items": {"type": "array", "minItems": 1, "maxItems": 1000000, "items": {"type": "object"}},
      "prompt_template": {"type": "string", "description": "{field} is filled from the item; {{ is a brace."},
      "system_prompt": {"type": ["string", "null"]},
      "model": {"type": ["string", "null"]}, "provider": {"type": ["string", "null"]},
      "max_concurrent_requests": {"type": ["integer", "null"], "minimum": 1, "maximum": 256, "default": 5},
      "batch_size": {"type": ["integer", "null"], "minimum": 1, "description": "Accepted; changes nothing."},
      "mode": {"type": ["string", "null"], "enum": ["online", "batch", "auto", null], "default": "online", "description": "batch sends the calls through the provider's batch API, for about half the price and with answers within a day; auto does where the provider has one."},
      "wait": {"type": ["boolean", "null"], "description": "Whether the answer comes when all are done; unless the calls go in batches, true."},
      "output_dir": {"type": ["string", "null"], "description": "A folder below the results folder; results and statistics are written there at the end."},
      "max_cost": {"type": ["number", "null"], "minimum": 0, "description": "Dollars; the batch ends before it could cost more."},
      "temperature": {"type": ["number", "null"]}, "max_tokens": {"type": ["integer", "null"]},
      "timeout": {"type": ["number", "null"], "default": 60, "description": "Seconds of one try at an item."},
      "cache": {"type": ["string", "null"], "enum": ["off", "use", "rewrite", "remove", null]},
      "llm_params": {"type": ["object", "null"]},
      "request_id": {"type": "string"}
    },
    "required": ["items", "prompt_template"]
  })");
  schemas.add("LlmEmbeddingRequest", R"({
    "type": "object",
    "properties": {
      "model": {"type": "string", "minLength": 1}, "provider": {"type": ["string", "null"]},
      "texts": {"type": ["array", "string", "null"]}, "text": {"type": ["string", "null"]},
      "dimensions": {"type": ["integer", "null"], "minimum": 1},
      "request_id": {"type": "string"}
    },
    "required": ["model"]
  })");
  schemas.add("LlmCountRequest", R"({
    "type": "object",
    "properties": {
      "model": {"type": ["string", "null"]}, "provider": {"type": ["string", "null"]},
      "text": {"type": ["string", "null"]}, "prompt": {"type": ["string", "null"]},
      "messages": {"type": ["array", "null"], "items": {"$ref": "#/components/schemas/ChatMessage"}},
      "request_id": {"type": "string"}
    }
  })");
}

void add_llm_api_answers(schema_set& schemas) {
  schemas.add("LlmAnswer", R"({
    "type": "object",
    "properties": {
      "result": {"type": "string"}, "text": {"type": "string"}, "model": {"type": "string"},
      "provider": {"type": "string"}, "tokens_used": {"type": "integer"},
      "token_breakdown": {"type": "object"}, "usage": {"type": "object"},
      "finish_reason": {"type": "string"}, "cost": {"type": ["number", "null"]},
      "cached": {"type": "boolean"}, "warnings": {"type": ["array", "null"]},
      "raw_response": {"description": "The provider's own body, where it was asked for; a text where it is no JSON."}
    },
    "required": ["result", "model", "tokens_used", "finish_reason", "provider", "cost"]
  })");
  schemas.add("LlmBatchStatus", R"({
    "type": "object",
    "properties": {
      "batch_id": {"type": "string", "description": "An evaluation's id: its events are on /ws."},
      "task_status": {"type": "string", "enum": ["created", "running", "paused", "completed", "failed", "cancelled"]},
      "state": {"type": "string"}, "mode": {"type": "string", "enum": ["online", "batch"]},
      "progress": {"type": "number", "description": "0 to 1."},
      "total_requests": {"type": "integer"}, "completed_requests": {"type": "integer"},
      "failed_requests": {"type": "integer"}, "total_tokens": {"type": "integer"},
      "total_cost": {"type": "number"}, "start_time": {"type": "string"}, "end_time": {"type": ["string", "null"]},
      "results_url": {"type": "string"},
      "error_message": {"type": ["string", "null"], "description": "Why the batch as a whole failed."},
      "error_code": {"type": ["string", "null"]},
      "output": {"$ref": "#/components/schemas/Output"}
    },
    "required": ["batch_id", "task_status", "state", "progress", "total_requests", "completed_requests", "failed_requests"]
  })");
  schemas.add("LlmBatchAnswer", R"({
    "type": "object",
    "description": "As LlmBatchStatus, with the results once the batch has ended.",
    "properties": {
      "batch_id": {"type": "string"}, "task_status": {"type": "string"}, "state": {"type": "string"},
      "progress": {"type": "number"}, "notes": {"type": "array", "items": {"type": "string"}},
      "results": {"type": ["array", "null"], "items": {"type": "object"}, "description": "In the order of the items: {index, item, response, usage} or {index, item, error}. Absent before the end, null for more than 1000 items: results_url has them."},
      "results_url": {"type": "string"},
      "total_requests": {"type": "integer"}, "completed_requests": {"type": "integer"},
      "failed_requests": {"type": "integer"}, "total_tokens": {"type": "integer"},
      "total_cost": {"type": "number"}, "start_time": {"type": "string"}, "end_time": {"type": ["string", "null"]}
    },
    "required": ["batch_id", "task_status", "state", "total_requests", "completed_requests", "failed_requests"]
  })");
  schemas.add("LlmEmbeddings", R"({
    "type": "object",
    "properties": {
      "embeddings": {"type": "array", "items": {"type": "array", "items": {"type": "number"}}},
      "dimensions": {"type": "integer"}, "model": {"type": "string"}, "provider": {"type": "string"},
      "usage": {"type": "object"}, "cost": {"type": ["number", "null"]}
    },
    "required": ["embeddings", "dimensions", "model", "usage"]
  })");
  schemas.add("LlmCount", R"({
    "type": "object",
    "properties": {
      "token_count": {"type": "integer"}, "estimated": {"type": "boolean"}, "model": {"type": "string"},
      "provider": {"type": "string"}
    },
    "required": ["token_count", "estimated", "model"]
  })");
  schemas.add("LlmProviders", R"({
    "type": "object",
    "properties": {"providers": {"type": "array", "items": {"type": "object", "properties": {
      "id": {"type": "string"}, "protocol": {"type": "string"}, "usable": {"type": "boolean"},
      "models": {"type": "array", "items": {"type": "object"}}
    }}}},
    "required": ["providers"]
  })");
}

} // namespace

void add_llm_schemas(schema_set& schemas) {
  add_shapes_of_families(schemas);
  add_openai_requests(schemas);
  add_openai_answers(schemas);
  add_llm_api_requests(schemas);
  add_llm_api_answers(schemas);
}

} // namespace assay::server
