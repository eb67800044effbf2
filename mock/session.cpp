#include "mock/session.hpp"

#include "mock/service.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include <array>
#include <sys/socket.h>

namespace assay::mock {

namespace net = boost::asio;
namespace http = boost::beast::http;
using boost::system::error_code;
using net::ip::tcp;

namespace {

int64_t steady_ms() {
  return std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

constexpr uint32_t header_limit = 64 * 1024;
/// How much of an unwanted rest is read, so that closing does not destroy an answer on its way.
constexpr size_t drain_limit = 64 * 1024 * 1024;
/// Finds the headers of a request that Beast has read.
class beast_headers final : public header_source {
public:
  explicit beast_headers(const http::fields& fields) : fields_(fields) {}
  std::string_view find(std::string_view name) const override {
    const auto found = fields_[boost::beast::string_view(name.data(), name.size())];
    return {found.data(), found.size()};
  }

private:
  const http::fields& fields_;
};

constexpr std::string_view go_on = "HTTP/1.1 100 Continue\r\n\r\n";

} // namespace

/// One connection: a loop of read, wait, write. At most one operation is pending at any time, so handlers of
/// one session never run together, however many threads there are.
class session : public std::enable_shared_from_this<session> {
public:
  session(tcp::socket socket, service& owner, session_list& list)
      : socket_(std::move(socket)), timer_(socket_.get_executor()), service_(owner), list_(list) {
    list_.add(this);
  }

  ~session() {
    if (busy_)
      service_.finished(reply_, false);
    // First out of the list: what closes idle connections must not find a number that is used again.
    list_.remove(this);
  }

  session(const session&) = delete;
  session& operator=(const session&) = delete;

  void start() {
    error_code ignored;
    socket_.set_option(tcp::no_delay(true), ignored);
    socket_.non_blocking(true, ignored);
    wait_for_request();
  }

  void end_if_idle(int64_t before) {
    const auto since = waiting_since_.load(std::memory_order_relaxed);
    if (since != 0 && since < before)
      ::shutdown(socket_.native_handle(), SHUT_RDWR);
  }

private:
  using parser = http::request_parser<http::string_body>;

  void wait_for_request() {
    if (waiting_since_.load(std::memory_order_relaxed) == 0)
      waiting_since_.store(steady_ms(), std::memory_order_relaxed);
    socket_.async_wait(tcp::socket::wait_read, [self = shared_from_this()](error_code ec) {
      if (!ec)
        self->read();
    });
  }

  /// Reads through a buffer on the stack: a connection that waits for its answer holds no buffer.
  void read() {
    std::array<char, 16 * 1024> bytes;
    error_code ec;
    const auto n = socket_.read_some(net::buffer(bytes), ec);
    if (ec == net::error::would_block)
      return wait_for_request();
    if (ec || n == 0)
      return;
    if (pending_.empty())
      return feed({bytes.data(), n});
    pending_.append(bytes.data(), n);
    feed_pending();
  }

  void feed_pending() {
    const auto bytes = std::move(pending_);
    pending_.clear();
    feed(bytes);
  }

  /// Gives bytes to the parser; what it cannot use yet stays in pending_.
  void feed(std::string_view bytes) {
    if (!parser_) {
      parser_.emplace();
      parser_->eager(true);
      parser_->header_limit(header_limit);
      parser_->body_limit(service_.settings().max_body);
    }
    while (!bytes.empty() && !parser_->is_done()) {
      error_code ec;
      const auto used = parser_->put(net::buffer(bytes.data(), bytes.size()), ec);
      bytes.remove_prefix(used);
      if (ec == http::error::need_more || (!ec && used == 0))
        break;
      if (ec)
        return reject(ec);
    }
    pending_.assign(bytes);
    if (parser_->is_done())
      return handle();
    if (parser_->is_header_done() && !continued_ && parser_->get()[http::field::expect] == "100-continue") {
      continued_ = true;
      // An empty socket buffer takes these few bytes at once; a client that does not get them sends anyway.
      error_code ignored;
      socket_.write_some(net::buffer(go_on), ignored);
    }
    wait_for_request();
  }

  void reject(error_code ec) {
    pending_.clear();
    waiting_since_ = 0;
    reply_ = service_.reject(ec == http::error::body_limit     ? 413
                             : ec == http::error::header_limit ? 431
                                                               : 400);
    busy_ = true;
    rewind();
    pump();
  }

  void handle() {
    waiting_since_.store(0, std::memory_order_relaxed);
    const auto& message = parser_->get();
    const auto view = [](auto text) { return std::string_view(text.data(), text.size()); };
    const beast_headers headers(message);
    reply_ = service_.handle({.method = view(message.method_string()),
                              .target = view(message.target()),
                              .authorization = view(message[http::field::authorization]),
                              .body = message.body(),
                              .keep_alive = parser_->keep_alive(),
                              .chunked_allowed = message.version() >= 11,
                              .headers = &headers});
    busy_ = true;
    continued_ = false;
    parser_.reset();
    rewind();
    if (reply_.delay <= microseconds(0))
      return pump();
    timer_.expires_after(reply_.delay);
    timer_.async_wait([self = shared_from_this()](error_code ec) {
      if (!ec && !self->client_left())
        self->pump();
    });
  }

