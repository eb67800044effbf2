#include "mock/reply.hpp"

#include "mock/json_text.hpp"

#include <algorithm>
#include <charconv>

namespace assay::mock {

namespace {

std::string_view reason_of(int status) noexcept {
  switch (status) {
  case 200:
    return "OK";
  case 400:
    return "Bad Request";
  case 401:
    return "Unauthorized";
  case 403:
    return "Forbidden";
  case 404:
    return "Not Found";
  case 405:
    return "Method Not Allowed";
  case 408:
    return "Request Timeout";
  case 409:
    return "Conflict";
  case 413:
    return "Payload Too Large";
  case 422:
    return "Unprocessable Entity";
  case 429:
    return "Too Many Requests";
  case 431:
    return "Request Header Fields Too Large";
  case 500:
    return "Internal Server Error";
  case 502:
    return "Bad Gateway";
  case 503:
    return "Service Unavailable";
  case 504:
    return "Gateway Timeout";
  case 529:
    return "Overloaded";
  default:
    return "Simulated";
  }
}

void append_number(std::string& out, int64_t value) {
  char digits[24];
  const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
  out.append(digits, end);
}

void append_limit(std::string& out, std::string_view name, const limit_view& limit) {
  if (limit.limit == 0)
    return;
  out.append("x-ratelimit-limit-").append(name).append(": ");
  append_number(out, limit.limit);
  out.append("\r\nx-ratelimit-remaining-").append(name).append(": ");
  append_number(out, limit.remaining);
  out.append("\r\nx-ratelimit-reset-")
      .append(name)
      .append(": ")
      .append(go_duration(limit.reset))
      .append("\r\n");
}

void append_head(std::string& out, const head_fields& head) {
  out += "HTTP/1.1 ";
  append_number(out, head.status);
  out.append(" ")
      .append(reason_of(head.status))
      .append("\r\nContent-Type: ")
      .append(head.content_type)
      .append("\r\n");
  if (head.call != nullptr) {
    out.append("x-request-id: ").append(head.call->request_id).append("\r\n");
    out += "openai-organization: org-simulated\r\nopenai-version: 2020-10-01\r\nopenai-processing-ms: ";
    append_number(out, std::chrono::duration_cast<milliseconds>(head.processing).count());
    out += "\r\n";
  }
  if (head.limits != nullptr) {
    append_limit(out, "requests", head.limits->requests);
    append_limit(out, "tokens", head.limits->tokens);
  }
  if (head.retry_after) {
    const auto ms = std::max<int64_t>((head.retry_after->count() + 999'999) / 1'000'000, 1);
    out += "retry-after: ";
    append_number(out, (ms + 999) / 1000);
    out += "\r\nretry-after-ms: ";
    append_number(out, ms);
    out += "\r\n";
  }
  if (head.doubled)
    out += "Content-Type: text/plain\r\nx-request-id: req_duplicate\r\nx-ratelimit-remaining-requests: 0\r\n"
           "x-ratelimit-remaining-requests: -1\r\nretry-after: 7\r\nretry-after: soon\r\n";
  if (head.close)
    out += "Connection: close\r\n";
  out += "x-assay-simulated: true\r\n";
}

void append_usage(std::string& out, const call_ticket& call) {
  out += "{\"prompt_tokens\":";
  append_number(out, static_cast<int64_t>(call.prompt_tokens));
  out += ",\"completion_tokens\":";
  append_number(out, static_cast<int64_t>(call.completion_tokens));
  out += ",\"total_tokens\":";
  append_number(out, static_cast<int64_t>(call.prompt_tokens + call.completion_tokens));
  out += ",\"prompt_tokens_details\":{\"cached_tokens\":0,\"audio_tokens\":0},\"completion_tokens_details\":"
         "{\"reasoning_tokens\":0,\"audio_tokens\":0,\"accepted_prediction_tokens\":0,"
         "\"rejected_prediction_tokens\":0}}";
}

std::string_view chat_id(const call_ticket& call) noexcept {
  return std::string_view(call.request_id).substr(4, 29);
}

std::string_view finish_of(const simulated_choice& choice) noexcept { return choice.cut ? "length" : "stop"; }

/// The text of a frame is about one token: up to four bytes, never splitting a character.
size_t piece_length(std::string_view text) noexcept {
  auto end = std::min<size_t>(4, text.size());
  while (end < text.size() && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80)
    ++end;
  return end;
}

} // namespace

std::string plain_head(const head_fields& head, uint64_t length) {
  std::string out;
  out.reserve(768);
  append_head(out, head);
  out += "Content-Length: ";
  append_number(out, static_cast<int64_t>(length));
  return out += "\r\n\r\n";
}

std::string plain_answer(const head_fields& head, std::string_view body, int64_t length_error) {
  auto out = plain_head(
      head, static_cast<uint64_t>(std::max<int64_t>(static_cast<int64_t>(body.size()) + length_error, 0)));
  return out += body;
}

std::string stream_head(const head_fields& head, bool chunked) {
  std::string out;
  append_head(out, head);
  out += "Cache-Control: no-cache\r\n";
  if (chunked)
    out += "Transfer-Encoding: chunked\r\n";
  return out += "\r\n";
}

void append_chunk(std::string& out, std::string_view data, bool chunked) {
  if (!chunked) {
    out += data;
    return;
  }
  char digits[20];
  const auto end = std::to_chars(digits, digits + sizeof digits, data.size(), 16).ptr;
  out.append(digits, end).append("\r\n").append(data).append("\r\n");
}

std::string error_body(const api_error& error) {
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
  return out += "},\"simulated\":true}";
}

api_error error_for_status(int status, std::string_view model) {
  const std::string name(model);
  switch (status) {
  case 400:
    return {400, "Invalid request (simulated fault).", "invalid_request_error", "", ""};
  case 401:
    return {401,
            "Incorrect API key provided. You can find your API key at "
            "https://platform.openai.com/account/api-keys.",
            "invalid_request_error", "", "invalid_api_key"};
  case 403:
    return {403, "Country, region, or territory not supported", "request_forbidden", "",
            "unsupported_country_region_territory"};
  case 404:
    return {404, "The model `" + name + "` does not exist or you do not have access to it.",
            "invalid_request_error", "", "model_not_found"};
  case 408:
    return {408, "Request timed out.", "server_error", "", ""};
  case 413:
    return {413, "Request body too large.", "invalid_request_error", "", ""};
  case 429:
    return {429, "Rate limit reached for requests", "requests", "", "rate_limit_exceeded"};
  case 503:
    return {503, "The engine is currently overloaded, please try again later", "service_unavailable_error",
            "", "server_is_overloaded"};
  case 529:
    return {529, "Overloaded", "overloaded_error", "", ""};
  default:
    break;
  }
  if (status >= 500)
    return {status,
            "The server had an error while processing your request. Sorry about that! You can retry your "
            "request.",
            "server_error", "", ""};
  return {status, "Simulated answer of status " + std::to_string(status) + ".", "invalid_request_error", "",
          ""};
}

api_error error_for_limit(const limit_verdict& verdict, std::string_view model) {
  using cause = limit_verdict::cause;
  std::string kind = "requests per min (RPM)";
  std::string type = "requests";
  if (verdict.refused == cause::tokens || verdict.refused == cause::request_too_large) {
    kind = "tokens per min (TPM)";
    type = "tokens";
  } else if (verdict.refused == cause::concurrent) {
    kind = "concurrent requests";
  }
  const auto where = std::string(model) + " in organization org-simulated on " + kind + ": Limit "
                     + std::to_string(verdict.limit);
  if (verdict.refused == cause::request_too_large)
    return {429,
            "Request too large for " + where + ", Requested " + std::to_string(verdict.requested)
                + ". The input or output tokens must be reduced in order to run successfully.",
            type, "", "rate_limit_exceeded"};
  return {429,
          "Rate limit reached for " + where + ", Used " + std::to_string(verdict.used) + ", Requested "
              + std::to_string(verdict.requested) + ". Please try again in "
              + go_duration(verdict.retry_after)
              + ". Visit https://platform.openai.com/account/rate-limits to learn more.",
          type, "", "rate_limit_exceeded"};
}

api_error quota_error() {
  return {429,
          "You exceeded your current quota, please check your plan and billing details. For more information "
          "on this "
          "error, read the docs: https://platform.openai.com/docs/guides/error-codes/api-errors.",
          "insufficient_quota", "", "insufficient_quota"};
}

std::string completion_body(const call_ticket& call, const std::vector<simulated_choice>& choices,
                            int64_t created) {
  std::string out;
  size_t text = 0;
  for (const auto& choice : choices)
    text += choice.text.size() + 160;
  out.reserve(640 + text);
  out.append("{\"id\":\"chatcmpl-")
      .append(chat_id(call))
      .append("\",\"object\":\"chat.completion\",\"created\":");
  append_number(out, created);
  out += ",\"model\":";
  append_json_string(out, call.model);
  out += ",\"choices\":[";
  for (size_t i = 0; i < choices.size(); ++i) {
    out += i == 0 ? "{\"index\":" : ",{\"index\":";
    append_number(out, static_cast<int64_t>(i));
    out += ",\"message\":{\"role\":\"assistant\",\"content\":";
    append_json_string(out, choices[i].text);
    out += ",\"refusal\":null,\"annotations\":[]},\"logprobs\":null,\"finish_reason\":\"";
    out.append(finish_of(choices[i])).append("\"}");
  }
  out += "],\"usage\":";
  append_usage(out, call);
  return out += ",\"service_tier\":\"default\",\"system_fingerprint\":\"fp_simulated\",\"simulated\":true}";
}

std::vector<std::string> stream_frames(const call_ticket& call, const std::vector<simulated_choice>& choices,
                                       int64_t created, bool include_usage) {
  std::string start = "{\"id\":\"chatcmpl-";
  start.append(chat_id(call)).append("\",\"object\":\"chat.completion.chunk\",\"created\":");
  append_number(start, created);
  start += ",\"model\":";
  append_json_string(start, call.model);
  start += ",\"service_tier\":\"default\",\"system_fingerprint\":\"fp_simulated\",\"simulated\":true,"
           "\"choices\":[";
  const std::string_view end = include_usage ? "],\"usage\":null}" : "]}";

  std::vector<std::string> frames;
  for (size_t i = 0; i < choices.size(); ++i) {
    const auto add = [&](std::string_view delta, std::string_view finish) {
      auto frame = start + "{\"index\":";
      append_number(frame, static_cast<int64_t>(i));
      frame.append(",\"delta\":")
          .append(delta)
          .append(",\"logprobs\":null,\"finish_reason\":")
          .append(finish);
      frame.append("}").append(end);
      frames.push_back(std::move(frame));
    };
    add("{\"role\":\"assistant\",\"content\":\"\",\"refusal\":null}", "null");
    for (std::string_view rest = choices[i].text; !rest.empty();) {
      const auto length = piece_length(rest);
      std::string delta = "{\"content\":";
      append_json_string(delta, rest.substr(0, length));
      add(delta + "}", "null");
      rest.remove_prefix(length);
    }
    add("{}", choices[i].cut ? "\"length\"" : "\"stop\"");
  }
  if (include_usage) {
    auto frame = start + "],\"usage\":";
    append_usage(frame, call);
    frames.push_back(std::move(frame) + "}");
  }
  return frames;
}

} // namespace assay::mock
