#include "server/routes/families.hpp"

namespace assay::server {

namespace {

query_parameter secret_text(const char* name, const char* summary) {
  query_parameter out;
  out.name = name;
  out.summary = summary;
  out.longest = 4096;
  out.is_secret = true;
  return out;
}

} // namespace

void add_web_socket_route(route_table& table) {
  auto& schemas = table.schemas();
  schemas.add("AuthCommand", R"({
    "type": "object", "additionalProperties": false,
    "properties": {"type": {"const": "auth"}, "token": {"type": "string", "minLength": 1, "maxLength": 4096}},
    "required": ["type", "token"]
  })");
  schemas.add("SubscribeEvaluationCommand", R"({
    "type": "object", "additionalProperties": false,
    "properties": {
      "type": {"const": "subscribe_evaluation"},
      "evaluation_id": {"type": "string", "maxLength": 128},
      "last_seq": {"type": "integer", "minimum": 0, "description": "The last event that was seen; everything after it is sent, with 0 the whole past. Without it the past begins with the newest retry, if there was one."},
      "samples": {"type": "boolean", "description": "Also one event for each sample.", "default": false}
    },
    "required": ["type", "evaluation_id"]
  })");
  schemas.add("SubscribeCommand", R"({
    "type": "object", "additionalProperties": false,
    "properties": {
      "type": {"const": "subscribe"},
      "channels": {"type": "array", "minItems": 1, "maxItems": 100, "items": {"type": "string", "maxLength": 256}, "examples": [["evaluation:eval_1234567890_abcd1234", "alerts"]]},
      "last_seq": {"type": "integer", "minimum": 0, "description": "As in subscribe_evaluation, for all of the channels."},
      "samples": {"type": "boolean", "default": false}
    },
    "required": ["type", "channels"]
  })");
  schemas.add("UnsubscribeEvaluationCommand", R"({
    "type": "object", "additionalProperties": false,
    "properties": {"type": {"const": "unsubscribe_evaluation"}, "evaluation_id": {"type": "string", "maxLength": 128}},
    "required": ["type", "evaluation_id"]
  })");
  schemas.add("UnsubscribeCommand", R"({
    "type": "object", "additionalProperties": false,
    "properties": {
      "type": {"const": "unsubscribe"},
      "evaluation_id": {"type": "string", "maxLength": 128},
      "channels": {"type": "array", "maxItems": 100, "items": {"type": "string", "maxLength": 256}}
    },
    "required": ["type"]
  })");
  schemas.add("PingCommand", R"({
    "type": "object", "additionalProperties": false, "properties": {"type": {"const": "ping"}}, "required": ["type"]
  })");
  schemas.add("LlmInvokeCommand", R"({
    "type": "object", "additionalProperties": false,
    "properties": {
      "type": {"const": "llm_invoke"},
      "id": {"type": "string", "minLength": 1, "maxLength": 128, "description": "The client's own; every frame about the answer names it."},
      "request": {"$ref": "#/components/schemas/LlmRequest"}
    },
    "required": ["type", "id", "request"]
  })");
  schemas.add("LlmCancelCommand", R"({
    "type": "object", "additionalProperties": false,
    "properties": {"type": {"const": "llm_cancel"}, "id": {"type": "string", "minLength": 1, "maxLength": 128}},
    "required": ["type", "id"]
  })");
  schemas.add("WebSocketCommand", R"({
    "anyOf": [
      {"$ref": "#/components/schemas/AuthCommand"}, {"$ref": "#/components/schemas/SubscribeEvaluationCommand"},
      {"$ref": "#/components/schemas/SubscribeCommand"}, {"$ref": "#/components/schemas/UnsubscribeEvaluationCommand"},
      {"$ref": "#/components/schemas/UnsubscribeCommand"},
      {"$ref": "#/components/schemas/LlmInvokeCommand"}, {"$ref": "#/components/schemas/LlmCancelCommand"}, {"$ref": "#/components/schemas/PingCommand"}
    ]
  })");
  schemas.add("WebSocketEvent", R"({
    "type": "object",
    "properties": {
      "type": {"type": "string", "examples": ["evaluation_progress", "evaluation_completed", "subscribed", "error"]},
      "data": {"type": "object", "description": "Of an evaluation: evaluation_id and the fields of GET /evaluations/{id}."},
      "seq": {"type": ["integer", "null"], "description": "Number of the event within its evaluation."},
      "timestamp": {"type": "string", "format": "date-time"}
    },
    "required": ["type", "data", "seq", "timestamp"]
  })");

  route one;
  one.path = "/ws";
  one.access = route_access::own_rules;
  one.tag = "events";
  one.summary = "Events as they happen (WebSocket)";
  one.details =
      "Say who you are with ?ticket= (preferred), ?token=, an Authorization header, or the first message "
      "{\"type\":\"auth\",\"token\":\"...\"}. Then send "
      "{\"type\":\"subscribe_evaluation\",\"evaluation_id\":\"...\"}. "
      "Everything after last_seq is sent, then what happens, without gaps; without last_seq the past begins "
      "with the newest retry. `subscribed` answers the number of the newest event. Of progress only the "
      "newest waits for a slow reader; at 1 MiB of backlog the socket is closed with code 3008. Messages of "
      "at most 64 KiB, about a hundred a minute.";
  one.response_schema = "WebSocketEvent";
  one.success = 101;
  one.query = {secret_text("ticket", "From POST /auth/ws-ticket; good once"),
               secret_text("token", "An access token")};
  table.add(std::move(one));
}

} // namespace assay::server
