#include "io/detail/pool_engine.hpp"
#include "io/detail/tcp_acked.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>

namespace assay::io::detail {

namespace {

/// An idle socket that its server has closed answers a write with its end within a round trip.
constexpr milliseconds stale_race_window{500};
constexpr int reads_at_once = 16;

std::string_view name_of(http_method method) noexcept {
  switch (method) {
  case http_method::by_body:
  case http_method::post:
    return "POST ";
  case http_method::put:
    return "PUT ";
  case http_method::patch:
    return "PATCH ";
  case http_method::delete_:
    return "DELETE ";
  }
  return "POST ";
}

bool would_block(int code) noexcept { return code == EAGAIN || code == EWOULDBLOCK || code == EINTR; }

} // namespace

// -- writing -----------------------------------------------------------------------------------------------

void pool_engine::assign(connection& c, exchange& e) {
  timer_wheel::withdraw(c);
  c.at = phase::active;
  active_.push_back(c);
  c.work = &e;
  e.on = &c;
  e.ready = now_;
  e.complete_write = false;
  c.write_failed = false;
  c.sent_before = wire_bytes(c);
  c.reader.begin(setup_.max_response_bytes, false, e.request.stream);
  if (e.request.stream)
    await_first_byte(e);
  write_head(e);
  if (c.tls)
    send_secure(c, e);
  else
    send_plain(c, e);
}

void pool_engine::write_head(const exchange& e) {
  const size_t body = e.request.body.size();
  const auto method = e.request.method;
  head_.clear();
  head_.append(body > 0 || method != http_method::by_body ? name_of(method) : "GET ");
  head_.append(e.request.at_origin ? setup_.origin_prefix : setup_.target_prefix).append(e.request.target);
  head_.append(" HTTP/1.1\r\n").append(setup_.common_headers);
  if (body > 0) {
    if (e.request.content_type.empty())
      head_.append(setup_.body_type);
    else
      head_.append("Content-Type: ").append(e.request.content_type).append("\r\n");
  }
  if (body > 0 || (method != http_method::by_body && method != http_method::delete_)) {
    char digits[24];
    const auto end = std::to_chars(digits, digits + sizeof digits, body).ptr;
    head_.append("Content-Length: ").append(digits, end).append("\r\n");
  }
  head_.append("\r\n");
}

void pool_engine::send_plain(connection& c, exchange& e) {
  const std::string_view body = e.request.body.view();
  iovec parts[2] = {{head_.data(), head_.size()}, {const_cast<char*>(body.data()), body.size()}};
  msghdr message{};
  message.msg_iov = parts;
  message.msg_iovlen = body.empty() ? 1 : 2;
  const ssize_t sent = ::sendmsg(c.socket, &message, MSG_NOSIGNAL);
  if (sent < 0 && !would_block(errno)) {
    write_broke(c);
    return;
  }
  const size_t taken = sent < 0 ? 0 : static_cast<size_t>(sent);
  c.sent_bytes += taken;
  if (taken == head_.size() + body.size()) {
    written(c);
    return;
  }
  c.unsent.assign(head_, std::min(taken, head_.size()));
  c.unsent.append(body.substr(taken > head_.size() ? taken - head_.size() : 0));
  c.unsent_from = 0;
  want_write(c, true);
}

void pool_engine::send_secure(connection& c, exchange& e) {
  head_.append(e.request.body.view()); // one record for small requests
  size_t taken = 0;
  switch (c.tls.write(head_, taken)) {
  case tls_stream::outcome::ok:
    written(c);
    return;
  case tls_stream::outcome::want_read:
  case tls_stream::outcome::want_write:
    c.unsent.assign(head_, taken);
    c.unsent_from = 0;
    want_write(c, true);
    return;
  case tls_stream::outcome::ended:
  case tls_stream::outcome::failed:
    write_broke(c);
    return;
  }
}

void pool_engine::write_on(connection& c) {
  const std::string_view rest = std::string_view(c.unsent).substr(c.unsent_from);
  if (rest.empty()) { // TLS asked for writability on behalf of a read
    want_write(c, false);
    return;
  }
  size_t taken = 0;
  if (c.tls) {
    const auto outcome = c.tls.write(rest, taken);
    if (outcome == tls_stream::outcome::ended || outcome == tls_stream::outcome::failed) {
      write_broke(c);
      return;
    }
  } else {
    const ssize_t sent = ::send(c.socket, rest.data(), rest.size(), MSG_NOSIGNAL);
    if (sent < 0 && !would_block(errno)) {
      write_broke(c);
      return;
    }
    taken = sent < 0 ? 0 : static_cast<size_t>(sent);
    c.sent_bytes += taken;
  }
  c.unsent_from += taken;
  if (c.unsent_from == c.unsent.size()) {
    std::string().swap(c.unsent);
    c.unsent_from = 0;
    want_write(c, false);
    written(c);
  }
}

void pool_engine::written(connection& c) {
  c.work->complete_write = true;
  c.work->written = now_;
}

void pool_engine::write_broke(connection& c) {
  c.write_failed = true;
  std::string().swap(c.unsent);
  c.unsent_from = 0;
  want_write(c, false);
  // The server may have answered early (413, 400) and closed; that answer is worth more than the error.
  read_answer(c);
}

uint64_t pool_engine::wire_bytes(const connection& c) const {
  return c.tls ? c.tls.wire_bytes() : c.sent_bytes;
}

void pool_engine::want_write(connection& c, bool wanted) {
  if (c.wants_write == wanted)
    return;
  c.wants_write = wanted;
  epoll_event event{};
  event.events = EPOLLIN | (wanted ? EPOLLOUT : 0u);
  event.data.ptr = &c;
  ::epoll_ctl(poller_.native_handle(), EPOLL_CTL_MOD, c.socket, &event);
}

// -- reading -----------------------------------------------------------------------------------------------

pool_engine::received pool_engine::receive(connection& c, std::string_view& bytes, bool& full,
                                           std::string& reason) {
  const size_t kept = c.unread.size();
  size_t room = buffer_.size() - kept;
  if (c.at == phase::active && c.work->request.stream)
    room = std::min<uint64_t>(room, setup_.stream_window - c.work->unread);
  char* const into = buffer_.data() + kept;
  size_t got = 0;
  if (c.tls) {
    switch (c.tls.read(into, room, got)) {
    case tls_stream::outcome::ok:
      break;
    case tls_stream::outcome::want_read:
      return received::nothing;
    case tls_stream::outcome::want_write:
      want_write(c, true);
      return received::nothing;
    case tls_stream::outcome::ended:
      return received::ended;
    case tls_stream::outcome::failed:
      reason = c.tls.why().message;
      return received::broken;
    }
    full = true; // OpenSSL may hold more, of which the poller knows nothing
  } else {
    const ssize_t count = ::recv(c.socket, into, room, 0);
    if (count == 0)
      return received::ended;
    if (count < 0) {
      if (would_block(errno))
        return received::nothing;
      reason = std::strerror(errno);
      return received::broken;
    }
    got = static_cast<size_t>(count);
    full = got == room;
  }
  if (kept > 0)
    std::memcpy(buffer_.data(), c.unread.data(), kept);
  bytes = {buffer_.data(), kept + got};
  return received::bytes;
}

void pool_engine::read_answer(connection& c) {
  for (int i = 0; i < reads_at_once || c.tls; ++i) {
    std::string_view bytes;
    std::string reason;
    bool full = false;
    switch (receive(c, bytes, full, reason)) {
    case received::nothing:
      if (c.write_failed)
        stream_ended(c, false, "the request could not be written");
      return;
    case received::ended:
      stream_ended(c, true, "the server closed it");
      return;
    case received::broken:
      stream_ended(c, false, reason);
      return;
    case received::bytes:
      break;
    }
    exchange& e = *c.work;
    if (!c.reader.started())
      e.first = now_;
    size_t used = 0;
    const auto progress = c.reader.feed(bytes, used);
    if (e.request.stream)
      take_piece(c);
    switch (progress) {
    case answer_reader::progress::more:
      if (used < bytes.size())
        c.unread.assign(bytes.substr(used));
      else
        c.unread.clear();
      if (e.request.stream && !goes_on(c))
        return;
      if (!full && !c.write_failed)
        return;
      continue;
    case answer_reader::progress::failed:
      close_connection(c);
      fail(e, c.reader.error(), c.reader.message());
      c.reader.release();
      return;
    case answer_reader::progress::done:
      finish(c, used == bytes.size());
      return;
    }
  }
}

void pool_engine::stream_ended(connection& c, bool in_good_order, const std::string& reason) {
  exchange& e = *c.work;
  if (c.reader.started()) {
    if (in_good_order && c.reader.end_of_stream() == answer_reader::progress::done) {
      finish(c, false);
      return;
    }
    // Without an orderly end the reader was not asked and has no message of its own.
    const errc code = in_good_order ? c.reader.error() : errc::truncated_answer;
    std::string message =
        in_good_order ? c.reader.message() : "the connection broke inside the answer: " + reason;
    close_connection(c);
    c.reader.release();
    fail(e, code, std::move(message));
    return;
  }
  bool proven = false;
  // A peer that resets may have read what its TCP never acknowledged, so only a rest that never left is
  // proof.
  const bool may_go_again = e.request.resend || !e.complete_write;
  if (c.used && may_go_again && !e.sent_twice && !closing_ && is_stale_race(c, proven)) {
    e.sent_twice = true;
    e.maybe_seen = !proven;
    e.complete_write = false;
    ++stale_total_;
    close_connection(c);
    open_connection(&e);
    return;
  }
  close_connection(c);
  fail(e, errc::truncated_answer,
       "the connection to " + setup_.server_name + " ended before the answer: " + reason);
}

bool pool_engine::is_stale_race(const connection& c, bool& proven) const {
  const exchange& e = *c.work;
  if (c.write_failed || !e.complete_write) {
    proven = true;
    return true;
  }
  // What the peer's TCP never acknowledged, no program there has read. The count includes the SYN.
  if (const auto acked = tcp_bytes_acked(c.socket); acked && *acked <= c.sent_before + 1) {
    proven = true;
    return true;
  }
  return now_ - e.written <= stale_race_window;
}

void pool_engine::finish(connection& c, bool reusable) {
  exchange& e = *c.work;
  const bool keep = reusable && e.complete_write && !closing_ && c.reader.keep_alive();
  answer(e, c.reader);
  c.reader.release();
  c.work = nullptr;
  c.unread.clear();
  if (c.unread.capacity() > 256)
    std::string().swap(c.unread);
  if (!keep) {
    close_connection(c);
    return;
  }
  static_cast<list_hook&>(c).unlink();
  make_idle(c);
}

// -- idling ------------------------------------------------------------------------------------------------

void pool_engine::make_idle(connection& c) {
  if (c.at == phase::active)
    c.used = true;
  if (!waiting_.empty()) {
    assign(c, next_waiting());
    return;
  }
  c.used = true; // it may go stale from now on, even if it never carried anything
  c.at = phase::idle;
  idle_.push_front(c);
  ++idle_count_;
  schedule(c, now_ + setup_.idle_timeout);
}

void pool_engine::check_idle(connection& c) {
  if (c.tls) {
    // Session tickets and key updates come at any time; they are no data.
    size_t got = 0;
    if (c.tls.read(buffer_.data(), buffer_.size(), got) == tls_stream::outcome::want_read)
      return;
  } else if (::recv(c.socket, buffer_.data(), 1, MSG_PEEK) < 0 && would_block(errno)) {
    return;
  }
  close_connection(c); // closed by the server, or it sends what nobody asked for
}

} // namespace assay::io::detail
