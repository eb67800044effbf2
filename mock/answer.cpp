// How answers, whole or damaged, become bytes on the wire.
#include "mock/reply.hpp"

#include <algorithm>

namespace assay::mock {

namespace {

constexpr std::string_view html_page =
    "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n"
    "<center><h1>502 Bad Gateway</h1></center>\r\n<hr><center>cloudflare</center>\r\n"
    "</body>\r\n</html>\r\n";
constexpr std::string_view filler_mark = "@FILLER@";
constexpr std::string_view event_stream = "text/event-stream; charset=utf-8";

std::string as_event(std::string_view json) { return std::string("data: ").append(json).append("\n\n"); }

/// The events of a stream, [DONE] included.
std::vector<std::string> events_of(const reply& out, const answer_parts& parts) {
  auto events = stream_frames(out.call, parts.choices, parts.created, parts.request.include_usage);
  for (auto& event : events)
    event = as_event(event);
  events.push_back(as_event("[DONE]"));
  return events;
}

/// @param last events to send; @p closed whether the chunked body ends properly.
void write_stream(reply& out, const answer_parts& parts, const std::vector<std::string>& events, size_t last,
                  bool closed) {
  auto head = parts.head;
  head.content_type = event_stream;
  out.bytes = stream_head(head, parts.chunked);
  for (size_t i = 0; i < last; ++i) {
    append_chunk(out.bytes, events[i], parts.chunked);
    if (parts.token_gap > microseconds(0) && i + 1 < last)
      out.pauses.push_back(out.bytes.size());
  }
  out.gap = parts.token_gap;
  if (closed && parts.chunked)
    out.bytes += "0\r\n\r\n";
  if (!parts.chunked)
    out.end = reply_end::close;
}

/// The body as it would be without chunks: for answers whose length is announced.
std::string unframed_body(const reply& out, const answer_parts& parts) {
  if (!parts.request.stream)
    return completion_body(out.call, parts.choices, parts.created);
  std::string body;
  for (const auto& event : events_of(out, parts))
    body += event;
  return body;
}

void write_half(reply& out, const answer_parts& parts) {
  if (parts.request.stream) {
    const auto events = events_of(out, parts);
    write_stream(out, parts, events, events.size() / 2, false);
  } else {
    const auto body = unframed_body(out, parts);
    out.bytes = plain_answer(parts.head, body);
    out.bytes.resize(out.bytes.size() - body.size() / 2);
  }
}

void write_huge(reply& out, answer_parts& parts, uint64_t bytes) {
  for (auto& choice : parts.choices)
    choice.text.clear();
  parts.choices.front().text = filler_mark;
  auto head = parts.head;
  if (parts.request.stream)
    head.content_type = event_stream;
  std::string body;
  if (parts.request.stream) {
    // A frame holds four bytes of text, so the mark would be split: take one frame and put the mark into it.
    parts.choices.front().text = "....";
    body = unframed_body(out, parts);
    body.replace(body.find("...."), 4, filler_mark);
  } else {
    body = unframed_body(out, parts);
  }
  const auto at = body.find(filler_mark);
  const auto around = body.size() - filler_mark.size();
  out.filler = bytes > around ? bytes - around : 0;
  out.bytes = plain_head(head, around + out.filler).append(body, 0, at);
  out.tail = body.substr(at + filler_mark.size());
}

} // namespace

void write_answer(reply& out, const answer_parts& parts) {
  if (!parts.request.stream) {
    out.bytes = plain_answer(parts.head, completion_body(out.call, parts.choices, parts.created));
    return;
  }
  const auto events = events_of(out, parts);
  write_stream(out, parts, events, events.size(), true);
}

void write_error(reply& out, head_fields head, const api_error& error) {
  head.status = error.status;
  head.content_type = "application/json";
  out.call.status = error.status;
  out.bytes = plain_answer(head, error_body(error));
}

void write_damaged(reply& out, answer_parts parts, const fault_rule& rule) {
  const bool stream = parts.request.stream;
  out.whole = false;
  switch (rule.kind) {
  case fault_kind::hang_before_header:
    out.end = reply_end::hang;
    out.hang_for = rule.ms.value_or(milliseconds(0));
    out.call.status = 0;
    break;
  case fault_kind::hang_mid_body:
    write_half(out, parts);
    out.end = reply_end::hang;
    out.hang_for = rule.ms.value_or(milliseconds(0));
    break;
  case fault_kind::reset:
    out.end = reply_end::reset;
    out.call.status = 0;
    break;
  case fault_kind::close:
    out.end = reply_end::close;
    out.call.status = 0;
    break;
  case fault_kind::truncated_body:
    write_half(out, parts);
    out.end = reply_end::close;
    break;
  case fault_kind::wrong_content_length:
    if (stream)
      parts.head.content_type = event_stream;
    out.bytes = plain_answer(parts.head, unframed_body(out, parts), -10);
    break;
  case fault_kind::garbage:
    out.bytes.assign("\x16\x03\x01\x00\xF4\xFF\x00garbage\x80\x81", 16);
    while (out.bytes.size() < 64)
      out.bytes += static_cast<char>(0x80 + out.bytes.size());
    out.end = reply_end::close;
    out.call.status = 0;
    break;
  case fault_kind::huge_body:
    out.whole = true;
    write_huge(out, parts, rule.bytes);
    break;
  case fault_kind::slow_drip:
    out.whole = true;
    write_answer(out, parts);
    out.pauses.clear();
    out.drip = true;
    out.gap = rule.ms.value_or(milliseconds(10));
    break;
  case fault_kind::invalid_utf8:
    for (auto& choice : parts.choices)
      choice.text.insert(0, "\xFF\xFE\xC3( ");
    write_answer(out, parts);
    break;
  case fault_kind::duplicate_headers:
    out.whole = true;
    parts.head.doubled = true;
    write_answer(out, parts);
    break;
  case fault_kind::empty_body:
    out.bytes = plain_answer(parts.head, "");
    break;
  case fault_kind::html_body:
    parts.head.status = out.call.status = rule.status;
    parts.head.content_type = "text/html";
    out.whole = true;
    out.bytes = plain_answer(parts.head, html_page);
    break;
  case fault_kind::stream_without_done:
  case fault_kind::stream_error:
    if (!stream) {
      out.whole = true;
      out.call.struck = fault_kind::none;
      write_answer(out, parts);
    } else {
      auto events = events_of(out, parts);
      // Finish, usage and [DONE] are what tells a whole stream from a broken one.
      events.resize(rule.kind == fault_kind::stream_error
                        ? events.size() / 2
                        : events.size() - (parts.request.include_usage ? 3 : 2));
      if (rule.kind == fault_kind::stream_error)
        events.push_back(as_event(error_body(error_for_status(500, out.call.model))));
      write_stream(out, parts, events, events.size(), true);
    }
    break;
  case fault_kind::none:
  case fault_kind::status:
  case fault_kind::rate_limit:
  case fault_kind::insufficient_quota:
    out.whole = true;
    write_answer(out, parts);
    break;
  }
}

} // namespace assay::mock
