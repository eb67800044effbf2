// Where Azure OpenAI, OpenRouter, DeepSeek and DashScope differ from OpenAI.
#include "mock/json_text.hpp"
#include "mock/openai_api.hpp"
#include "mock/reply.hpp"
#include "mock/streams.hpp"

namespace assay::mock {

namespace {

using cause = limit_verdict::cause;

constexpr std::string_view azure_safe =
    R"({"hate":{"filtered":false,"severity":"safe"},"self_harm":{)"
    R"("filtered":false,"severity":"safe"},"sexual":{"filtered":false,)"
    R"("severity":"safe"},"violence":{"filtered":false,"severity":"safe"}})";
constexpr std::string_view azure_violent =
    R"({"hate":{"filtered":false,"severity":"safe"},"self_harm":{)"
    R"("filtered":false,"severity":"safe"},"sexual":{"filtered":false,)"
    R"("severity":"safe"},"violence":{"filtered":true,"severity":"medium"}})";

int64_t whole_seconds(nanoseconds wait) { return std::chrono::ceil<seconds>(wait).count(); }

void append_line(std::string& out, std::string_view name, int64_t value) {
  out.append(name).append(": ");
  append_number(out, value);
  out += "\r\n";
}

} // namespace

// -- Azure OpenAI -------------------------------------------------------------------------------------------

std::string_view azure_dialect::key_of(const request_view& request, std::string_view) const {
  const auto key = request.header("api-key");
  return key.empty() ? bearer_of(request.authorization) : key;
}

std::optional<api_error> azure_dialect::check(const request_view&, const route& where,
                                              std::string_view query) const {
  if (where.versioned && query_value(query, "api-version").value_or("").empty())
    return api_error{404, "Resource not found", "", "", "404", {}};
  return {};
}

std::string_view azure_dialect::answer_members() const {
  static const auto members = R"(,"prompt_filter_results":[{"prompt_index":0,"content_filter_results":)"
                              + std::string(azure_safe) + "}]";
  return members;
}

std::string azure_dialect::choice_members(choice_end end) const {
  return ",\"content_filter_results\":"
         + std::string(end == choice_end::filtered ? azure_violent : azure_safe);
}

void azure_dialect::open_stream(std::vector<std::string>& events, const std::string& start) const {
  events.push_back(data_event(start + "]" + std::string(answer_members()) + "}"));
}

api_error azure_dialect::error_of_limit(const limit_verdict& verdict, std::string_view model) const {
  const auto wait = std::max<int64_t>(whole_seconds(verdict.retry_after), 1);
  const auto* kind = verdict.refused == cause::requests || verdict.refused == cause::requests_per_second
                             || verdict.refused == cause::concurrent
                         ? "call"
                         : "token";
  return {429,
          "Requests to the ChatCompletions_Create Operation under Azure OpenAI API have exceeded "
              + std::string(kind) + " rate limit of your current OpenAI S0 pricing tier (deployment "
              + std::string(model) + ")."
              + (verdict.retry_after > nanoseconds(0)
                     ? " Please retry after " + std::to_string(wait) + " seconds."
                     : std::string()),
          "",
          "",
          "429",
          {}};
}

api_error azure_dialect::error_of(trouble what, std::string_view about) const {
  switch (what) {
  case trouble::missing_key:
  case trouble::wrong_key:
    return {
        401,
        "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid "
        "key for an active subscription and use a correct regional API endpoint for your resource.",
        "",
        "",
        "401",
        {}};
  case trouble::unknown_model:
    return {
        404,
        "The API deployment for this resource does not exist. If you created the deployment within the last "
        "5 minutes, please wait a moment and try again.",
        "",
        "",
        "DeploymentNotFound",
        {}};
  case trouble::unknown_path:
  case trouble::wrong_method:
    return {404, "Resource not found", "", "", "404", {}};
  case trouble::filtered:
    return {
        400,
        "The response was filtered due to the prompt triggering Azure OpenAI's content management policy. "
        "Please modify your prompt and retry.",
        "",
        "prompt",
        "content_filter",
        R"(,"status":400,"innererror":{"code":"ResponsibleAIPolicyViolation","content_filter_result":)"
            + std::string(azure_violent) + "}"};
  default:
    return openai_dialect::error_of(what, about);
  }
}

void azure_dialect::append_headers(std::string& out, const head_fields& head) const {
  out.append("x-request-id: ").append(head.call->request_id).append("\r\n");
  out.append("apim-request-id: ").append(head.call->request_id).append("\r\n");
  out += "x-ms-region: Simulated\r\nazureml-model-session: simulated\r\n";
  if (head.limits != nullptr) {
    const auto limit = [&](const std::string& name, const limit_view& view) {
      if (view.limit == 0)
        return;
      append_line(out, "x-ratelimit-limit-" + name, view.limit);
      append_line(out, "x-ratelimit-remaining-" + name, view.remaining);
      append_line(out, "x-ratelimit-reset-" + name, whole_seconds(view.reset));
      append_line(out, "x-ratelimit-renewalperiod-" + name, 60);
    };
    limit("requests", head.limits->requests);
    limit("tokens", head.limits->tokens);
    if (head.limits->refused == cause::requests || head.limits->refused == cause::tokens)
      out.append("x-ratelimit-type: ")
          .append(head.limits->refused == cause::tokens ? "Tokens" : "Requests")
          .append("\r\n");
  }
  if (head.retry_after) {
    append_retry_seconds(out, *head.retry_after);
    append_retry_ms(out, *head.retry_after);
  }
}

// -- OpenRouter ---------------------------------------------------------------------------------------------

std::string openrouter_dialect::answer_id(const call_ticket& call) const { return call.request_id; }

std::string_view openrouter_dialect::common_members() const {
  return R"("provider":"Simulated","system_fingerprint":null,"simulated":true,)";
}

std::string openrouter_dialect::choice_members(choice_end end) const {
  return std::string(",\"native_finish_reason\":\"")
         + (end == choice_end::length      ? "max_tokens"
            : end == choice_end::tool_call ? "tool_use"
                                           : "end_turn")
         + "\"";
}

void openrouter_dialect::append_usage(std::string& out, const call_ticket& call) const {
  openai_dialect::append_usage(out, call);
  out.pop_back();
  // A dollar for a million tokens, so that sums can be checked.
  const auto tokens = std::to_string(1'000'000 + (call.prompt_tokens + call.completion_tokens) % 1'000'000);
  const auto whole = std::to_string((call.prompt_tokens + call.completion_tokens) / 1'000'000);
  out += ",\"cost\":" + whole + "." + tokens.substr(1) + R"(,"is_byok":false,"cost_details":{)"
         + R"("upstream_inference_cost":null}})";
}

void openrouter_dialect::open_stream(std::vector<std::string>& events, const std::string&) const {
  events.push_back(sign_of_life(true));
}

std::string openrouter_dialect::sign_of_life(bool stream) const {
  return stream ? comment_event("OPENROUTER PROCESSING", true) : "\r\n";
}

std::string openrouter_dialect::model_body(const simulated_model& model) const {
  std::string out = "{\"id\":";
  append_json_string(out, "assay/" + model.name);
  out += ",\"name\":";
  append_json_string(out, "Assay: " + model.name + " (simulated)");
  return out.append(R"(,"created":1700000000,"context_length":)")
      .append(std::to_string(model.context_window == 0 ? 128'000 : model.context_window))
      .append(R"(,"architecture":{"modality":"text+image->text"},"pricing":{"prompt":"0.000001",)")
      .append(R"("completion":"0.000001"},"top_provider":{"max_completion_tokens":null}})");
}

std::string openrouter_dialect::models_body(const std::vector<simulated_model>& models) const {
  std::string out = "{\"data\":[";
  for (size_t i = 0; i < models.size(); ++i)
    out.append(i == 0 ? "" : ",").append(model_body(models[i]));
  return out += "],\"simulated\":true}";
}

api_error openrouter_dialect::error_of_status(int status, std::string_view model) const {
  switch (status) {
  case 401:
    return {401, "User not found.", "", "", "", {}};
  case 402:
    return error_of(trouble::no_credit, model);
  case 404:
    return error_of(trouble::unknown_model, model);
  case 408:
    return {408, "Your request timed out", "", "", "", {}};
  case 429:
    return {429, "Rate limit exceeded", "", "", "", {}};
  case 502:
    return {502, "Provider returned error",
            "",  "",
            "",  R"(,"metadata":{"provider_name":"Simulated","raw":"simulated upstream error"})"};
  case 503:
    return {503, "No instances available", "", "", "", {}};
  default:
    return {status, status >= 500 ? "Internal Server Error" : "Simulated error", "", "", "", {}};
  }
}

api_error openrouter_dialect::error_of_limit(const limit_verdict& verdict, std::string_view model) const {
  return {429,
          "Rate limit exceeded: " + std::string(to_string(verdict.refused)) + " for " + std::string(model)
              + ". Limit " + std::to_string(verdict.limit) + ".",
          "",
          "",
          "",
          R"(,"metadata":{"headers":{"X-RateLimit-Limit":")" + std::to_string(verdict.limit)
              + R"(","X-RateLimit-Remaining":"0"},"provider_name":null})"};
}

