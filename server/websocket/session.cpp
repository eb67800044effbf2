#include "server/websocket/session.hpp"

#include "server/origins.hpp"
#include "server/websocket/upgrade.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>

#include <spdlog/spdlog.h>

#include <algorithm>

namespace assay::server {

namespace {

namespace asio = boost::asio;
namespace websocket = boost::beast::websocket;
using boost::system::error_code;

template <class T>
using awaitable = asio::awaitable<T>;

/// Registered with IANA: 3000 unauthorized, 3003 forbidden, 3008 timeout. The last one is told to slow
/// readers.
constexpr uint16_t code_unauthorized = 3000;
constexpr uint16_t code_slow = 3008;
constexpr std::chrono::seconds closing_time{5};

auto into(error_code& error) { return asio::redirect_error(asio::use_awaitable, error); }

} // namespace

// -- the handshake --------------------------------------------------------------------------------------

boost::system::result<std::optional<principal>, problem>
judge_upgrade(const request_head& head, const std::optional<principal>& caller, edge_services& edge) {
  const auto kind = family::engine;
  const auto lists = [](std::string_view header, std::string_view word) {
    for (size_t start = 0; start <= header.size();) {
      const auto end = std::min(header.find(',', start), header.size());
      auto piece = header.substr(start, end - start);
      while (piece.starts_with(' '))
        piece.remove_prefix(1);
      while (piece.ends_with(' '))
        piece.remove_suffix(1);
      if (equals_ignoring_case(piece, word))
        return true;
      start = end + 1;
    }
    return false;
  };
  if (!lists(head.header("Connection"), "upgrade") || !lists(head.header("Upgrade"), "websocket")
      || head.header("Sec-WebSocket-Version") != "13" || head.header("Sec-WebSocket-Key").empty()) {
    auto what = http_problem(kind, 426, "this path is a WebSocket", "connect with ws:// or wss://");
    return what;
  }
  const auto origin = head.header("Origin");
  if (!origin.empty() && !may_open_web_socket(edge.options, head, origin))
    return problem_of(kind, fault{errc::forbidden, "pages of this origin may not connect", "Origin",
                                  "list the origin in server.allowed_origins"});
  const auto* found = find_route(edge.routes, http_method::get, head.path).found;
  auto query = check_query(*found, head.query);
  if (!query)
    return problem_of(kind, query.error());
  if (const auto token = query->find("token"); token != query->end()) {
    auto who = edge.auth.identify(token->second, head.peer);
    if (!who)
      return problem_of(kind, who.error().what, who.error().retry_after);
    if (auto waiting = edge.auth.take_request(*who))
      return problem_of(kind, std::move(waiting->what), waiting->retry_after);
    return std::optional<principal>{std::move(*who)};
  }
  if (const auto ticket = query->find("ticket"); ticket != query->end()) {
    auto who = edge.auth.tickets().redeem(ticket->second);
    if (!who || !edge.auth.still_valid(*who))
      return problem_of(kind, fault{errc::unauthenticated, "the ticket is unknown, used or expired", "ticket",
                                    "get a new one with POST /auth/ws-ticket"});
    return who;
  }
  // A wrong header is an error, a missing one means that the first message will say who it is.
  if (!caller && says_who_calls(head))
    return problem_of(kind, fault{errc::unauthenticated, "the token in the headers is not valid", {}, {}});
  return caller;
}

awaitable<void> run_web_socket(net_stream stream, web_socket_session::handshake_request handshake,
                               edge_services& edge, std::optional<principal> who, std::string peer,
                               std::vector<header_field> headers) {
  const auto session =
      std::make_shared<web_socket_session>(std::move(stream), edge, std::move(who), std::move(peer));
  co_await session->run(std::move(handshake), std::move(headers));
}

// -- life -----------------------------------------------------------------------------------------------

web_socket_session::web_socket_session(net_stream stream, edge_services& edge, std::optional<principal> who,
                                       std::string peer)
    : socket_(std::move(stream)), edge_(edge), who_(std::move(who)), peer_(std::move(peer)),
      idle_(socket_.get_executor()), drained_(socket_.get_executor()), patience_(socket_.get_executor()),
      login_(socket_.get_executor()), source_wait_(socket_.get_executor()),
      command_budget_(edge.options.limits.web_socket_commands_per_minute),
      budget_at_(edge.options.time.steady()) {}

awaitable<void> web_socket_session::run(handshake_request handshake, std::vector<header_field> headers) {
  const auto& limits = edge_.options.limits;
  const auto self = shared_from_this();
  auto wake = [weak = weak_from_this(), executor = socket_.get_executor()] {
    asio::post(executor, [weak] {
      if (const auto session = weak.lock())
        session->turn();
    });
  };
  queue_ = std::make_shared<frame_queue>(limits.web_socket_backlog_bytes, std::move(wake));

  websocket::stream_base::timeout timeouts{};
  timeouts.handshake_timeout = closing_time;
  timeouts.idle_timeout = limits.web_socket_idle_time;
  timeouts.keep_alive_pings = true;
  socket_.set_option(timeouts);
  socket_.set_option(
      websocket::stream_base::decorator([headers = std::move(headers)](websocket::response_type& answer) {
        for (const auto& field : headers)
          answer.set(field.name, field.value);
      }));
  socket_.read_message_max(limits.web_socket_command_bytes);
  socket_.text(true);
  // Before the client knows that it is connected: from then on it must hear when the server stops.
  edge_.sockets.add(self);
  error_code error;
  co_await socket_.async_accept(handshake, into(error));
  if (error) {
    open_ = false;
    queue_->detach();
    co_return;
  }
  ++edge_.counters.web_sockets_open;
  const auto executor = socket_.get_executor();
  asio::co_spawn(
      executor, [self]() -> awaitable<void> { co_await self->write_frames(); }, asio::detached);
  close_unless_known();
  co_await read_commands();
  end();
  --edge_.counters.web_sockets_open;
}

void web_socket_session::end() noexcept {
  open_ = false;
  queue_->detach();
  listener_.reset();
  subscriptions_.clear();
  for (const auto& [id, question] : questions_)
    if (question.handle != nullptr)
      question.handle->abandon();
  idle_.cancel();
  drained_.cancel();
  patience_.cancel();
  login_.cancel();
  source_wait_.cancel();
  // A writer that waits for a peer who is gone ends with this.
  abort();
}

void web_socket_session::close(uint16_t code, std::string reason) {
  if (close_wanted_ || !open_)
    return;
  if (reason.size() > 123)
    reason.resize(123);
  close_wanted_.emplace(static_cast<websocket::close_code>(code), reason);
  idle_.cancel();
  // A peer that takes nothing would hold the socket for ever.
  patience_.expires_after(closing_time);
  patience_.async_wait([weak = weak_from_this()](const error_code& error) {
    const auto session = weak.lock();
    if (!error && session)
      session->abort();
  });
}

void web_socket_session::abort() noexcept { socket_.next_layer().close(); }

void web_socket_session::close_unless_known() {
  login_.expires_after(edge_.options.limits.web_socket_login_time);
  login_.async_wait([weak = weak_from_this()](const error_code& error) {
    const auto session = weak.lock();
    if (!error && session && !session->who_)
      session->close(code_unauthorized, "no token");
  });
}

// -- writing --------------------------------------------------------------------------------------------

void web_socket_session::turn() {
  if (!open_)
    return;
  queue_->begin_turn();
  if (queue_->overflowed() && !close_wanted_) {
    ++edge_.counters.web_sockets_overflowed;
    queue_->clear_waiting();
    close(code_slow, "slow");
    return;
  }
  for (const auto run : queue_->take_behind())
    start_catching_up(run);
  if (queue_->take_source_loss() && !finding_source_) {
    finding_source_ = true;
    const auto self = shared_from_this();
    asio::co_spawn(
        socket_.get_executor(), [self]() -> awaitable<void> { co_await self->find_source_again(); },
        asio::detached);
  }
  idle_.cancel();
}

awaitable<void> web_socket_session::write_frames() {
  error_code error;
  while (open_ && !error) {
    const bool overflowed = queue_->overflowed();
    const auto next = overflowed ? std::nullopt : queue_->front();
    if (next) {
      co_await socket_.async_write(asio::buffer(next->view().data(), next->size()), into(error));
      queue_->pop();
      drained_.cancel();
      if (!error)
        ++edge_.counters.frames_sent;
    } else if (close_wanted_) {
      const auto reason = *close_wanted_;
      co_await socket_.async_close(reason, into(error));
      co_return;
    } else {
      error_code woken;
      idle_.expires_at(std::chrono::steady_clock::time_point::max());
      co_await idle_.async_wait(into(woken));
    }
  }
  if (error)
    abort();
}

// -- following runs -------------------------------------------------------------------------------------

void web_socket_session::start_catching_up(run_id run) {
  const auto it = subscriptions_.find(run);
  if (it == subscriptions_.end())
    return;
  const auto round = it->second.round = ++rounds_;
  const auto self = shared_from_this();
  asio::co_spawn(
      socket_.get_executor(),
      [self, run, round]() -> awaitable<void> { co_await self->catch_up(run, round); }, asio::detached);
}

bool web_socket_session::is_current(run_id run, uint64_t round) const {
  const auto it = subscriptions_.find(run);
  return open_ && !close_wanted_ && it != subscriptions_.end() && it->second.round == round;
}

bool web_socket_session::may_read_again(const fault& what) {
  if (what.code == errc::busy || what.code == errc::deadline_exceeded)
    return true;
  complain(what);
  close(static_cast<uint16_t>(websocket::close_code::internal_error), "the past cannot be read");
  return false;
}

awaitable<result<uint64_t>> web_socket_session::newest_seq(run_id run, uint64_t heard) {
  auto read = [run](storage::snapshot& view) { return newest_stored(view, run); };
  auto stored = co_await edge_.read_later(std::move(read));
  if (stored)
    *stored = std::max(*stored, heard);
  co_return std::move(stored);
}

awaitable<result<void>> web_socket_session::seek_generation(run_id run, uint64_t round) {
  const auto& state = subscriptions_.at(run);
  auto read = [run, after = state.searched, retries = state.retries_ahead](storage::snapshot& view) {
    return find_generation(view, run, after, retries);
  };
  const auto found = co_await edge_.read_later(std::move(read));
  if (!is_current(run, round))
    co_return result<void>{};
  if (!found)
    co_return found.error();
  auto& changed = subscriptions_.at(run);
  changed.searched = found->last_seq;
  changed.retries_ahead = found->retries_left;
  if (found->retries_left == 0)
    queue_->advance(run, found->last_seq);
  else if (!found->more)
    // Rather everything than nothing.
    changed.retries_ahead = 0;
  co_return result<void>{};
}

awaitable<void> web_socket_session::catch_up(run_id run, uint64_t round) {
  constexpr std::chrono::milliseconds pause{50};
  constexpr int most_empty_pages = 100;
  asio::steady_timer later{socket_.get_executor()};
  int empty_pages = 0;
  error_code ignored;
  while (is_current(run, round)) {
    // The store is read as fast as the socket takes it, so that a long past is no backlog.
    if (queue_->waiting_bytes() > edge_.options.limits.web_socket_backlog_bytes / 4) {
      drained_.expires_after(pause);
      co_await drained_.async_wait(into(ignored));
      continue;
    }
    const auto& state = subscriptions_.at(run);
    if (state.retries_ahead > 0) {
      const auto step = co_await seek_generation(run, round);
      if (!step && !may_read_again(step.error()))
        co_return;
      if (!step) {
        later.expires_after(pause);
        co_await later.async_wait(into(ignored));
      }
      continue;
    }
    const auto after = queue_->sent(run).value_or(0);
    auto read = [run, after, samples = state.samples, scorers = state.scorers,
                 now = edge_.options.time.wall()](storage::snapshot& view) {
      if (run == alert_channel)
        return read_alerts(view, after, now);
      if (is_ab_test_channel(run) || is_experiment_channel(run))
        return read_ab_test(view, run, after, now);
      return read_replay(view, run, after, samples, scorers, now);
    };
    auto page = co_await edge_.read_later(std::move(read));
    if (!is_current(run, round))
      co_return;
    if (!page && !may_read_again(page.error()))
      co_return;
    if (page) {
      if (page->ended)
        queue_->drop_progress(run);
      for (auto& text : page->frames)
        queue_->push(std::move(text));
      if (queue_->advance(run, page->last_seq) && !page->more)
        co_return;
      empty_pages = page->more || page->last_seq > after ? 0 : empty_pages + 1;
    }
    if (page && page->more)
      continue;
    // What was announced is not there yet. It is committed, so this is a matter of a moment, or of a sender
    // that counts differently: then the live frames are believed from here on.
    if (empty_pages > most_empty_pages) {
      edge_.log.warn("web socket cannot find announced events run={} after={}", to_string(run), after);
      co_return;
    }
    later.expires_after(pause);
    co_await later.async_wait(into(ignored));
  }
}

awaitable<void> web_socket_session::find_source_again() {
  constexpr std::chrono::milliseconds first_wait{100};
  constexpr std::chrono::milliseconds longest_wait{5'000};
  auto wait = first_wait;
  bool found = false;
  while (open_ && !found) {
    error_code ignored;
    source_wait_.expires_after(wait);
    co_await source_wait_.async_wait(into(ignored));
    wait = std::min(wait * 2, longest_wait);
    if (!open_)
      break;
    auto fresh = co_await edge_.farm.listen(queue_);
    if (!fresh || !open_)
      continue;
    listener_ = std::move(fresh);
    found = true;
    for (const auto run : queue_->followed_runs()) {
      auto answer = co_await listener_->subscribe(run);
      if (!open_)
        break;
      if (!answer) {
        found = false;
        break;
      }
      const auto newest = co_await newest_seq(run, answer->last_seq);
      if (!open_)
        break;
      if (!newest) {
        found = false;
        break;
      }
      queue_->expect(run, *newest);
    }
  }
  finding_source_ = false;
}

} // namespace assay::server
