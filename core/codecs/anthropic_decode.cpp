#include "core/codecs/anthropic_parts.hpp"
#include "core/codecs/error_body.hpp"
#include "core/codecs/json_text.hpp"

#include <algorithm>
#include <array>

namespace assay::codecs::anthropic {

namespace {

constexpr size_t id_limit = 200;
constexpr size_t message_limit = 500;

finish_reason finish_from(std::string_view word) noexcept {
  if (word == "end_turn" || word == "stop_sequence")
    return finish_reason::stop;
  if (word == "max_tokens" || word == "model_context_window_exceeded")
    return finish_reason::length;
  if (word == "tool_use")
    return finish_reason::tool_calls;
  if (word == "refusal")
    return finish_reason::content_filter;
  return finish_reason::unknown;
}

/// The status that the type of an error stands for, for errors that come after HTTP 200.
int status_of_type(std::string_view type) noexcept {
  struct known_type {
    std::string_view type;
    int status;
  };
  static constexpr std::array<known_type, 11> known{{{"invalid_request_error", 400},
                                                     {"authentication_error", 401},
                                                     {"billing_error", 402},
                                                     {"permission_error", 403},
                                                     {"not_found_error", 404},
                                                     {"conflict_error", 409},
                                                     {"request_too_large", 413},
                                                     {"rate_limit_error", 429},
                                                     {"api_error", 500},
                                                     {"timeout_error", 504},
                                                     {"overloaded_error", 529}}};
  for (const auto& entry : known)
    if (entry.type == type)
      return entry.status;
  return 0;
}

/// The money is gone, which Anthropic says with status 400 or 429 and in words.
bool says_spent(std::string_view message) {
  static constexpr std::array<std::string_view, 3> phrases{"enforced_spend_limit_reached",
                                                           "credit balance is too low", "API usage limits"};
  return std::any_of(phrases.begin(), phrases.end(),
                     [&](std::string_view phrase) { return message.find(phrase) != std::string_view::npos; });
}

void fill_from_error(dom::element root, call_failure& failure) {
  if (failure.request_id.empty())
    failure.request_id = excerpt(text_member(root, "request_id"), id_limit);
  failure.simulated = flag_member(root, "simulated");
  const auto error = object_member(root, "error");
  if (!error)
    return;
  const auto details = object_member(*error, "details");
  const auto code = details ? text_member(*details, "error_code") : std::string_view{};
  if (!code.empty())
    failure.provider_code = excerpt(code, 100);
  if (says_spent(code) || says_spent(text_member(*error, "message")))
    failure.code = errc::quota_exhausted;
}

void read_block(dom::element block, answer_parts& parts, std::vector<std::string_view>& texts) {
  const auto type = text_member(block, "type");
  if (type == "text") {
    texts.push_back(text_member(block, "text"));
  } else if (type == "thinking") {
    parts.reasoning += text_member(block, "thinking");
  } else if (type == "tool_use") {
    const auto input = member(block, "input");
    parts.tool_calls.push_back({std::string(text_member(block, "id")),
                                std::string(text_member(block, "name")),
                                input ? text_or_json(*input) : "{}"});
  }
}

shared_text joined(const std::vector<std::string_view>& texts) {
  if (texts.size() == 1)
    return shared_text(texts.front());
  std::string all;
  for (const auto text : texts)
    all += text;
  return shared_text(all);
}

decoded_answer read_success(const http_outcome& outcome, json_document& document, wall_time now) {
  if (outcome.body.view().find_first_not_of(" \t\r\n") == std::string_view::npos)
    return malformed("HTTP " + std::to_string(outcome.status) + " with an empty body", outcome);
  const auto root = document.parse(outcome.body);
  if (!root)
    return malformed(describe_broken_json(outcome.body), outcome);
  const auto content = member(*root, "content");
  if (!content || !content->is_array()) {
    if (find_error(*root, "content"))
      return read_failure(0, *root, outcome.headers, now);
    return malformed("the answer has no list `content`", outcome);
  }
  answer_parts parts;
  parts.take_envelope(*root);
  std::vector<std::string_view> texts;
  each_item(*root, "content", [&](dom::element block) { read_block(block, parts, texts); });
  return compose(std::move(parts), joined(texts), outcome.headers);
}

rate_limit_reading read_dimension(const http_headers& headers, std::string_view name, wall_time now) {
  const auto header = [&](std::string_view what) {
    std::string full = "anthropic-ratelimit-";
    full.append(name).append(what);
    return find_header(headers, full);
  };
  return read_rate_limit(header("-limit"), header("-remaining"), header("-reset"), now);
}

} // namespace

void usage_counts::take(dom::element usage) {
  const auto replace = [&](auto& value, const char* name) {
    if (const auto found = count_member(usage, name))
      value = *found;
  };
  replace(input, "input_tokens");
  replace(output, "output_tokens");
  replace(cache_writes, "cache_creation_input_tokens");
  replace(cache_reads, "cache_read_input_tokens");
  if (const auto details = object_member(usage, "output_tokens_details"))
    thinking = count_member(*details, "thinking_tokens").value_or(thinking);
}

token_usage usage_counts::total() const noexcept {
  constexpr uint64_t most = UINT32_MAX;
  token_usage usage;
  const auto prompt = uint64_t{input.value_or(0)} + cache_writes + cache_reads;
  usage.prompt_tokens = static_cast<uint32_t>(std::min(prompt, most));
  usage.completion_tokens = output.value_or(0);
  usage.cached_tokens = std::min(cache_reads, usage.prompt_tokens);
  usage.reasoning_tokens = std::min(thinking, usage.completion_tokens);
  return usage;
}

void answer_parts::take_stop(dom::element holder) {
  if (const auto word = text_member(holder, "stop_reason"); !word.empty())
    stop_reason = word;
  if (const auto details = object_member(holder, "stop_details"))
    refusal = excerpt(text_member(*details, "explanation"), message_limit);
}

void answer_parts::take_envelope(dom::element message) {
  id = excerpt(text_member(message, "id"), id_limit);
  model = excerpt(text_member(message, "model"), id_limit);
  simulated = flag_member(message, "simulated");
  take_stop(message);
  if (const auto counts = object_member(message, "usage"))
    usage.take(*counts);
}

decoded_answer compose(answer_parts&& parts, shared_text text, const http_headers& headers) {
  auto request_id = request_id_of(headers);
  if (request_id.empty())
    request_id = std::move(parts.id);
  const auto finish = finish_from(parts.stop_reason);
  if (finish == finish_reason::content_filter && text.empty() && parts.tool_calls.empty()) {
    call_failure failure;
    failure.code = errc::content_filtered;
    failure.message =
        parts.refusal.empty() ? "the model refused to answer (stop_reason refusal)" : parts.refusal;
    failure.possibly_billed = true;
    failure.provider_code = parts.stop_reason;
    failure.request_id = std::move(request_id);
    failure.usage = parts.usage.total();
    failure.usage_present = parts.usage.present();
    failure.simulated = parts.simulated;
    return failure;
  }
  chat_answer answer;
  answer.text = std::move(text);
  answer.finish = finish;
  answer.usage_present = parts.usage.present();
  if (answer.usage_present)
    answer.usage = parts.usage.total();
  answer.served_model = std::move(parts.model);
  answer.request_id = std::move(request_id);
  answer.refused = finish == finish_reason::content_filter;
  answer.simulated = parts.simulated;
  answer.reasoning = std::move(parts.reasoning);
  answer.tool_calls = std::move(parts.tool_calls);
  return answer;
}

call_failure read_failure(int status, dom::element root, const http_headers& headers, wall_time now) {
  const auto error = find_error(root, "content").value_or(provider_error{});
  const bool began = status == 0;
  auto failure = classify(began ? status_of_type(error.type) : status, error, headers, now, {}, began);
  failure.request_id = request_id_of(headers);
  fill_from_error(root, failure);
  return failure;
}

call_failure read_failed_status(const http_outcome& outcome, json_document& document, wall_time now) {
  const auto root = document.parse(outcome.body);
  auto failure = failed_status(outcome, root, now, {});
  if (root)
    fill_from_error(*root, failure);
  return failure;
}

decoded_answer decode_chat(const http_outcome& outcome, json_document& document, wall_time now) {
  if (outcome.status == 0)
    return failed_transfer(outcome);
  if (is_success(outcome.status))
    return read_success(outcome, document, now);
  return read_failed_status(outcome, document, now);
}

rate_limit_report read_limits(const http_headers& headers, wall_time now) {
  rate_limit_report report;
  report.requests = read_dimension(headers, "requests", now);
  report.tokens = read_dimension(headers, "tokens", now);
  report.input_tokens = read_dimension(headers, "input-tokens", now);
  report.output_tokens = read_dimension(headers, "output-tokens", now);
  // A proxy in between may speak OpenAI's dialect of these headers.
  return report.empty() ? read_rate_limits(headers, now) : report;
}

} // namespace assay::codecs::anthropic
