#include "io/detail/pool_engine.hpp"

#include "io/address_guard.hpp"

#include <boost/asio/post.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <sys/epoll.h>
#include <unistd.h>
#include <unordered_set>

namespace assay::io::detail {

namespace {

constexpr milliseconds tick{20};
constexpr size_t buffer_bytes = 256 * 1024; // unread rests are under 64 KiB, so a read has ample room
constexpr size_t events_at_once = 256;
constexpr uint32_t most_opening =
    256; // more would overflow listen queues and starve the loop with handshakes
constexpr size_t most_spare_exchanges = 4096;

constexpr auto relaxed = std::memory_order_relaxed;

microseconds between(steady_point from, steady_point to) noexcept {
  return to > from ? std::chrono::duration_cast<microseconds>(to - from) : microseconds{0};
}

bool is_target(std::string_view text) noexcept {
  return text.starts_with('/')
         && std::none_of(text.begin(), text.end(), [](unsigned char c) { return c <= 0x20 || c == 0x7F; });
}

name_resolver::judge judge_of(const pool_setup& setup) {
  if (!setup.guard)
    return {};
  return [&setup](const std::vector<boost::asio::ip::address>& found) {
    return setup.guard->check(setup.origin, found);
  };
}

} // namespace

pool_engine::pool_engine(io_runtime& runtime, pool_setup setup, http_pool::sink deliver)
    : runtime_(runtime), lifeline_(runtime.lifeline()), context_(runtime.context()), setup_(std::move(setup)),
      deliver_(std::move(deliver)), poller_(context_), timer_(context_),
      wheel_(tick, std::chrono::steady_clock::now()),
      resolver_(context_, setup_.dial_host, setup_.dial_port, judge_of(setup_)), buffer_(buffer_bytes) {}

pool_engine::~pool_engine() {
  for (auto& c : connections_) {
    c->tls.reset();
    if (c->socket >= 0)
      ::close(c->socket);
  }
}

result<void> pool_engine::start() {
  const int set = ::epoll_create1(EPOLL_CLOEXEC);
  if (set < 0)
    return fault{errc::internal,
                 std::string("no epoll set can be made: ") + std::strerror(errno),
                 {},
                 "raise the limit of open files (ulimit -n)"};
  poller_.assign(set);
  stop_hook_ = runtime_.at_stop([weak = weak_from_this()] {
    if (const auto self = weak.lock()) {
      self->begin_turn();
      self->take_inbox();
      self->start_closing(milliseconds::zero());
      self->end_turn();
    }
  });
  if (stop_hook_ == 0)
    return fault{errc::shutting_down, "the runtime is stopping", {}, {}};
  boost::asio::post(context_, [weak = weak_from_this()] {
    if (const auto self = weak.lock(); self && !self->closed_)
      self->wait_for_sockets();
  });
  return {};
}

// -- from any thread ---------------------------------------------------------------------------------------

void pool_engine::submit(std::vector<http_request>&& requests) {
  if (requests.empty())
    return;
  std::unique_lock lock(inbox_mutex_);
  if (inbox_.empty())
    inbox_ = std::move(requests);
  else
    std::move(requests.begin(), requests.end(), std::back_inserter(inbox_));
  wake(lock);
}

void pool_engine::cancel(std::vector<uint64_t> ids) {
  if (ids.empty())
    return;
  std::unique_lock lock(inbox_mutex_);
  inbox_cancels_.insert(inbox_cancels_.end(), ids.begin(), ids.end());
  wake(lock);
}

void pool_engine::grant(std::vector<http_credit> credits) {
  if (credits.empty())
    return;
  std::unique_lock lock(inbox_mutex_);
  inbox_credits_.insert(inbox_credits_.end(), credits.begin(), credits.end());
  wake(lock);
}

void pool_engine::close(milliseconds grace, std::function<void()> closed) {
  std::unique_lock lock(inbox_mutex_);
  inbox_closes_.emplace_back(grace, std::move(closed));
  wake(lock);
}

void pool_engine::abandon() {
  if (closed_)
    return;
  boost::asio::post(context_, [self = shared_from_this()] {
    self->begin_turn();
    self->take_inbox();
    self->start_closing(milliseconds::zero());
    self->end_turn();
  });
}

void pool_engine::wake(std::unique_lock<std::mutex>& lock) {
  const bool posted = std::exchange(inbox_posted_, true);
  lock.unlock();
  if (!posted)
    boost::asio::post(context_, [weak = weak_from_this()] {
      if (const auto self = weak.lock())
        self->on_wake();
    });
}

pool_stats pool_engine::stats() const {
  const counters& c = counters_;
  return {c.connections.load(relaxed), c.connecting.load(relaxed), c.idle.load(relaxed),
          c.in_flight.load(relaxed),   c.waiting.load(relaxed),    c.connections_opened.load(relaxed),
          c.answered.load(relaxed),    c.failed.load(relaxed),     c.stale_retries.load(relaxed)};
}

// -- turns of the loop -------------------------------------------------------------------------------------

void pool_engine::on_wake() {
  begin_turn();
  take_inbox();
  end_turn();
}

void pool_engine::take_inbox() {
  std::vector<http_request> requests;
  std::vector<uint64_t> cancels;
  std::vector<http_credit> credits;
  std::vector<std::pair<milliseconds, std::function<void()>>> closes;
  {
    std::lock_guard lock(inbox_mutex_);
    requests.swap(inbox_);
    cancels.swap(inbox_cancels_);
    credits.swap(inbox_credits_);
    closes.swap(inbox_closes_);
    inbox_posted_ = false;
  }
  for (auto& request : requests)
    enqueue(std::move(request));
  if (!cancels.empty()) // before match(), so that what came in the same batch is never sent
    cancel_all(cancels);
  if (!credits.empty())
    grant_all(credits);
  for (auto& [grace, closed] : closes) {
    if (closed)
      when_closed_.push_back(std::move(closed));
    start_closing(grace);
  }
}

bool pool_engine::watch(connection& c, bool for_writing) {
  epoll_event event{};
  event.events = EPOLLIN | (for_writing ? EPOLLOUT : 0u);
  event.data.ptr = &c;
  if (::epoll_ctl(poller_.native_handle(), EPOLL_CTL_ADD, c.socket, &event) != 0)
    return false;
  c.wants_write = for_writing;
  return true;
}

void pool_engine::wait_for_sockets() {
  poller_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                     [weak = weak_from_this()](const boost::system::error_code& ec) {
                       if (const auto self = weak.lock(); self && !ec)
                         self->on_sockets();
                     });
}

