#include "mock/gemini_api.hpp"

#include "mock/embeddings.hpp"
#include "mock/json_text.hpp"
#include "mock/reply.hpp"
#include "mock/streams.hpp"

namespace assay::mock {

namespace {

std::string_view finish_of(choice_end end) noexcept {
  return end == choice_end::length ? "MAX_TOKENS" : end == choice_end::filtered ? "SAFETY" : "STOP";
}

void append_usage(std::string& out, const chat_answer& answer, uint64_t output) {
  out += "\"usageMetadata\":{\"promptTokenCount\":";
  append_number(out, answer.call.prompt_tokens);
  out += ",\"candidatesTokenCount\":";
  append_number(out, output);
  out += ",\"totalTokenCount\":";
  append_number(out, answer.call.prompt_tokens + output);
  out += ",\"promptTokensDetails\":[{\"modality\":\"TEXT\",\"tokenCount\":";
  append_number(out, answer.call.prompt_tokens);
  out += "}]},\"modelVersion\":";
  append_json_string(out, answer.call.model);
  out += ",\"responseId\":";
  append_json_string(out, answer.call.request_id);
  out += ",\"simulated\":true}";
}

/// One candidate with @p part, a JSON object. @param finish empty: it goes on.
void append_candidate(std::string& out, size_t index, std::string_view part, std::string_view finish) {
  out.append("{\"content\":{\"parts\":[").append(part).append("],\"role\":\"model\"}");
  if (!finish.empty())
    out.append(",\"finishReason\":\"").append(finish).append("\"");
  out += ",\"index\":";
  append_number(out, index);
  out += '}';
}

std::string text_part(std::string_view text) {
  std::string out = "{\"text\":";
  append_json_string(out, text);
  return out += '}';
}

std::string part_of(const simulated_choice& choice) {
  if (choice.end != choice_end::tool_call)
    return text_part(choice.text);
  std::string out = "{\"functionCall\":{\"name\":";
  append_json_string(out, choice.tool_name);
  return out.append(",\"args\":").append(choice.tool_arguments).append("}}");
}

std::string_view blocked() noexcept {
  return R"("promptFeedback":{"blockReason":"SAFETY","safetyRatings":[{"category":"HARM_CATEGORY_DANGEROUS_)"
         R"(CONTENT","probability":"HIGH"}]},)";
}

/// Frames with a piece of text each; the last one says why it ends.
template <class Add>
void add_frames(const simulated_choice& choice, size_t index, uint64_t& told, Add&& add) {
  const auto finish = finish_of(choice.end);
  if (choice.end == choice_end::tool_call || choice.text.empty()) {
    told += choice.tokens;
    return add(index, part_of(choice), finish);
  }
  std::string_view rest = choice.text;
  const auto before = told;
  while (!rest.empty()) {
    const auto piece = rest.substr(0, piece_length(rest));
    rest.remove_prefix(piece.size());
    // Counted from what was said so far, so that the last frame tells exactly what the plain answer would.
    told = before + (rest.empty() ? choice.tokens : std::min(choice.tokens, told - before + 1));
    add(index, text_part(piece), rest.empty() ? finish : std::string_view());
  }
}

/// `1.2s`
std::string proto_duration(nanoseconds wait) {
  const auto ms = std::chrono::ceil<milliseconds>(wait).count();
  auto text = std::to_string(ms / 1000);
  if (ms % 1000 != 0) {
    auto fraction = std::to_string(1000 + ms % 1000);
    fraction[0] = '.';
    fraction.erase(fraction.find_last_not_of('0') + 1);
    text += fraction;
  }
  return text + "s";
}

std::string quota_details(std::string_view metric, std::string_view id, std::string_view model, int64_t limit,
                          std::string_view delay) {
  std::string out = R"(,"details":[{"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[{)"
                    R"("quotaMetric":"generativelanguage.googleapis.com/)";
  out.append(metric)
      .append(R"(","quotaId":")")
      .append(id)
      .append(R"(","quotaDimensions":{"location":"global",)");
  out += "\"model\":";
  append_json_string(out, model);
  out += "},\"quotaValue\":\"" + std::to_string(limit);
  out +=
      R"("}]},{"@type":"type.googleapis.com/google.rpc.Help","links":[{"description":"Learn more about Gemini )"
      R"(API quotas","url":"https://ai.google.dev/gemini-api/docs/rate-limits"}]})";
  if (!delay.empty())
    out.append(R"(,{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":")")
        .append(delay)
        .append("\"}");
  return out += ']';
}

api_error error(int status, std::string name, std::string message, std::string more = {}) {
  return {status, std::move(message), std::move(name), {}, {}, std::move(more)};
}

} // namespace

std::string_view gemini_dialect::key_of(const request_view& request, std::string_view query) const {
  if (const auto key = request.header("x-goog-api-key"); !key.empty())
    return key;
  if (const auto key = query_value(query, "key"))
    return *key;
  return bearer_of(request.authorization);
}