api_error openrouter_dialect::error_of(trouble what, std::string_view about) const {
  const std::string name(about);
  switch (what) {
  case trouble::missing_key:
    return {401, "No cookie auth credentials found", "", "", "", {}};
  case trouble::wrong_key:
    return {401, "User not found.", "", "", "", {}};
  case trouble::no_credit:
    return {402, "Insufficient credits. Add more using https://openrouter.ai/settings/credits", "", "", "",
            {}};
  case trouble::daily_quota:
    return {429,
            "Rate limit exceeded: free-models-per-day. Add 10 credits to unlock 1000 free model requests "
            "per day",
            "",
            "",
            "",
            R"(,"metadata":{"headers":{"X-RateLimit-Limit":"50","X-RateLimit-Remaining":"0"}})"};
  case trouble::filtered:
    return {
        403,
        "Your input was flagged",
        "",
        "",
        "",
        R"(,"metadata":{"reasons":["violence"],"flagged_input":"simulated","provider_name":"Simulated"})"};
  case trouble::unknown_model:
    return {400, name + " is not a valid model ID", "", "", "", {}};
  case trouble::unknown_path:
  case trouble::wrong_method:
  case trouble::unknown_object:
    return {404, "Not Found", "", "", "", {}};
  case trouble::body_too_large:
    return {413, "Payload too large", "", "", "", {}};
  }
  return error_of_status(500, about);
}

