#include "core/codecs/call_failure.hpp"

#include "core/codecs/durations.hpp"
#include "core/codecs/json_text.hpp"

#include <algorithm>
#include <array>

namespace assay::codecs {

namespace {

constexpr size_t message_limit = 500;

template <size_t N>
bool any_of(const std::array<std::string_view, N>& words, const provider_error& error) {
  return std::any_of(words.begin(), words.end(),
                     [&](std::string_view word) { return word == error.code || word == error.type; });
}

bool says_no_money(const provider_error& error) {
  static constexpr std::array<std::string_view, 7> words{
      "insufficient_quota", "credit_balance_exhausted", "billing_hard_limit_reached",
      "billing_not_active", "insufficient_balance",     "Arrearage",
      "access_terminated"};
  return any_of(words, error);
}

bool says_filtered(const provider_error& error) {
  static constexpr std::array<std::string_view, 6> words{
      "content_filter",       "content_policy_violation",     "data_inspection_failed",
      "DataInspectionFailed", "ResponsibleAIPolicyViolation", "moderation_blocked"};
  return error.moderation || any_of(words, error);
}

bool says_bad_key(const provider_error& error) {
  static constexpr std::array<std::string_view, 4> words{"invalid_api_key", "InvalidApiKey",
                                                         "authentication_error", "API_KEY_INVALID"};
  return any_of(words, error) || error.message.starts_with("API key not valid");
}

errc code_of_429(const provider_error& error, const decode_options& options) {
  return says_no_money(error) && !options.quota_429_is_throttle ? errc::quota_exhausted : errc::rate_limited;
}

errc code_of_status(int status, const provider_error& error, bool wait_named, const decode_options& options) {
  if (status == 429)
    return code_of_429(error, options);
  if (status >= 500 || status == 408 || status == 409 || status == 425 || status == 499)
    return errc::provider_unavailable;
  if (says_no_money(error))
    return errc::quota_exhausted;
  if (says_filtered(error))
    return errc::content_filtered;
  // OpenRouter asks to wait with 402 while a budget for calls in flight is full; any other 402 is final.
  if (status == 402)
    return wait_named ? errc::rate_limited : errc::quota_exhausted;
  if (status == 401 || status == 403 || says_bad_key(error))
    return errc::credentials_rejected;
  if (status >= 300)
    return errc::provider_rejected;
  return errc::malformed_answer;
}

/// Sorts out an error after HTTP 200 whose body names no status.
errc code_of_words(const provider_error& error, const decode_options& options) {
  static constexpr std::array<std::string_view, 4> limits{"rate_limit_exceeded", "rate_limit_error",
                                                          "slow_down", "RateLimitReached"};
  static constexpr std::array<std::string_view, 3> requests{"invalid_request_error", "BadRequestError",
                                                            "not_found_error"};
  if (any_of(limits, error))
    return errc::rate_limited;
  if (says_no_money(error))
    return code_of_429(error, options);
  if (says_filtered(error))
    return errc::content_filtered;
  if (says_bad_key(error))
    return errc::credentials_rejected;
  return any_of(requests, error) ? errc::provider_rejected : errc::provider_unavailable;
}

std::optional<bool> should_retry(const http_headers& headers) {
  const auto value = find_header(headers, "x-should-retry");
  if (value == "true")
    return true;
  if (value == "false")
    return false;
  return std::nullopt;
}

char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

/// @returns where @p word, in lower case, begins in @p text, whatever the case there.
size_t find_word(std::string_view text, std::string_view word, size_t from = 0) noexcept {
  const auto at =
      std::search(text.begin() + static_cast<std::ptrdiff_t>(std::min(from, text.size())), text.end(),
                  word.begin(), word.end(), [](char a, char b) { return lower(a) == b; });
  return at == text.end() ? std::string_view::npos : static_cast<size_t>(at - text.begin());
}

/// Tags, and what stands in scripts and styles, become blanks.
std::string without_markup(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const auto tag = text.find('<');
    out.append(text.substr(0, tag)).append(1, ' ');
    if (tag == std::string_view::npos)
      break;
    text.remove_prefix(tag);
    for (const std::string_view hidden : {"script", "style"})
      if (find_word(text.substr(0, hidden.size() + 1), hidden) == 1)
        text.remove_prefix(std::min(find_word(text, std::string("</").append(hidden)), text.size()));
    const auto end = text.find('>');
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return out;
}

/// Line breaks and runs of blanks become one blank.
std::string on_one_line(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool blank = static_cast<unsigned char>(c) <= ' ' || c == '\x7f';
    if (!blank)
      out += c;
    else if (!out.empty() && out.back() != ' ')
      out += ' ';
  }
  while (out.ends_with(' '))
    out.pop_back();
  return out;
}

/// A gateway that gave up waiting cannot tell whether the model went on.
bool gateway_gave_up(int status) { return status == 502 || status == 504 || status == 524 || status == 499; }

} // namespace

std::string describe_body(int status, std::string_view body) {
  constexpr size_t most_words = 100;
  const auto number = std::to_string(status);
  auto text = body;
  if (const auto title = find_word(body, "<title"); title != std::string_view::npos)
    if (const auto begin = body.find('>', title); begin != std::string_view::npos)
      text = body.substr(begin + 1, find_word(body, "</title", begin) - begin - 1);
  // Only what begins like a page is one; other texts may hold a bracket.
  const bool is_page = on_one_line(body).starts_with('<');
  auto words = on_one_line(is_page ? without_markup(text) : std::string(body));
  if (words.starts_with(number + " "))
    words.erase(0, number.size() + 1);
  return "HTTP " + number
         + (words.empty() ? "" : ": " + excerpt(words, is_page ? most_words : most_words * 2));
}

call_failure classify(int status, const provider_error& error, const http_headers& headers, wall_time now,
                      const decode_options& options, bool generation_began) {
  call_failure failure;
  failure.message = excerpt(error.message, message_limit);
  failure.provider_code = excerpt(error.code.empty() ? error.type : error.code, 100);
  failure.retry_after = retry_after(headers, error.message, now);
  failure.should_retry = should_retry(headers);
  failure.code = status == 0 ? code_of_words(error, options)
                             : code_of_status(status, error, failure.retry_after.has_value(), options);
  failure.possibly_billed = generation_began || gateway_gave_up(status);
  if (failure.message.empty())
    failure.message = status == 0 ? "the provider reports an error without a message"
                                  : "HTTP " + std::to_string(status) + " without a message";
  return failure;
}

} // namespace assay::codecs
