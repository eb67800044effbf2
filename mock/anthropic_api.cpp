#include "mock/anthropic_api.hpp"

#include "mock/json_text.hpp"
#include "mock/reply.hpp"
#include "mock/streams.hpp"

#include <algorithm>

namespace assay::mock {

namespace {

std::string_view stop_reason_of(choice_end end) noexcept {
  switch (end) {
  case choice_end::length:
    return "max_tokens";
  case choice_end::stop_sequence:
    return "stop_sequence";
  case choice_end::tool_call:
    return "tool_use";
  case choice_end::filtered:
    return "refusal";
  case choice_end::stop:
    break;
  }
  return "end_turn";
}

void append_stop(std::string& out, const simulated_choice& choice) {
  out.append("\"stop_reason\":\"").append(stop_reason_of(choice.end)).append("\",\"stop_sequence\":");
  if (choice.end == choice_end::stop_sequence)
    append_json_string(out, choice.stop_sequence);
  else
    out += "null";
  if (choice.end == choice_end::filtered)
    out += R"(,"stop_details":{"type":"refusal","category":"simulated","explanation":"Simulated refusal."})";
}

void append_usage(std::string& out, const chat_answer& answer, uint64_t output) {
  out += "{\"input_tokens\":";
  append_number(out, answer.call.prompt_tokens);
  out += ",\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":0,\"output_tokens\":";
  append_number(out, output);
  out.append(",\"service_tier\":\"").append(answer.in_batch ? "batch" : "standard").append("\"}");
}

/// `{"id":..,...,"model":..,"simulated":true` and so far no more.
std::string message_start(const chat_answer& answer) {
  auto out = "{\"id\":\"msg_" + id_digits(answer.call).substr(0, 24)
             + R"(","type":"message","role":"assistant","model":)";
  append_json_string(out, answer.call.model);
  return out += ",\"simulated\":true";
}

std::string tool_block(const chat_answer& answer, std::string_view input) {
  auto out = R"({"type":"tool_use","id":"toolu_)" + id_digits(answer.call).substr(8, 24) + R"(","name":)";
  append_json_string(out, answer.choices.front().tool_name);
  return out.append(",\"input\":").append(input).append("}");
}

void append_limit(std::string& out, std::string_view name, const limit_view& view, wall_time now) {
  if (view.limit == 0)
    return;
  const auto line = [&](std::string_view what) -> std::string& {
    return out.append("anthropic-ratelimit-").append(name).append("-").append(what).append(": ");
  };
  append_number(line("limit"), view.limit);
  out += "\r\n";
  append_number(line("remaining"), view.remaining);
  out += "\r\n";
  const auto reset = std::chrono::ceil<seconds>(now + std::chrono::ceil<milliseconds>(view.reset));
  line("reset").append(to_rfc3339(reset)).append("\r\n");
}

} // namespace

std::string_view anthropic_dialect::key_of(const request_view& request, std::string_view) const {
  const auto key = request.header("x-api-key");
  return key.empty() ? bearer_of(request.authorization) : key;
}

namespace {

/// Clients of every age are served: any day from the first version on will do.
bool is_version(std::string_view text) {
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  if (text.size() != 10 || text[4] != '-' || text[7] != '-' || text < "2023-01-01")
    return false;
  return std::ranges::all_of(text, [&](char c) { return c == '-' || is_digit(c); });
}

} // namespace

std::optional<api_error> anthropic_dialect::check(const request_view& request, const route&,
                                                  std::string_view) const {
  const auto version = request.header("anthropic-version");
  if (version.empty())
    return api_error{400, "anthropic-version: header is required", "invalid_request_error", {}, {}, {}};
  if (!is_version(version))
    return api_error{400,
                     "anthropic-version: \"" + std::string(version.substr(0, 32))
                         + "\" is not a valid version",
                     "invalid_request_error",
                     {},
                     {},
                     {}};
  return {};
}

api_result<chat_request> anthropic_dialect::read_chat(const route&, std::string_view body) const {
  constexpr size_t most = 32 * 1024 * 1024;
  if (body.size() > most)
    return error_of(trouble::body_too_large, {});
  return read_anthropic_messages(body, false);
}

api_result<chat_request> anthropic_dialect::read_count(const route&, std::string_view body) const {
  return read_anthropic_messages(body, true);
}

api_result<embedding_request> anthropic_dialect::read_embedding(const route&, std::string_view) const {
  return error_of(trouble::unknown_path, {});
}