void pool_engine::on_sockets() {
  begin_turn();
  std::array<epoll_event, events_at_once> events;
  const int count = ::epoll_wait(poller_.native_handle(), events.data(), static_cast<int>(events.size()), 0);
  for (int i = 0; i < count; ++i) {
    now_ = std::chrono::steady_clock::now();
    on_event(*static_cast<connection*>(events[static_cast<size_t>(i)].data.ptr),
             events[static_cast<size_t>(i)].events);
  }
  end_turn();
  if (!closed_)
    wait_for_sockets();
}

void pool_engine::on_event(connection& c, uint32_t events) {
  if (c.paused) // in this turn
    return;
  const bool writable = (events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) != 0;
  switch (c.at) {
  case phase::dialling:
    if (writable)
      on_dialled(c);
    break;
  case phase::tunnelling:
    on_tunnel(c);
    break;
  case phase::handshaking:
    on_handshake(c);
    break;
  case phase::idle:
    check_idle(c);
    break;
  case phase::active:
    if (writable && c.wants_write)
      write_on(c);
    if (c.at == phase::active && !c.paused && ((events & ~EPOLLOUT) != 0 || c.tls))
      read_answer(c);
    break;
  case phase::resolving:
  case phase::closed:
    break; // closed earlier in this turn
  }
}

void pool_engine::schedule(timed& entry, steady_point deadline) {
  wheel_.schedule(entry, deadline);
  if (timer_at_ == steady_point{} || deadline + tick < timer_at_)
    if (earliest_ == steady_point{} || deadline + tick < earliest_)
      earliest_ = deadline + tick;
}

