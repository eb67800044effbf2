#include "core/codecs/error_body.hpp"

#include "core/codecs/json_text.hpp"

#include <charconv>

namespace assay::codecs {

namespace {

int status_in(std::string_view word) {
  int value = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  const bool whole = error == std::errc{} && end == word.data() + word.size();
  return whole && value >= 400 && value <= 599 ? value : 0;
}

/// {"error":"text"}, {"error":true,"message":"text"} and the like.
std::optional<provider_error> read_plain_error(dom::element error, dom::element body, bool has_answer) {
  bool flag = false;
  if (error.get(flag) == simdjson::SUCCESS && !flag)
    return std::nullopt;
  if (has_answer && error.is_string() && text_of(error).empty())
    return std::nullopt;
  provider_error result;
  result.message =
      error.is_string() ? std::string(text_of(error)) : std::string(text_member(body, "message"));
  if (result.message.empty())
    result.message = simdjson::minify(error);
  return result;
}

} // namespace

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

std::optional<provider_error> find_error(dom::element root, const char* answer_key) {
  dom::element body = root;
  if (dom::element first; root.at(0).get(first) == simdjson::SUCCESS)
    body = first;
  // Some servers send an empty error beside a good answer.
  const bool has_answer = member(body, answer_key).has_value();
  if (const auto error = member(body, "error")) {
    dom::object object;
    if (error->get(object) != simdjson::SUCCESS)
      return read_plain_error(*error, body, has_answer);
    if (has_answer && object.size() == 0)
      return std::nullopt;
    return read_error_object(*error);
  }
  if (has_answer)
    return std::nullopt;
  provider_error result;
  if (const auto detail = member(body, "detail")) {
    // FastAPI: a text, or a list of {loc, msg, type}.
    result.message = text_or_json(*detail);
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

std::string request_id_of(const http_headers& headers) {
  for (const auto* name : {"x-request-id", "request-id", "x-generation-id", "apim-request-id"})
    if (const auto id = find_header(headers, name); !id.empty())
      return excerpt(id, 200);
  return {};
}

call_failure failed_transfer(const http_outcome& outcome) {
  call_failure failure;
  failure.code = outcome.error;
  failure.message =
      outcome.error_message.empty() ? std::string(to_string(outcome.error)) : outcome.error_message;
  failure.possibly_billed = outcome.request_written;
  return failure;
}

std::string describe_broken_json(std::string_view body) {
  constexpr std::string_view status = "HTTP 200";
  const auto begin = body.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos || body[begin] != '<')
    return "the answer is not complete JSON: " + excerpt(body, 120);
  return "the answer is a web page, not JSON" + describe_body(200, body).substr(status.size());
}

call_failure malformed(std::string message, const http_outcome& outcome) {
  call_failure failure;
  failure.code = errc::malformed_answer;
  failure.message = std::move(message);
  failure.possibly_billed = true;
  failure.request_id = request_id_of(outcome.headers);
  return failure;
}

call_failure failed_status(const http_outcome& outcome, const std::optional<dom::element>& root,
                           wall_time now, const decode_options& options) {
  auto error = root ? find_error(*root, "choices") : std::nullopt;
  if (!error) {
    error.emplace();
    error->message = describe_body(outcome.status, outcome.body);
  }
  auto failure = classify(outcome.status, *error, outcome.headers, now, options, false);
  failure.request_id = request_id_of(outcome.headers);
  return failure;
}

} // namespace assay::codecs