std::string anthropic_dialect::chat_body(const chat_answer& answer) const {
  const auto& choice = answer.choices.front();
  auto out = message_start(answer);
  out.reserve(out.size() + choice.text.size() + choice.tool_arguments.size() + 384);
  out += ",\"content\":[";
  if (choice.end == choice_end::tool_call) {
    out += tool_block(answer, choice.tool_arguments);
  } else if (choice.end != choice_end::filtered) {
    out += "{\"type\":\"text\",\"text\":";
    append_json_string(out, choice.text);
    out += '}';
  }
  out += "],";
  append_stop(out, choice);
  out += ",\"usage\":";
  append_usage(out, answer, answer.call.completion_tokens);
  return out += '}';
}

event_stream anthropic_dialect::stream(const chat_answer& answer, std::string_view) const {
  const auto& choice = answer.choices.front();
  event_stream out;
  const auto add = [&](std::string_view name, std::string_view json) {
    out.events.push_back(named_event(name, json));
  };
  auto start = R"({"type":"message_start","message":)" + message_start(answer)
               + R"(,"content":[],"stop_reason":null,"stop_sequence":null,"usage":)";
  append_usage(start, answer, 1);
  add("message_start", start + "}}");
  out.closing = 2;
  if (choice.end != choice_end::filtered) {
    const bool tool = choice.end == choice_end::tool_call;
    add("content_block_start", R"({"type":"content_block_start","index":0,"content_block":)"
                                   + (tool ? tool_block(answer, "{}") : R"({"type":"text","text":""})")
                                   + "}");
    add("ping", R"({"type": "ping"})");
    for_each_piece(tool ? choice.tool_arguments : choice.text, [&](std::string_view piece) {
      std::string delta = R"({"type":"content_block_delta","index":0,"delta":)";
      delta += tool ? R"({"type":"input_json_delta","partial_json":)" : R"({"type":"text_delta","text":)";
      append_json_string(delta, piece);
      add("content_block_delta", delta + "}}");
    });
    add("content_block_stop", R"({"type":"content_block_stop","index":0})");
    out.closing = 3;
  }
  std::string delta = R"({"type":"message_delta","delta":{)";
  append_stop(delta, choice);
  delta += "},\"usage\":{\"input_tokens\":";
  append_number(delta, answer.call.prompt_tokens);
  delta += ",\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":0,\"output_tokens\":";
  append_number(delta, answer.call.completion_tokens);
  add("message_delta", delta + "}}");
  add("message_stop", R"({"type":"message_stop"})");
  return out;
}

std::string anthropic_dialect::count_body(uint64_t tokens, operation) const {
  return "{\"input_tokens\":" + std::to_string(tokens) + "}";
}

std::string anthropic_dialect::embedding_body(const call_ticket&, const embedding_request&, operation) const {
  return "{}"; // There are none.
}