void pool_engine::on_tick() {
  begin_turn();
  timer_at_ = {};
  wheel_.advance(now_, [this](wheel_entry& entry) { on_expired(static_cast<timed&>(entry)); });
  earliest_ = wheel_.next_wake();
  end_turn();
}

void pool_engine::on_expired(timed& entry) {
  switch (entry.kind) {
  case timed_kind::closing:
    cut_off();
    break;
  case timed_kind::connection: {
    auto& c = static_cast<connection&>(entry);
    if (c.at == phase::idle)
      close_connection(c);
    else
      on_connect_timeout(c);
    break;
  }
  case timed_kind::exchange:
    expire(static_cast<exchange&>(entry));
    break;
  }
}

void pool_engine::begin_turn() { now_ = std::chrono::steady_clock::now(); }

void pool_engine::end_turn() {
  if (!waiting_.empty())
    match();
  if (!turn_.outcomes.empty() || !turn_.pieces.empty())
    deliver_(std::exchange(turn_, {}));
  recycle();
  if (closing_ && open_count_ == 0)
    finish_closing();
  if (earliest_ != steady_point{} && !closed_) {
    timer_at_ = std::exchange(earliest_, steady_point{});
    timer_.expires_at(timer_at_);
    timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& ec) {
      if (const auto self = weak.lock(); self && !ec)
        self->on_tick();
    });
  }
  publish();
}

void pool_engine::recycle() {
  spare_.insert(spare_.end(), just_closed_.begin(), just_closed_.end());
  just_closed_.clear();
}

void pool_engine::publish() {
  counters_.connections.store(open_count_, relaxed);
  counters_.connecting.store(opening_count_, relaxed);
  counters_.idle.store(idle_count_, relaxed);
  counters_.in_flight.store(open_count_ - opening_count_ - idle_count_, relaxed);
  counters_.waiting.store(waiting_count_, relaxed);
  counters_.connections_opened.store(opened_total_, relaxed);
  counters_.answered.store(answered_total_, relaxed);
  counters_.failed.store(failed_total_, relaxed);
  counters_.stale_retries.store(stale_total_, relaxed);
}

// -- the waiting line --------------------------------------------------------------------------------------

exchange& pool_engine::new_exchange(http_request&& request) {
  std::unique_ptr<exchange> made;
  if (spare_exchanges_.empty()) {
    made = std::make_unique<exchange>();
  } else {
    made = std::move(spare_exchanges_.back());
    spare_exchanges_.pop_back();
  }
  exchange& e = *made;
  e.slot = exchanges_.size();
  e.request = std::move(request);
  e.on = nullptr;
  e.submitted = now_;
  e.ready = e.written = e.first = {};
  e.complete_write = e.sent_twice = e.maybe_seen = e.streaming = false;
  e.unread = 0;
  exchanges_.push_back(std::move(made));
  return e;
}

void pool_engine::enqueue(http_request&& request) {
  exchange& e = new_exchange(std::move(request));
  if (closing_) {
    fail(e, errc::shutting_down, "the connections to " + setup_.server_name + " are being closed");
  } else if (!is_target(e.request.target)) {
    fail(e, errc::invalid_argument, "the target must begin with / and hold no spaces or control characters");
  } else if (!is_header_value(e.request.content_type)) {
    fail(e, errc::invalid_argument, "the content type must hold no control characters");
  } else if (e.request.stream && !streams_.emplace(e.request.id, &e).second) {
    e.request.stream = false; // the entry is the other one's
    fail(e, errc::invalid_argument, "another stream with this id is open");
  } else {
    schedule(e, now_ + e.request.timeout);
    waiting_.push_back(e);
    ++waiting_count_;
  }
}

exchange& pool_engine::next_waiting() {
  exchange& e = waiting_.front();
  waiting_.pop_front();
  --waiting_count_;
  return e;
}

void pool_engine::match() {
  while (!waiting_.empty() && !idle_.empty()) {
    connection& c = idle_.front();
    idle_.pop_front();
    --idle_count_;
    assign(c, next_waiting());
  }
  while (waiting_count_ > opening_count_ - resend_count_ && open_count_ < setup_.max_connections
         && opening_count_ < most_opening)
    open_connection(nullptr);
}

