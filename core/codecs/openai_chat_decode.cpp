#include "core/codecs/call_failure.hpp"
#include "core/codecs/json_text.hpp"
#include "core/codecs/openai_chat.hpp"
#include "core/values/text.hpp"

#include <simdjson.h>

#include <algorithm>
#include <charconv>
#include <limits>

namespace assay::codecs {

namespace dom = simdjson::dom;

namespace {

constexpr int success_first = 200;
constexpr int success_last = 299;

// -- reading members whose type nobody guarantees
// ---------------------------------------------------------------------

std::optional<dom::element> member(dom::element parent, const char* name) {
  dom::element found;
  if (parent[name].get(found) != simdjson::SUCCESS || found.is_null())
    return std::nullopt;
  return found;
}

std::string_view text_of(const std::optional<dom::element>& element) {
  std::string_view text;
  if (!element || element->get(text) != simdjson::SUCCESS)
    return {};
  return text;
}

std::string_view text_member(dom::element parent, const char* name) { return text_of(member(parent, name)); }

std::optional<uint32_t> count_member(dom::element parent, const char* name) {
  const auto element = member(parent, name);
  double value = 0;
  if (!element || element->get(value) != simdjson::SUCCESS || !(value >= 0))
    return std::nullopt;
  return static_cast<uint32_t>(std::min(value, double{std::numeric_limits<uint32_t>::max()}));
}

/// A text or an integer, as text: `error.code` comes as either.
std::string word_member(dom::element parent, const char* name) {
  const auto element = member(parent, name);
  int64_t number = 0;
  if (element && element->get(number) == simdjson::SUCCESS)
    return std::to_string(number);
  return std::string(text_of(element));
}

int status_in(std::string_view word) {
  int value = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  const bool whole = error == std::errc{} && end == word.data() + word.size();
  return whole && value >= 400 && value <= 599 ? value : 0;
}

// -- errors
// -----------------------------------------------------------------------------------------------------------

/// FastAPI: a text, or a list of {loc, msg, type}.
std::string detail_text(dom::element detail) {
  std::string_view text;
  if (detail.get(text) == simdjson::SUCCESS)
    return std::string(text);
  return simdjson::minify(detail);
}

provider_error read_error_object(dom::element error) {
  provider_error result;
  result.message = text_member(error, "message");
  result.type = text_member(error, "type");
  if (result.type.empty())
    result.type = text_member(error, "status");
  result.code = word_member(error, "code");
  result.numeric_code = status_in(result.code);
  if (const auto metadata = member(error, "metadata"))
    result.moderation =
        member(*metadata, "reasons").has_value() || member(*metadata, "flagged_input").has_value();
  if (result.message.empty())
    result.message = simdjson::minify(error);
  return result;
}

/// Finds the error in any of the shapes in use: {"error":{...}}, {"error":"text"}, {"detail":...},
/// {"object":"error","message":...}, {"statusCode":401,"message":...}, and Google's list around the first.
std::optional<provider_error> find_error(dom::element root) {
  dom::element body = root;
  if (dom::element first; root.at(0).get(first) == simdjson::SUCCESS)
    body = first;
  // Some servers send an empty error beside a good answer.
  const bool has_choices = member(body, "choices").has_value();
  provider_error result;
  if (const auto error = member(body, "error")) {
    dom::object object;
    if (error->get(object) == simdjson::SUCCESS) {
      if (has_choices && object.size() == 0)
        return std::nullopt;
      return read_error_object(*error);
    }
    bool flag = false;
    if (error->get(flag) == simdjson::SUCCESS && !flag)
      return std::nullopt;
    if (has_choices && error->is_string() && text_of(error).empty())
      return std::nullopt;
    result.message = error->is_string() ? std::string(text_of(error)) : text_member(body, "message");
    if (result.message.empty())
      result.message = simdjson::minify(*error);
    return result;
  }
  if (has_choices)
    return std::nullopt;
  if (const auto detail = member(body, "detail")) {
    result.message = detail_text(*detail);
    return result;
  }
  const auto message = text_member(body, "message");
  if (message.empty())
    return std::nullopt;
  result.message = message;
  result.code = word_member(body, "code");
  if (result.code.empty())
    result.code = word_member(body, "statusCode");
  result.type = text_member(body, "type");
  result.numeric_code = status_in(result.code);
  return result;
}

// -- answers
// ----------------------------------------------------------------------------------------------------------

finish_reason finish_from(std::string_view word) {
  if (word == "stop" || word == "eos" || word == "end_turn")
    return finish_reason::stop;
  if (word == "length" || word == "max_tokens")
    return finish_reason::length;
  if (word == "content_filter")
    return finish_reason::content_filter;
  if (word == "tool_calls" || word == "function_call")
    return finish_reason::tool_calls;
  return finish_reason::unknown;
}

bool read_usage(dom::element root, token_usage& usage) {
  const auto object = member(root, "usage");
  if (!object || !object->is_object())
    return false;
  const auto prompt = count_member(*object, "prompt_tokens");
  auto completion = count_member(*object, "completion_tokens");
  const auto total = count_member(*object, "total_tokens");
  if (!completion && prompt && total && *total >= *prompt)
    completion = *total - *prompt;
  if (!prompt || !completion)
    return false;
  usage.prompt_tokens = *prompt;
  usage.completion_tokens = *completion;
  if (const auto details = member(*object, "prompt_tokens_details"))
    usage.cached_tokens = count_member(*details, "cached_tokens").value_or(0);
  if (usage.cached_tokens == 0)
    usage.cached_tokens = count_member(*object, "prompt_cache_hit_tokens").value_or(0);
  if (const auto details = member(*object, "completion_tokens_details"))
    usage.reasoning_tokens = count_member(*details, "reasoning_tokens").value_or(0);
  usage.cached_tokens = std::min(usage.cached_tokens, usage.prompt_tokens);
  usage.reasoning_tokens = std::min(usage.reasoning_tokens, usage.completion_tokens);
  return true;
}

/// Content is a text, or a list of parts of which those of type `text` count.
std::optional<shared_text> read_content(dom::element message) {
  const auto content = member(message, "content");
  if (!content)
    return std::nullopt;
  if (content->is_string())
    return shared_text(text_of(content));
  dom::array parts;
  if (content->get(parts) != simdjson::SUCCESS)
    return std::nullopt;
  std::string joined;
  for (const auto part : parts)
    joined += text_member(part, "text");
  return shared_text(joined);
}

std::string read_request_id(const http_headers& headers) {
  for (const auto* name : {"x-request-id", "request-id", "x-generation-id", "apim-request-id"})
    if (const auto id = find_header(headers, name); !id.empty())
      return excerpt(id, 200);
  return {};
}

/// Repairs what stops a strict parser and no other client: ill-formed UTF-8 and escaped lone surrogates.
std::string repaired(std::string_view body) {
  auto text = valid_utf8(body);
  const auto hex_at = [&](size_t i) {
    uint32_t value = 0;
    if (i + 6 > text.size() || text[i] != '\\' || text[i + 1] != 'u')
      return uint32_t{0};
    const auto [end, error] = std::from_chars(text.data() + i + 2, text.data() + i + 6, value, 16);
    return error == std::errc{} && end == text.data() + i + 6 ? value : 0;
  };
  for (size_t i = 0; i + 1 < text.size(); ++i) {
    if (text[i] != '\\')
      continue;
    const auto unit = hex_at(i);
    const auto next = hex_at(i + 6 <= text.size() ? i + 6 : text.size());
    if (unit >= 0xD800 && unit <= 0xDBFF && next >= 0xDC00 && next <= 0xDFFF)
      i += 11;
    else if (unit >= 0xD800 && unit <= 0xDFFF)
      text.replace(i, 6, "\\ufffd"), i += 5;
    else
      ++i;
  }
  return text;
}

std::string_view without_bom(std::string_view body) {
  if (body.starts_with("\xEF\xBB\xBF"))
    body.remove_prefix(3);
  return body;
}

} // namespace

struct answer_decoder::impl {
  explicit impl(decode_options chosen) : options(chosen) {}

