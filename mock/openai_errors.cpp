// OpenAI's own words for what goes wrong.
#include "mock/json_text.hpp"
#include "mock/openai_api.hpp"

namespace assay::mock {

std::string openai_dialect::error_body(const api_error& error, std::string_view) const {
  const auto text_or_null = [](std::string& out, const std::string& text) {
    if (text.empty())
      out += "null";
    else
      append_json_string(out, text);
  };
  std::string out = "{\"error\":{\"message\":";
  append_json_string(out, error.message);
  out += ",\"type\":";
  text_or_null(out, error.type);
  out += ",\"param\":";
  text_or_null(out, error.param);
  out += ",\"code\":";
  text_or_null(out, error.code);
  return out.append(error.more).append("},\"simulated\":true}");
}

api_error openai_dialect::error_of_status(int status, std::string_view model) const {
  const std::string name(model);
  switch (status) {
  case 400:
    return {400, "Invalid request (simulated fault).", "invalid_request_error", "", "", {}};
  case 401:
    return {401,
            "Incorrect API key provided. You can find your API key at "
            "https://platform.openai.com/account/api-keys.",
            "invalid_request_error",
            "",
            "invalid_api_key",
            {}};
  case 403:
    return {403, "Country, region, or territory not supported", "request_forbidden",
            "",  "unsupported_country_region_territory",        {}};
  case 404:
    return {404,
            "The model `" + name + "` does not exist or you do not have access to it.",
            "invalid_request_error",
            "",
            "model_not_found",
            {}};
  case 408:
    return {408, "Request timed out.", "server_error", "", "", {}};
  case 413:
    return {413, "Request body too large.", "invalid_request_error", "", "", {}};
  case 429:
    return {429, "Rate limit reached for requests", "requests", "", "rate_limit_exceeded", {}};
  case 503:
    return {503,
            "The engine is currently overloaded, please try again later",
            "service_unavailable_error",
            "",
            "server_is_overloaded",
            {}};
  case 529:
    return {529, "Overloaded", "overloaded_error", "", "", {}};
  default:
    break;
  }
  if (status >= 500)
    return {status,
            "The server had an error while processing your request. Sorry about that! You can retry your "
            "request.",
            "server_error",
            "",
            "",
            {}};
  return {
      status, "Simulated answer of status " + std::to_string(status) + ".", "invalid_request_error", "", "",
      {}};
}

api_error openai_dialect::error_of_limit(const limit_verdict& verdict, std::string_view model) const {
  using cause = limit_verdict::cause;
  std::string kind = "tokens per min (TPM)";
  std::string type = "tokens";
  if (verdict.refused == cause::requests || verdict.refused == cause::requests_per_second) {
    kind = verdict.refused == cause::requests ? "requests per min (RPM)" : "requests per second (RPS)";
    type = "requests";
  } else if (verdict.refused == cause::concurrent) {
    kind = "concurrent requests";
    type = "requests";
  }
  const auto where = std::string(model) + " in organization org-simulated on " + kind + ": Limit "
                     + std::to_string(verdict.limit);
  if (verdict.refused == cause::request_too_large)
    return {429,
            "Request too large for " + where + ", Requested " + std::to_string(verdict.requested)
                + ". The input or output tokens must be reduced in order to run successfully.",
            type,
            "",
            "rate_limit_exceeded",
            {}};
  const auto wait = verdict.retry_after > nanoseconds(0)
                        ? " Please try again in " + go_duration(verdict.retry_after) + "."
                        : std::string();
  return {429,
          "Rate limit reached for " + where + ", Used " + std::to_string(verdict.used) + ", Requested "
              + std::to_string(verdict.requested) + "." + wait
              + " Visit https://platform.openai.com/account/rate-limits to learn more.",
          type,
          "",
          "rate_limit_exceeded",
          {}};
}

api_error openai_dialect::error_of(trouble what, std::string_view about) const {
  const std::string name(about);
  switch (what) {
  case trouble::missing_key:
    return {
        401,
        "You didn't provide an API key. You need to provide your API key in an Authorization header using "
        "Bearer auth (i.e. Authorization: Bearer YOUR_KEY). You can obtain an API key from "
        "https://platform.openai.com/account/api-keys.",
        "invalid_request_error",
        "",
        "",
        {}};
  case trouble::wrong_key: {
    const auto shown =
        name.size() < 12 ? std::string("***") : name.substr(0, 4) + "***" + name.substr(name.size() - 4);
    return {401,
            "Incorrect API key provided: " + shown
                + ". You can find your API key at https://platform.openai.com/account/api-keys.",
            "invalid_request_error",
            "",
            "invalid_api_key",
            {}};
  }
  case trouble::no_credit:
    return {
        429,
        "You exceeded your current quota, please check your plan and billing details. For more information "
        "on this error, read the docs: https://platform.openai.com/docs/guides/error-codes/api-errors.",
        "insufficient_quota",
        "",
        "insufficient_quota",
        {}};
  case trouble::daily_quota:
    return {
        429,
        "Rate limit reached for " + name
            + " in organization org-simulated on requests per day (RPD): Limit 10000, Used 10000, Requested "
              "1. Please try again in 8h12m0s. Visit https://platform.openai.com/account/rate-limits to "
              "learn "
              "more.",
        "requests",
        "",
        "rate_limit_exceeded",
        {}};
  case trouble::filtered:
    return {200, {}, {}, {}, {}, {}};
  case trouble::unknown_path:
    return {404, "Invalid URL (" + name + ")", "invalid_request_error", "", "", {}};
  case trouble::wrong_method:
    return {405,
            "Not allowed to " + name + ". (HINT: Perhaps you meant to use a different HTTP method?)",
            "invalid_request_error",
            "",
            "method_not_supported",
            {}};
  case trouble::unknown_model:
    return error_of_status(404, about);
  case trouble::unknown_object:
    return {404, "No such object: " + name, "invalid_request_error", "id", "", {}};
  case trouble::body_too_large:
    return error_of_status(413, about);
  }
  return error_of_status(500, about);
}

api_error openai_dialect::too_long(uint64_t window, uint64_t used) const {
  return {400,
          "This model's maximum context length is " + std::to_string(window)
              + " tokens. However, your messages resulted in " + std::to_string(used)
              + " tokens. Please reduce the length of the messages.",
          "invalid_request_error",
          "messages",
          "context_length_exceeded",
          {}};
}

} // namespace assay::mock