void pool_engine::cancel_all(const std::vector<uint64_t>& ids) {
  const std::unordered_set<uint64_t> wanted(ids.begin(), ids.end());
  std::vector<exchange*> hit;
  for (const auto& e : exchanges_)
    if (wanted.contains(e->request.id))
      hit.push_back(e.get());
  for (exchange* e : hit) {
    if (e->on)
      close_connection(*e->on);
    fail(*e, errc::cancelled, "cancelled by the caller");
  }
}

void pool_engine::answer(exchange& e, answer_reader& reader) {
  http_outcome outcome;
  outcome.status = reader.status();
  outcome.headers = e.streaming ? std::move(e.headers) : reader.take_headers();
  outcome.body = reader.take_body();
  outcome.first_byte = between(e.ready, e.first);
  outcome.transfer = between(e.first, now_);
  ++answered_total_;
  report(e, std::move(outcome));
}

void pool_engine::fail(exchange& e, errc code, std::string message) {
  http_outcome outcome;
  outcome.headers = std::move(e.headers);
  outcome.error = code;
  outcome.error_message = std::move(message);
  if (e.ready != steady_point{})
    outcome.first_byte = between(e.ready, e.first != steady_point{} ? e.first : now_);
  if (e.first != steady_point{})
    outcome.transfer = between(e.first, now_);
  ++failed_total_;
  report(e, std::move(outcome));
}

void pool_engine::report(exchange& e, http_outcome&& outcome) {
  outcome.id = e.request.id;
  outcome.request_written = e.complete_write || e.maybe_seen;
  outcome.connect = between(e.submitted, e.ready != steady_point{} ? e.ready : now_);
  outcome.finished_at = std::chrono::time_point_cast<microseconds>(std::chrono::system_clock::now());
  turn_.outcomes.push_back(std::move(outcome));

  timer_wheel::withdraw(e);
  if (static_cast<list_hook&>(e).is_linked()) {
    static_cast<list_hook&>(e).unlink();
    --waiting_count_;
  }
  if (e.request.stream)
    streams_.erase(e.request.id);
  const size_t slot = e.slot;
  std::unique_ptr<exchange> done = std::move(exchanges_[slot]);
  if (slot + 1 != exchanges_.size()) {
    exchanges_[slot] = std::move(exchanges_.back());
    exchanges_[slot]->slot = slot;
  }
  exchanges_.pop_back();
  if (spare_exchanges_.size() < most_spare_exchanges) {
    done->request.body = {};
    spare_exchanges_.push_back(std::move(done));
  }
}

// -- closing -----------------------------------------------------------------------------------------------

void pool_engine::start_closing(milliseconds grace) {
  if (closed_) {
    finish_closing();
    return;
  }
  const bool first_time = !std::exchange(closing_, true);
  if (first_time) {
    while (!waiting_.empty())
      fail(waiting_.front(), errc::cancelled, "the connections are being closed; the request was not sent");
    while (!idle_.empty())
      close_connection(idle_.front());
    while (!opening_.empty()) {
      connection& c = opening_.front();
      exchange* resend = c.work;
      close_connection(c);
      if (resend)
        fail(*resend, errc::cancelled, "the connections are being closed");
    }
  }
  if (grace <= milliseconds::zero())
    cut_off();
  else if (first_time || now_ + grace < close_deadline_.deadline)
    schedule(close_deadline_, now_ + grace);
}

void pool_engine::cut_off() {
  while (!active_.empty()) {
    connection& c = active_.front();
    exchange& e = *c.work;
    close_connection(c);
    fail(e, errc::cancelled, "the connections are being closed and the grace for running requests is over");
  }
}

void pool_engine::finish_closing() {
  if (!closed_.exchange(true)) {
    timer_wheel::withdraw(close_deadline_);
    timer_.cancel();
    resolver_.cancel();
    boost::system::error_code ignored; // nothing is left to lose
    poller_.close(ignored);
    runtime_.forget(stop_hook_);
  }
  std::vector<std::function<void()>> closed;
  closed.swap(when_closed_);
  for (auto& callback : closed)
    callback();
}

} // namespace assay::io::detail
