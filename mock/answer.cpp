// How answers, whole or damaged, become bytes on the wire.
#include "mock/reply.hpp"

#include <algorithm>

namespace assay::mock {

namespace {

constexpr std::string_view html_page =
    "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n"
    "<center><h1>502 Bad Gateway</h1></center>\r\n<hr><center>cloudflare</center>\r\n"
    "</body>\r\n</html>\r\n";

void begin_stream(reply& out, const answer_parts& parts) {
  auto head = parts.head;
  head.content_type = parts.stream.content_type;
  out.bytes = stream_head(head, parts.chunked);
  if (!parts.chunked)
    out.end = reply_end::close;
}

/// @param last events to send; @p closed whether the chunked body ends properly.
void write_stream(reply& out, const answer_parts& parts, size_t last, bool closed) {
  begin_stream(out, parts);
  const auto& events = parts.stream.events;
  for (size_t i = 0; i < last; ++i) {
    append_chunk(out.bytes, events[i], parts.chunked);
    if (parts.token_gap > microseconds(0) && i + 1 < last)
      out.pauses.push_back(out.bytes.size());
  }
  out.gap = parts.token_gap;
  if (closed && parts.chunked)
    out.bytes += "0\r\n\r\n";
}

/// The body as it would be without chunks: for answers whose length is announced.
std::string unframed_body(const answer_parts& parts) {
  if (!parts.streamed)
    return parts.body;
  std::string body;
  for (const auto& event : parts.stream.events)
    body += event;
  return body;
}

head_fields head_of(const answer_parts& parts) {
  auto head = parts.head;
  if (parts.streamed)
    head.content_type = parts.stream.content_type;
  return head;
}

void write_half(reply& out, const answer_parts& parts) {
  if (parts.streamed) {
    write_stream(out, parts, parts.stream.events.size() / 2, false);
  } else {
    out.bytes = plain_answer(parts.head, parts.body);
    out.bytes.resize(out.bytes.size() - parts.body.size() / 2);
  }
}

/// The last chunk is announced twice as long as it is.
void write_broken_chunk(reply& out, answer_parts& parts) {
  if (!parts.streamed) {
    parts.stream.content_type = parts.head.content_type;
    parts.stream.events = {parts.body};
  }
  const auto& events = parts.stream.events;
  const auto broken = events.size() / 2;
  write_stream(out, parts, broken, false);
  const auto& event = events[broken];
  if (parts.chunked)
    append_chunk_size(out.bytes, event.size() * 2);
  out.bytes.append(event, 0, event.size() / 2 + 1);
}

void write_huge(reply& out, const answer_parts& parts, uint64_t bytes) {
  const auto body = unframed_body(parts);
  const auto at = body.find(filler_mark);
  if (at == std::string::npos)
    return write_answer(out, parts);
  const auto around = body.size() - filler_mark.size();
  out.filler = bytes > around ? bytes - around : 0;
  out.bytes = plain_head(head_of(parts), around + out.filler).append(body, 0, at);
  out.tail = body.substr(at + filler_mark.size());
}

/// An event that breaks off inside its JSON but ends as the protocol wants.
std::string spoiled(const std::string& event) {
  constexpr std::string_view field = "data: ";
  const auto at = event.find(field);
  const auto end = at == std::string::npos ? at : event.find_first_of("\r\n", at);
  if (end == std::string::npos)
    return event.substr(0, event.size() / 2);
  return event.substr(0, at + field.size() + (end - at - field.size()) / 2) + event.substr(end);
}

void write_bad_json(reply& out, answer_parts& parts) {
  if (parts.streamed) {
    auto& event = parts.stream.events[parts.stream.events.size() / 2];
    event = spoiled(event);
  } else {
    parts.body.resize(parts.body.size() / 2);
  }
  write_answer(out, parts);
}

void write_signs_of_life(reply& out, answer_parts& parts, const fault_rule& rule) {
  const auto sign = parts.speaker.sign_of_life(parts.streamed);
  if (!parts.streamed) {
    parts.stream.content_type = parts.head.content_type;
    parts.stream.events = {parts.body};
  }
  auto& events = parts.stream.events;
  // After the first event, so that they also come in the middle of a stream.
  events.insert(events.begin() + (parts.streamed ? 1 : 0), rule.count, sign);
  parts.token_gap = rule.ms.value_or(milliseconds(10));
  write_stream(out, parts, events.size(), true);
}

void write_error_in_200(reply& out, answer_parts& parts, int status) {
  const auto error = parts.speaker.error_of_status(status, out.call.model);
  if (parts.streamed) {
    parts.stream.events = {parts.speaker.error_event(error, out.call.request_id)};
    write_stream(out, parts, 1, true);
  } else {
    out.bytes = plain_answer(parts.head, parts.speaker.error_body(error, out.call.request_id));
  }
}

/// What tells a whole stream from a broken one is missing; an error may stand in its place.
void write_open_end(reply& out, answer_parts& parts, const fault_rule& rule) {
  auto& events = parts.stream.events;
  if (rule.kind == fault_kind::stream_error) {
    events.resize(events.size() / 2);
    events.push_back(parts.speaker.error_event(parts.speaker.error_of_status(rule.status, out.call.model),
                                               out.call.request_id));
  } else {
    events.resize(events.size() - std::min(parts.stream.closing, events.size()));
  }
  write_stream(out, parts, events.size(), true);
}

void write_garbage(reply& out) {
  out.bytes.assign("\x16\x03\x01\x00\xF4\xFF\x00garbage\x80\x81", 16);
  while (out.bytes.size() < 64)
    out.bytes += static_cast<char>(0x80 + out.bytes.size());
  out.end = reply_end::close;
  out.call.status = 0;
}

} // namespace

void write_answer(reply& out, const answer_parts& parts) {
  if (parts.streamed)
    write_stream(out, parts, parts.stream.events.size(), true);
  else
    out.bytes = plain_answer(parts.head, parts.body);
}

void write_error(reply& out, head_fields head, const api_error& error) {
  head.status = error.status;
  head.content_type = "application/json";
  out.call.status = error.status;
  out.bytes = plain_answer(head, head.speaker->error_body(error, out.call.request_id));
}

void write_damaged(reply& out, answer_parts parts, const fault_rule& rule) {
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
  case fault_kind::reset_mid_body:
    write_half(out, parts);
    out.end = reply_end::reset;
    break;
  case fault_kind::close:
    out.end = reply_end::close;
    out.call.status = 0;
    break;
  case fault_kind::truncated_body:
    write_half(out, parts);
    out.end = reply_end::close;
    break;
  case fault_kind::truncated_chunk:
    write_broken_chunk(out, parts);
    out.end = reply_end::close;
    break;
  case fault_kind::wrong_content_length:
    out.bytes = plain_answer(head_of(parts), unframed_body(parts), -10);
    break;
  case fault_kind::garbage:
    write_garbage(out);
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
  case fault_kind::bad_json:
    write_bad_json(out, parts);
    break;
  case fault_kind::error_in_200:
    write_error_in_200(out, parts, rule.status);
    break;
  case fault_kind::keep_alive:
    out.whole = true;
    write_signs_of_life(out, parts, rule);
    break;
  case fault_kind::stream_without_done:
  case fault_kind::stream_error:
    if (parts.streamed) {
      write_open_end(out, parts, rule);
    } else {
      out.whole = true;
      out.call.struck = fault_kind::none;
      write_answer(out, parts);
    }
    break;
  case fault_kind::invalid_utf8: // The text was spoiled before the answer took its form.
    write_answer(out, parts);
    break;
  case fault_kind::none:
  case fault_kind::status:
  case fault_kind::rate_limit:
  case fault_kind::insufficient_quota:
  case fault_kind::daily_quota:
  case fault_kind::content_filter:
    out.whole = true;
    write_answer(out, parts);
    break;
  }
}

} // namespace assay::mock
