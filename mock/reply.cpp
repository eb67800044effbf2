#include "mock/reply.hpp"

#include "mock/json_text.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <ctime>

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
  case 402:
    return "Payment Required";
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

int64_t in_ms(nanoseconds wait) noexcept {
  return std::max<int64_t>((wait.count() + 999'999) / 1'000'000, 1);
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`, in English whatever the locale.
std::string http_date(wall_time at) {
  constexpr std::array<const char*, 7> days{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  constexpr std::array<const char*, 12> months{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                               "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const auto whole = std::chrono::ceil<seconds>(at).time_since_epoch().count();
  const auto time = static_cast<std::time_t>(whole);
  std::tm parts{};
  ::gmtime_r(&time, &parts);
  std::array<char, 64> text{};
  const auto n = std::snprintf(text.data(), text.size(), "%s, %02d %s %d %02d:%02d:%02d GMT",
                               days[static_cast<size_t>(parts.tm_wday)], parts.tm_mday,
                               months[static_cast<size_t>(parts.tm_mon)], parts.tm_year + 1900, parts.tm_hour,
                               parts.tm_min, parts.tm_sec);
  return {text.data(), static_cast<size_t>(n)};
}

/// What the fault script wants instead of the provider's usual way.
void append_hint(std::string& out, const head_fields& head) {
  if (!head.retry_after)
    return;
  if (head.hint == retry_hint::seconds)
    append_retry_seconds(out, *head.retry_after);
  else if (head.hint == retry_hint::ms)
    append_retry_ms(out, *head.retry_after);
  else if (head.hint == retry_hint::date)
    out.append("retry-after: ")
        .append(http_date(wall_now() + std::chrono::ceil<milliseconds>(*head.retry_after)))
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
  if (head.speaker != nullptr && head.call != nullptr) {
    if (head.hint == retry_hint::usual) {
      head.speaker->append_headers(out, head);
    } else {
      auto silent = head;
      silent.retry_after.reset();
      head.speaker->append_headers(out, silent);
      append_hint(out, head);
    }
  }
  out += head.more;
  if (head.doubled)
    out += "Content-Type: text/plain\r\nx-request-id: req_duplicate\r\nrequest-id: req_duplicate\r\n"
           "x-ratelimit-remaining-requests: 0\r\nx-ratelimit-remaining-requests: -1\r\nretry-after: 7\r\n"
           "retry-after: soon\r\n";
  if (head.close)
    out += "Connection: close\r\n";
  out += "x-assay-simulated: true\r\n";
}

} // namespace

void append_retry_seconds(std::string& out, nanoseconds wait) {
  out += "retry-after: ";
  append_number(out, (in_ms(wait) + 999) / 1000);
  out += "\r\n";
}

void append_retry_ms(std::string& out, nanoseconds wait) {
  out += "retry-after-ms: ";
  append_number(out, in_ms(wait));
  out += "\r\n";
}

std::string plain_head(const head_fields& head, uint64_t length) {
  std::string out;
  out.reserve(768 + std::min<uint64_t>(length, 1024 * 1024));
  append_head(out, head);
  out += "Content-Length: ";
  append_number(out, length);
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
  append_chunk_size(out, data.size());
  out.append(data).append("\r\n");
}

void append_chunk_size(std::string& out, size_t size) {
  std::array<char, 20> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), size, 16).ptr;
  out.append(digits.data(), static_cast<size_t>(end - digits.data())).append("\r\n");
}

} // namespace assay::mock