api_result<chat_request> gemini_dialect::read_chat(const route& where, std::string_view body) const {
  auto request = read_gemini_chat(where.subject, body);
  if (request)
    request->stream = where.stream;
  return request;
}

api_result<chat_request> gemini_dialect::read_count(const route& where, std::string_view body) const {
  return read_gemini_count(where.subject, body);
}

api_result<embedding_request> gemini_dialect::read_embedding(const route& where,
                                                             std::string_view body) const {
  return read_gemini_embedding(where.subject, body, where.op == operation::embed_many);
}

std::string gemini_dialect::chat_body(const chat_answer& answer) const {
  std::string out = "{";
  if (answer.choices.front().end == choice_end::filtered) {
    out += blocked();
  } else {
    out += "\"candidates\":[";
    for (size_t i = 0; i < answer.choices.size(); ++i) {
      if (i != 0)
        out += ',';
      append_candidate(out, i, part_of(answer.choices[i]), finish_of(answer.choices[i].end));
    }
    out += "],";
  }
  append_usage(out, answer, answer.call.completion_tokens);
  return out;
}

event_stream gemini_dialect::stream(const chat_answer& answer, std::string_view query) const {
  const bool events = query_value(query, "alt") == "sse";
  event_stream out;
  out.closing = 1;
  const auto add = [&](std::string frame) {
    out.events.push_back(events ? data_event(frame, true)
                                : (out.events.empty() ? "[" : ",\r\n") + std::move(frame));
  };
  if (answer.choices.front().end == choice_end::filtered) {
    add(chat_body(answer));
  } else {
    uint64_t told = 0;
    for (size_t i = 0; i < answer.choices.size(); ++i)
      add_frames(answer.choices[i], i, told,
                 [&](size_t index, std::string_view part, std::string_view finish) {
                   std::string frame = "{\"candidates\":[";
                   append_candidate(frame, index, part, finish);
                   frame += "],";
                   append_usage(frame, answer, told);
                   add(std::move(frame));
                 });
  }
  if (!events) {
    out.content_type = "application/json; charset=UTF-8";
    out.events.emplace_back("\r\n]\r\n");
    out.closing = 2;
  } else {
    out.content_type = "text/event-stream";
  }
  return out;
}

std::string gemini_dialect::count_body(uint64_t tokens, operation) const {
  const auto count = std::to_string(tokens);
  return "{\"totalTokens\":" + count + R"(,"promptTokensDetails":[{"modality":"TEXT","tokenCount":)" + count
         + "}]}";
}

std::string gemini_dialect::embedding_body(const call_ticket& call, const embedding_request& request,
                                           operation op) const {
  constexpr uint32_t usual_dimensions = 3072;
  const auto dimensions = request.dimensions == 0 ? usual_dimensions : request.dimensions;
  std::string out = op == operation::embed ? "{\"embedding\":" : "{\"embeddings\":[";
  for (size_t i = 0; i < request.texts.size(); ++i) {
    out += i == 0 ? "{\"values\":" : ",{\"values\":";
    append_vector(out, embed(call.model, request.texts[i], dimensions));
    out += '}';
  }
  return out += op == operation::embed ? ",\"simulated\":true}" : "],\"simulated\":true}";
}

std::string gemini_dialect::model_body(const simulated_model& model) const {
  std::string out = "{\"name\":";
  append_json_string(out, "models/" + model.name);
  out += ",\"version\":\"001\",\"displayName\":";
  append_json_string(out, model.name + " (simulated)");
  return out.append(R"(,"description":"A simulated model","inputTokenLimit":)")
      .append(std::to_string(model.context_window == 0 ? 1'048'576 : model.context_window))
      .append(R"(,"outputTokenLimit":65536,"supportedGenerationMethods":["generateContent","countTokens",)")
      .append(R"("embedContent","batchGenerateContent"],"temperature":1,"topP":0.95,"topK":64,)")
      .append(R"("maxTemperature":2})");
}

std::string gemini_dialect::models_body(const std::vector<simulated_model>& models) const {
  std::string out = "{\"models\":[";
  for (size_t i = 0; i < models.size(); ++i)
    out.append(i == 0 ? "" : ",").append(model_body(models[i]));
  return out += "]}";
}

api_error gemini_dialect::error_of_status(int status, std::string_view model) const {
  switch (status) {
  case 400:
    return error(400, "INVALID_ARGUMENT", "Request contains an invalid argument (simulated fault).");
  case 401:
    return error(
        401, "UNAUTHENTICATED",
        "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or "
        "other valid authentication credential.");
  case 402:
    return error_of(trouble::no_credit, model);
  case 403:
    return error(403, "PERMISSION_DENIED", "The caller does not have permission");
  case 404:
    return error_of(trouble::unknown_model, model);
  case 429:
    return error(429, "RESOURCE_EXHAUSTED", "Resource has been exhausted (e.g. check quota).");
  case 500:
    return error(500, "INTERNAL",
                 "An internal error has occurred. Please retry or report in "
                 "https://developers.generativeai.google/guide/troubleshooting");
  case 503:
    return error(503, "UNAVAILABLE", "The model is overloaded. Please try again later.");
  case 504:
    return error(504, "DEADLINE_EXCEEDED",
                 "The request timed out. Please try again or change the request's deadline.");
  default:
    return error(status, status >= 500 ? "INTERNAL" : "FAILED_PRECONDITION", "Simulated error");
  }
}