  /// A client that closed its side while it waited does not want the answer any more.
  bool client_left() {
    char byte = 0;
    const auto n = ::recv(socket_.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return n == 0 || (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
  }

  void rewind() {
    sent_ = 0;
    filled_ = 0;
    tail_sent_ = 0;
    pause_ = 0;
  }

  /// The bytes that may be sent now; empty at a pause and at the end.
  std::string_view next_bytes() const {
    static const std::string filler(64 * 1024, 'a');
    if (sent_ < reply_.bytes.size()) {
      const auto stop = reply_.drip                     ? sent_ + 1
                        : pause_ < reply_.pauses.size() ? reply_.pauses[pause_]
                                                        : reply_.bytes.size();
      return std::string_view(reply_.bytes).substr(sent_, stop - sent_);
    }
    if (filled_ < reply_.filler)
      return std::string_view(filler).substr(0, std::min<uint64_t>(filler.size(), reply_.filler - filled_));
    return std::string_view(reply_.tail).substr(tail_sent_);
  }

  /// @returns whether a pause follows.
  bool advance(size_t n) {
    if (sent_ < reply_.bytes.size()) {
      sent_ += n;
      if (reply_.drip)
        return sent_ < reply_.bytes.size();
      if (pause_ < reply_.pauses.size() && sent_ == reply_.pauses[pause_]) {
        ++pause_;
        return true;
      }
    } else if (filled_ < reply_.filler) {
      filled_ += n;
    } else {
      tail_sent_ += n;
    }
    return false;
  }

  void pump() {
    for (;;) {
      const auto bytes = next_bytes();
      if (bytes.empty())
        return end_reply();
      error_code ec;
      const auto n = socket_.write_some(net::buffer(bytes.data(), bytes.size()), ec);
      if (ec == net::error::would_block) {
        socket_.async_wait(tcp::socket::wait_write, [self = shared_from_this()](error_code error) {
          if (!error)
            self->pump();
        });
        return;
      }
      if (ec)
        return;
      if (advance(n)) {
        timer_.expires_after(reply_.gap);
        timer_.async_wait([self = shared_from_this()](error_code error) {
          if (!error && !self->client_left())
            self->pump();
        });
        return;
      }
    }
  }

  void end_reply() {
    // A hanging call ends when the client leaves, not now.
    if (reply_.end != reply_end::hang) {
      service_.finished(reply_, true);
      busy_ = false;
    }
    const auto end = reply_.end;
    const auto hang_for = reply_.hang_for;
    if (end != reply_end::hang)
      reply_ = {};
    switch (end) {
    case reply_end::keep:
      return next_request();
    case reply_end::close: {
      error_code ignored;
      socket_.shutdown(tcp::socket::shutdown_send, ignored);
      waiting_since_ = steady_ms();
      return drain();
    }
    case reply_end::reset: {
      error_code ignored;
      socket_.set_option(net::socket_base::linger(true, 0), ignored);
      // Closed here, since the destructor would send FIN; the list must forget the session before.
      list_.remove(this);
      socket_.close(ignored);
      return;
    }
    case reply_end::hang:
      if (hang_for <= milliseconds(0))
        return drain();
      timer_.expires_after(hang_for);
      timer_.async_wait([self = shared_from_this()](error_code) {});
    }
  }

  void next_request() {
    if (pending_.empty())
      return wait_for_request();
    // Through the queue, so that a client that sends many requests at once can neither grow the stack nor
    // starve others.
    net::post(socket_.get_executor(), [self = shared_from_this()] { self->feed_pending(); });
  }

  /// Reads and forgets until the client ends the connection; then the session ends.
  void drain() {
    socket_.async_wait(tcp::socket::wait_read, [self = shared_from_this()](error_code ec) {
      if (ec)
        return;
      std::array<char, 16 * 1024> bytes;
      const auto n = self->socket_.read_some(net::buffer(bytes), ec);
      self->drained_ += n;
      if (ec == net::error::would_block || (!ec && n > 0 && self->drained_ < drain_limit))
        self->drain();
    });
  }

  tcp::socket socket_;
  net::steady_timer timer_;
  service& service_;
  session_list& list_;
  std::optional<parser> parser_;
  std::string pending_; ///< Received, but not yet used.
  reply reply_;
  size_t sent_ = 0;
  uint64_t filled_ = 0;
  size_t tail_sent_ = 0;
  size_t pause_ = 0;
  size_t drained_ = 0;
  bool busy_ = false; ///< reply_ is not finished.
  bool continued_ = false;
  std::atomic<int64_t> waiting_since_{0}; ///< Steady milliseconds; 0 while an answer is made.
};

void session_list::add(session* item) {
  const std::lock_guard guard(mutex_);
  items_.insert(item);
}

void session_list::remove(session* item) {
  const std::lock_guard guard(mutex_);
  items_.erase(item);
}

void session_list::end_idle(std::chrono::milliseconds limit) {
  const auto before = steady_ms() - limit.count();
  const std::lock_guard guard(mutex_);
  for (auto* item : items_)
    item->end_if_idle(before);
}

size_t session_list::size() const {
  const std::lock_guard guard(mutex_);
  return items_.size();
}

void serve_connection(tcp::socket socket, service& owner, session_list& list) {
  std::make_shared<session>(std::move(socket), owner, list)->start();
}

} // namespace assay::mock