  decode_options options;
  dom::parser parser;

  std::optional<dom::element> parse(std::string_view body) {
    body = without_bom(body);
    if (body.empty())
      return std::nullopt;
    dom::element root;
    auto error = parser.parse(body.data(), body.size()).get(root);
    if (error == simdjson::UTF8_ERROR || error == simdjson::STRING_ERROR) {
      const auto text = repaired(body);
      error = parser.parse(text).get(root);
    }
    if (error != simdjson::SUCCESS)
      return std::nullopt;
    return root;
  }

  decoded_answer failed_transfer(const http_outcome& outcome) const {
    call_failure failure;
    failure.code = outcome.error;
    failure.message =
        outcome.error_message.empty() ? std::string(to_string(outcome.error)) : outcome.error_message;
    failure.possibly_billed = outcome.request_written;
    return failure;
  }

  /// A status of success, but the body is not what the protocol promises.
  decoded_answer malformed(std::string message, const http_outcome& outcome) const {
    call_failure failure;
    failure.code = errc::malformed_answer;
    failure.message = std::move(message);
    failure.possibly_billed = true;
    failure.request_id = read_request_id(outcome.headers);
    return failure;
  }

  decoded_answer failed_status(const http_outcome& outcome, wall_time now) {
    const auto root = parse(outcome.body);
    auto error = root ? find_error(*root) : std::nullopt;
    if (!error) {
      error.emplace();
      error->message = "HTTP " + std::to_string(outcome.status);
      if (!outcome.body.empty())
        error->message += ": " + excerpt(outcome.body, 200);
    }
    auto failure = classify(outcome.status, *error, outcome.headers, now, options, false);
    failure.request_id = read_request_id(outcome.headers);
    if (root)
      fill_from_body(*root, failure);
    return failure;
  }