std::string anthropic_dialect::model_body(const simulated_model& model) const {
  std::string out = R"({"type":"model","id":)";
  append_json_string(out, model.name);
  out += ",\"display_name\":";
  append_json_string(out, model.name + " (simulated)");
  return out.append(R"(,"created_at":"2023-11-14T22:13:20Z","max_input_tokens":)")
      .append(std::to_string(model.context_window == 0 ? 200'000 : model.context_window))
      .append(",\"max_tokens\":64000}");
}

std::string anthropic_dialect::models_body(const std::vector<simulated_model>& models) const {
  std::string out = "{\"data\":[";
  for (size_t i = 0; i < models.size(); ++i)
    out.append(i == 0 ? "" : ",").append(model_body(models[i]));
  out += "],\"has_more\":false,\"first_id\":";
  const auto id = [&](const simulated_model* model) {
    if (model == nullptr)
      out += "null";
    else
      append_json_string(out, model->name);
  };
  id(models.empty() ? nullptr : &models.front());
  out += ",\"last_id\":";
  id(models.empty() ? nullptr : &models.back());
  return out += "}";
}

std::string anthropic_dialect::sign_of_life(bool stream) const {
  return stream ? named_event("ping", R"({"type": "ping"})") : "\n";
}

api_error anthropic_dialect::error_of_status(int status, std::string_view model) const {
  const auto error = [status](std::string type, std::string message) {
    return api_error{status, std::move(message), std::move(type), {}, {}, {}};
  };
  switch (status) {
  case 400:
    return error("invalid_request_error", "Invalid request (simulated fault).");
  case 401:
    return error("authentication_error", "invalid x-api-key");
  case 402:
    return error("billing_error", "There is a problem with your billing (simulated fault).");
  case 403:
    return error("permission_error", "Your API key does not have permission to use the specified resource.");
  case 404:
    return error("not_found_error", "model: " + std::string(model));
  case 409:
    return error("conflict_error", "The request conflicts with the present state (simulated fault).");
  case 413:
    return error("request_too_large", "Request exceeds the maximum size");
  case 429:
    return error("rate_limit_error",
                 "Number of requests has exceeded your rate limit. Please try again later.");
  case 504:
    return error("timeout_error", "Request timed out");
  case 529:
    return error("overloaded_error", "Overloaded");
  default:
    return error(status >= 500 ? "api_error" : "invalid_request_error",
                 status >= 500 ? "Internal server error" : "Simulated error");
  }
}

api_error anthropic_dialect::error_of_limit(const limit_verdict& verdict, std::string_view model) const {
  using cause = limit_verdict::cause;
  std::string what = "requests per minute";
  switch (verdict.refused) {
  case cause::tokens:
  case cause::request_too_large:
    what = "tokens per minute";
    break;
  case cause::input_tokens:
    what = "input tokens per minute";
    break;
  case cause::output_tokens:
    what = "output tokens per minute";
    break;
  case cause::requests_per_second:
    what = "requests per second";
    break;
  case cause::concurrent:
    return {429,
            "Number of concurrent connections has exceeded your rate limit. Please try again later.",
            "rate_limit_error",
            {},
            {},
            {}};
  case cause::requests:
  case cause::none:
    break;
  }
  return {429,
          "This request would exceed your organization's rate limit of " + std::to_string(verdict.limit) + " "
              + what + " (org: org-simulated, model: " + std::string(model)
              + "). For details, refer to: https://docs.claude.com/en/api/rate-limits.",
          "rate_limit_error",
          {},
          {},
          {}};
}

api_error anthropic_dialect::error_of(trouble what, std::string_view about) const {
  const auto error = [](int status, std::string type, std::string message) {
    return api_error{status, std::move(message), std::move(type), {}, {}, {}};
  };
  switch (what) {
  case trouble::missing_key:
    return error(401, "authentication_error", "x-api-key header is required");
  case trouble::wrong_key:
    return error(401, "authentication_error", "invalid x-api-key");
  case trouble::no_credit:
    return error(
        400, "invalid_request_error",
        "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to "
        "upgrade or purchase credits.");
  case trouble::daily_quota:
    return error(
        429, "rate_limit_error",
        "This request would exceed your organization's maximum usage for the day (enforced_spend_limit_"
        "reached).");
  case trouble::filtered:
    return {200, {}, {}, {}, {}, {}};
  case trouble::unknown_path:
  case trouble::unknown_object:
    return error(404, "not_found_error", "Not found");
  case trouble::wrong_method:
    return error(405, "invalid_request_error", "Method Not Allowed");
  case trouble::unknown_model:
    return error_of_status(404, about);
  case trouble::body_too_large:
    return error_of_status(413, about);
  }
  return error_of_status(500, about);
}

api_error anthropic_dialect::too_long(uint64_t window, uint64_t used) const {
  return {400,
          "prompt is too long: " + std::to_string(used) + " tokens > " + std::to_string(window) + " maximum",
          "invalid_request_error",
          {},
          {},
          {}};
}

std::string anthropic_dialect::error_body(const api_error& error, std::string_view request_id) const {
  std::string out = R"({"type":"error","error":{"type":)";
  append_json_string(out, error.type);
  out += ",\"message\":";
  append_json_string(out, error.message);
  out.append(error.more).append("},\"request_id\":");
  if (request_id.empty())
    out += "null";
  else
    append_json_string(out, request_id);
  return out += ",\"simulated\":true}";
}

std::string anthropic_dialect::error_event(const api_error& error, std::string_view request_id) const {
  return named_event("error", error_body(error, request_id));
}

void anthropic_dialect::append_headers(std::string& out, const head_fields& head) const {
  out.append("request-id: ").append(head.call->request_id);
  out += "\r\nanthropic-organization-id: 00000000-0000-4000-8000-000000000000\r\n";
  if (head.limits != nullptr) {
    const auto now = wall_now();
    append_limit(out, "requests", head.limits->requests, now);
    append_limit(out, "tokens", head.limits->tokens, now);
    append_limit(out, "input-tokens", head.limits->input_tokens, now);
    append_limit(out, "output-tokens", head.limits->output_tokens, now);
  }
  if (head.retry_after)
    append_retry_seconds(out, *head.retry_after);
  if (head.status >= 400)
    out += head.status == 408 || head.status == 409 || head.status == 429 || head.status >= 500
               ? "x-should-retry: true\r\n"
               : "x-should-retry: false\r\n";
}

} // namespace assay::mock