std::string openrouter_dialect::error_body(const api_error& error, std::string_view) const {
  std::string out = "{\"error\":{\"message\":";
  append_json_string(out, error.message);
  out += ",\"code\":";
  append_number(out, error.status);
  return out.append(error.more).append(R"(},"user_id":null,"simulated":true})");
}

std::string openrouter_dialect::error_event(const api_error& error, std::string_view request_id) const {
  auto body = error_body(error, request_id);
  body.pop_back();
  std::string frame = "{\"id\":";
  append_json_string(frame, request_id);
  frame += R"(,"object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":""},)";
  return data_event(frame + R"("finish_reason":"error"}],)" + body.substr(1) + "}", true);
}

void openrouter_dialect::append_headers(std::string& out, const head_fields& head) const {
  out.append("X-Generation-Id: ").append(head.call->request_id).append("\r\n");
  if (head.limits != nullptr && head.limits->refused != cause::none) {
    append_line(out, "X-RateLimit-Limit", head.limits->limit);
    append_line(out, "X-RateLimit-Remaining", 0);
    append_line(
        out, "X-RateLimit-Reset",
        (wall_now() + std::chrono::ceil<milliseconds>(head.limits->retry_after)).time_since_epoch().count());
  }
  if (head.retry_after)
    append_retry_seconds(out, *head.retry_after);
}

// -- DeepSeek -----------------------------------------------------------------------------------------------

std::string deepseek_dialect::answer_id(const call_ticket& call) const { return call.request_id; }

std::string_view deepseek_dialect::common_members() const {
  return R"("system_fingerprint":"fp_simulated","simulated":true,)";
}

void deepseek_dialect::append_usage(std::string& out, const call_ticket& call) const {
  openai_dialect::append_usage(out, call);
  out.pop_back();
  out += ",\"prompt_cache_hit_tokens\":0,\"prompt_cache_miss_tokens\":";
  append_number(out, call.prompt_tokens);
  out += '}';
}

std::string deepseek_dialect::models_body(const std::vector<simulated_model>& models) const {
  std::string out = R"({"object":"list","data":[)";
  for (size_t i = 0; i < models.size(); ++i) {
    out += i == 0 ? "{\"id\":" : ",{\"id\":";
    append_json_string(out, models[i].name);
    out += R"(,"object":"model","owned_by":"assay-simulated"})";
  }
  return out += "]}";
}

api_error deepseek_dialect::error_of_status(int status, std::string_view model) const {
  switch (status) {
  case 402:
    return error_of(trouble::no_credit, model);
  case 404:
    return error_of(trouble::unknown_model, model);
  case 422:
    return {
        422, "Invalid parameters (simulated fault).", "invalid_request_error", "", "invalid_request_error",
        {}};
  case 429:
    return {
        429, "Rate limit reached: too many concurrent requests", "rate_limit_error", "", "rate_limit_reached",
        {}};
  case 503:
    return {503,
            "Service is too busy. We advise users to temporarily switch to alternative LLM API service "
            "providers.",
            "service_unavailable_error",
            "",
            "service_unavailable_error",
            {}};
  default:
    return openai_dialect::error_of_status(status, model);
  }
}