api_error gemini_dialect::error_of_limit(const limit_verdict& verdict, std::string_view model) const {
  using cause = limit_verdict::cause;
  const bool tokens = verdict.refused == cause::tokens || verdict.refused == cause::request_too_large
                      || verdict.refused == cause::input_tokens || verdict.refused == cause::output_tokens;
  const auto* metric =
      tokens ? "generate_content_free_tier_input_token_count" : "generate_content_free_tier_requests";
  const auto* id = tokens ? "GenerateContentInputTokensPerModelPerMinute-FreeTier"
                          : "GenerateRequestsPerMinutePerProjectPerModel-FreeTier";
  const auto delay =
      verdict.retry_after > nanoseconds(0) ? proto_duration(verdict.retry_after) : std::string();
  auto message =
      "You exceeded your current quota, please check your plan and billing details. For more "
      "information on this error, head to: https://ai.google.dev/gemini-api/docs/rate-limits.\n* Quota "
      "exceeded for metric: generativelanguage.googleapis.com/"
      + std::string(metric) + ", limit: " + std::to_string(verdict.limit);
  if (!delay.empty())
    message += "\nPlease retry in " + delay + ".";
  return error(429, "RESOURCE_EXHAUSTED", std::move(message),
               quota_details(metric, id, model, verdict.limit, delay));
}

api_error gemini_dialect::error_of(trouble what, std::string_view about) const {
  switch (what) {
  case trouble::missing_key:
    return error(
        403, "PERMISSION_DENIED",
        "Method doesn't allow unregistered callers (callers without established identity). Please use API "
        "Key or other form of API consumer identity to call this API.");
  case trouble::wrong_key:
    return error(
        400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.",
        R"(,"details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"API_KEY_INVALID",)"
        R"("domain":"googleapis.com","metadata":{"service":"generativelanguage.googleapis.com"}},)"
        R"({"@type":"type.googleapis.com/google.rpc.LocalizedMessage","locale":"en-US","message":)"
        R"("API key not valid. Please pass a valid API key."}])");
  case trouble::no_credit:
    return error(
        402, "RESOURCE_EXHAUSTED",
        "Your prepayment credits are depleted. Please go to AI Studio to manage your project and billing.");
  case trouble::daily_quota:
    return error(429, "RESOURCE_EXHAUSTED",
                 "You exceeded your current quota, please check your plan and billing details.",
                 quota_details("generate_content_free_tier_requests",
                               "GenerateRequestsPerDayPerProjectPerModel-FreeTier", about, 250, "29520s"));
  case trouble::filtered:
    return error(200, {}, {});
  case trouble::unknown_path:
  case trouble::wrong_method:
    return error(404, "NOT_FOUND", "The requested URL was not found on this server: " + std::string(about));
  case trouble::unknown_model:
    return error(404, "NOT_FOUND",
                 "models/" + std::string(about)
                     + " is not found for API version v1beta, or is not supported for generateContent. Call "
                       "ListModels to see the list of available models and their supported methods.");
  case trouble::unknown_object:
    return error(404, "NOT_FOUND", "Requested entity was not found.");
  case trouble::body_too_large:
    return error(400, "INVALID_ARGUMENT", "Request payload size exceeds the limit: 20971520 bytes.");
  }
  return error_of_status(500, about);
}

api_error gemini_dialect::too_long(uint64_t window, uint64_t used) const {
  return error(400, "INVALID_ARGUMENT",
               "The input token count (" + std::to_string(used)
                   + ") exceeds the maximum number of tokens allowed (" + std::to_string(window) + ").");
}

std::string gemini_dialect::error_body(const api_error& error, std::string_view) const {
  std::string out = "{\"error\":{\"code\":";
  append_number(out, error.status);
  out += ",\"message\":";
  append_json_string(out, error.message);
  out += ",\"status\":";
  append_json_string(out, error.type);
  return out.append(error.more).append("},\"simulated\":true}");
}

std::string gemini_dialect::error_event(const api_error& error, std::string_view request_id) const {
  // In the middle of a stream the provider sends an error as bare JSON over several lines.
  const auto body = error_body(error, request_id);
  return "{\r\n  " + body.substr(1, body.size() - 2) + "\r\n}\r\n";
}

void gemini_dialect::append_headers(std::string& out, const head_fields& head) const {
  out += "Vary: Origin\r\nVary: X-Origin\r\nserver-timing: gfet4t7; dur=";
  append_number(out, std::chrono::duration_cast<milliseconds>(head.processing).count());
  // How long to wait stands in the body alone.
  out += "\r\nX-Content-Type-Options: nosniff\r\n";
}

} // namespace assay::mock
