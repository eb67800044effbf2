#include "io/detail/pool_engine.hpp"

#include <algorithm>
#include <sys/epoll.h>

namespace assay::io::detail {

namespace {

steady_point total_deadline(const exchange& e) noexcept { return e.submitted + e.request.timeout; }

steady_point earlier_of(steady_point total, steady_point now, milliseconds limit) noexcept {
  return limit > milliseconds::zero() ? std::min(total, now + limit) : total;
}

std::string in_milliseconds(milliseconds limit) { return std::to_string(limit.count()) + " ms"; }

} // namespace

// -- watchdogs ---------------------------------------------------------------------------------------------

void pool_engine::await_first_byte(exchange& e) {
  schedule(e, earlier_of(total_deadline(e), now_, e.request.first_byte_timeout));
}

void pool_engine::await_more(exchange& e) {
  schedule(e, earlier_of(total_deadline(e), now_, e.request.idle_timeout));
}

void pool_engine::expire(exchange& e) {
  const std::string total = in_milliseconds(e.request.timeout);
  if (!e.on) {
    fail(e, errc::provider_timeout,
         "no connection to " + setup_.server_name + " became free within " + total);
    return;
  }
  connection& c = *e.on;
  const bool answering = c.at == phase::active && c.reader.started();
  std::string message = setup_.server_name;
  if (now_ < total_deadline(e))
    message += answering && c.reader.in_body()
                   ? " fell silent inside its answer for " + in_milliseconds(e.request.idle_timeout)
                   : " did not begin its answer within " + in_milliseconds(e.request.first_byte_timeout);
  else if (c.paused)
    message += " could not finish its answer within " + total + ", because " + std::to_string(e.unread)
               + " bytes of it were not taken";
  else
    message += (answering ? " did not finish its answer within " : " did not answer within ") + total;
  close_connection(c);
  fail(e, errc::provider_timeout, std::move(message));
}

// -- pieces and credit -------------------------------------------------------------------------------------

void pool_engine::take_piece(connection& c) {
  exchange& e = *c.work;
  shared_text bytes = c.reader.take_piece();
  if (bytes.empty())
    return;
  if (!e.streaming) {
    e.streaming = true;
    e.first = now_;
    e.headers = c.reader.take_headers();
  }
  e.unread += bytes.size();
  turn_.pieces.push_back({e.request.id, std::move(bytes)});
}

bool pool_engine::goes_on(connection& c) {
  exchange& e = *c.work;
  if (e.unread >= setup_.stream_window) {
    pause(c);
    return false;
  }
  if (c.reader.in_body())
    await_more(e);
  return true;
}

void pool_engine::pause(connection& c) {
  // Out of the set altogether: a peer's reset would be reported again and again, whatever is asked for.
  ::epoll_ctl(poller_.native_handle(), EPOLL_CTL_DEL, c.socket, nullptr);
  c.paused = true;
  schedule(*c.work, total_deadline(*c.work));
}

void pool_engine::resume(connection& c) {
  c.paused = false;
  exchange& e = *c.work;
  if (!watch(c, c.wants_write)) {
    close_connection(c);
    fail(e, errc::internal, "the kernel has no memory left to watch a socket");
    return;
  }
  await_more(e);
  read_answer(c); // OpenSSL may hold bytes of which the poller knows nothing
}

void pool_engine::grant_all(const std::vector<http_credit>& credits) {
  for (const auto& credit : credits) {
    const auto found = streams_.find(credit.id);
    if (found == streams_.end())
      continue;
    exchange& e = *found->second;
    e.unread -= std::min(e.unread, credit.bytes);
    // Not for every byte: small reads cost as much as large ones.
    if (e.on && e.on->paused && e.unread <= setup_.stream_window / 2)
      resume(*e.on);
  }
}

} // namespace assay::io::detail