api_error deepseek_dialect::error_of_limit(const limit_verdict&, std::string_view model) const {
  return error_of_status(429, model);
}

api_error deepseek_dialect::error_of(trouble what, std::string_view about) const {
  switch (what) {
  case trouble::missing_key:
  case trouble::wrong_key: {
    const auto shown =
        about.size() < 8 ? std::string("****") : "****" + std::string(about.substr(about.size() - 4));
    return {401,
            "Authentication Fails, Your api key: " + shown + " is invalid",
            "authentication_error",
            "",
            "invalid_request_error",
            {}};
  }
  case trouble::no_credit:
    return {402, "Insufficient Balance", "unknown_error", "", "invalid_request_error", {}};
  case trouble::daily_quota:
    return error_of_status(429, about);
  case trouble::filtered:
    return {400, "Content Exists Risk", "invalid_request_error", "", "invalid_request_error", {}};
  case trouble::unknown_model:
    return {400, "Model Not Exist", "invalid_request_error", "", "invalid_request_error", {}};
  default:
    return openai_dialect::error_of(what, about);
  }
}

void deepseek_dialect::append_headers(std::string& out, const head_fields& head) const {
  out.append("x-ds-trace-id: ").append(id_digits(*head.call)).append("\r\n");
  if (head.retry_after)
    append_retry_seconds(out, *head.retry_after);
}

// -- DashScope ----------------------------------------------------------------------------------------------

std::string_view dashscope_dialect::common_members() const {
  return R"("system_fingerprint":null,"simulated":true,)";
}

api_error dashscope_dialect::error_of_status(int status, std::string_view model) const {
  switch (status) {
  case 401:
    return error_of(trouble::wrong_key, model);
  case 403:
    return {403, "Access denied.", "access_denied", "", "access_denied", {}};
  case 404:
    return error_of(trouble::unknown_model, model);
  case 429:
    return {
        429, "Requests rate limit exceeded, please try again later.", "limit_requests", "", "limit_requests",
        {}};
  case 500:
    return {500,
            "An internal error has occured, please try again later or contact service support.",
            "internal_error",
            "",
            "internal_error",
            {}};
  case 503:
    return {503, "Model is unavailable, please try again later.", "ModelUnavailable", "", "ModelUnavailable",
            {}};
  default:
    return openai_dialect::error_of_status(status, model);
  }
}

api_error dashscope_dialect::error_of_limit(const limit_verdict& verdict, std::string_view model) const {
  if (verdict.refused == cause::tokens || verdict.refused == cause::request_too_large
      || verdict.refused == cause::input_tokens || verdict.refused == cause::output_tokens)
    // The name says quota, the meaning is "slower": the opposite of OpenAI's.
    return {429,
            "You exceeded your current quota, please check your plan and billing details (allocated token "
            "rate).",
            "insufficient_quota",
            "",
            "insufficient_quota",
            {}};
  return error_of_status(429, model);
}

api_error dashscope_dialect::error_of(trouble what, std::string_view about) const {
  switch (what) {
  case trouble::missing_key:
    return {401,
            "You didn't provide an API key. You need to provide your API key in an Authorization header "
            "using Bearer auth (i.e. Authorization: Bearer YOUR_KEY).",
            "invalid_request_error",
            "",
            "",
            {}};
  case trouble::wrong_key:
    return {401, "Incorrect API key provided. ", "invalid_request_error", "", "invalid_api_key", {}};
  case trouble::no_credit:
    return {400,         "Access denied, please make sure your account is in good standing.",
            "Arrearage", "",
            "Arrearage", {}};
  case trouble::filtered:
    return {400,
            "Input data may contain inappropriate content.",
            "data_inspection_failed",
            "",
            "data_inspection_failed",
            {}};
  case trouble::unknown_model:
    return {404,
            "The model `" + std::string(about) + "` does not exist or you do not have access to it.",
            "invalid_request_error",
            "",
            "model_not_found",
            {}};
  default:
    return openai_dialect::error_of(what, about);
  }
}

std::string dashscope_dialect::error_body(const api_error& error, std::string_view request_id) const {
  auto body = openai_dialect::error_body(error, request_id);
  body.pop_back();
  body += ",\"request_id\":";
  append_json_string(body, request_id);
  return body += "}";
}

void dashscope_dialect::append_headers(std::string& out, const head_fields& head) const {
  out.append("x-request-id: ").append(head.call->request_id).append("\r\n");
  if (head.retry_after)
    append_retry_seconds(out, *head.retry_after);
}

} // namespace assay::mock