  template <class Result>
  static void fill_from_body(dom::element root, Result& result) {
    if (result.request_id.empty())
      result.request_id = excerpt(text_member(root, "request_id"), 200);
    if (result.request_id.empty())
      result.request_id = excerpt(text_member(root, "id"), 200);
    result.usage_present = read_usage(root, result.usage);
    bool flag = false;
    if (const auto simulated = member(root, "simulated"))
      result.simulated = simulated->get(flag) == simdjson::SUCCESS && flag;
  }

  decoded_answer failed_after_success(dom::element root, const provider_error& error,
                                      const http_outcome& outcome, wall_time now) const {
    auto failure = classify(error.numeric_code, error, outcome.headers, now, options, true);
    failure.request_id = read_request_id(outcome.headers);
    fill_from_body(root, failure);
    return failure;
  }

  decoded_answer withheld(dom::element root, const http_outcome& outcome) const {
    call_failure failure;
    failure.code = errc::content_filtered;
    failure.message = "the provider withheld the answer (finish_reason content_filter)";
    failure.possibly_billed = true;
    failure.request_id = read_request_id(outcome.headers);
    fill_from_body(root, failure);
    return failure;
  }

  decoded_answer read_choice(dom::element root, dom::element choice, const http_outcome& outcome,
                             wall_time now) const {
    const auto finish_word = text_member(choice, "finish_reason");
    const auto choice_error = member(choice, "error");
    if (choice_error && choice_error->is_object())
      return failed_after_success(root, read_error_object(*choice_error), outcome, now);
    if (finish_word == "error" || finish_word == "insufficient_system_resource") {
      provider_error error;
      error.message = "the provider stopped generating (finish_reason " + std::string(finish_word) + ")";
      return failed_after_success(root, error, outcome, now);
    }
    const auto message = member(choice, "message");
    if (!message || !message->is_object())
      return malformed("choices[0] has no message", outcome);

    chat_answer answer;
    answer.finish = finish_from(finish_word);
    const auto content = read_content(*message);
    if (content)
      answer.text = *content;
    if (answer.text.empty()) {
      if (const auto refusal = text_member(*message, "refusal"); !refusal.empty()) {
        answer.text = shared_text(refusal);
        answer.refused = true;
      } else if (answer.finish == finish_reason::content_filter) {
        return withheld(root, outcome);
      } else if (!content && finish_word.empty()) {
        return malformed("choices[0].message has neither content nor a reason why", outcome);
      }
    }
    answer.served_model = excerpt(text_member(root, "model"), 200);
    answer.request_id = read_request_id(outcome.headers);
    fill_from_body(root, answer);
    return answer;
  }

  decoded_answer read_success(const http_outcome& outcome, wall_time now) {
    if (outcome.body.view().find_first_not_of(" \t\r\n") == std::string_view::npos)
      return malformed("HTTP " + std::to_string(outcome.status) + " with an empty body", outcome);
    const auto root = parse(outcome.body);
    if (!root)
      return malformed("the answer is not complete JSON: " + excerpt(outcome.body, 120), outcome);
    if (const auto error = find_error(*root))
      return failed_after_success(*root, *error, outcome, now);
    dom::array choices;
    const auto found = member(*root, "choices");
    if (!found || found->get(choices) != simdjson::SUCCESS)
      return malformed("the answer has no list `choices`", outcome);
    dom::element choice;
    if (choices.at(0).get(choice) != simdjson::SUCCESS || !choice.is_object())
      return malformed("the answer's list `choices` is empty", outcome);
    return read_choice(*root, choice, outcome, now);
  }
};

answer_decoder::answer_decoder(decode_options options) : impl_(std::make_unique<impl>(options)) {}
answer_decoder::~answer_decoder() = default;
answer_decoder::answer_decoder(answer_decoder&&) noexcept = default;
answer_decoder& answer_decoder::operator=(answer_decoder&&) noexcept = default;

decoded_answer answer_decoder::decode(const http_outcome& outcome, wall_time now) {
  if (outcome.status == 0)
    return impl_->failed_transfer(outcome);
  if (outcome.status >= success_first && outcome.status <= success_last)
    return impl_->read_success(outcome, now);
  return impl_->failed_status(outcome, now);
}

} // namespace assay::codecs
