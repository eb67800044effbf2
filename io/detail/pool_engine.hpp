#pragma once

#include "io/detail/answer_reader.hpp"
#include "io/detail/name_resolver.hpp"
#include "io/detail/pool_setup.hpp"
#include "io/detail/timer_wheel.hpp"
#include "io/http_pool.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/intrusive/list.hpp>

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

namespace assay::io::detail {

/// Whose deadline an entry of the wheel is.
enum class timed_kind : uint8_t { exchange, connection, closing };

struct timed : wheel_entry {
  explicit timed(timed_kind which) : kind(which) {}
  timed_kind kind;
};

using list_hook =
    boost::intrusive::list_base_hook<boost::intrusive::tag<struct line_tag>,
                                     boost::intrusive::link_mode<boost::intrusive::auto_unlink>>;
template <class T>
using line_of = boost::intrusive::list<T, boost::intrusive::base_hook<list_hook>,
                                       boost::intrusive::constant_time_size<false>>;

struct connection;

/// A request from submission to outcome. In the waiting line, or on a connection.
struct exchange : timed, list_hook {
  exchange() : timed(timed_kind::exchange) {}

  http_request request;
  size_t slot = 0; ///< Where the engine keeps it.
  connection* on = nullptr;
  steady_point submitted{};
  steady_point ready{};   ///< Got a socket.
  steady_point written{}; ///< Last byte handed to the kernel.
  steady_point first{};   ///< First byte of the answer.
  bool complete_write = false;
  bool sent_twice = false;
  bool maybe_seen = false; ///< An earlier sending may have reached the server.
  bool streaming = false;  ///< The first piece is delivered.
  uint64_t unread = 0;     ///< Bytes of pieces delivered and not granted back.
  http_headers headers;    ///< Of a stream that has begun.
};

enum class phase : uint8_t { resolving, dialling, tunnelling, handshaking, idle, active, closed };

/// One socket and what it is doing. Readiness-driven: holds no read buffer, and no TLS buffers while idle.
struct connection : timed, list_hook {
  connection() : timed(timed_kind::connection) {}

  int socket = -1;
  phase at = phase::closed;
  bool wants_write = false; ///< The poller is asked for writability.
  bool used = false;        ///< Has carried an answer.
  bool write_failed = false;
  bool paused = false; ///< Not watched: the stream's receiver has not granted more.
  exchange* work =
      nullptr; ///< Active: what it carries. Before that: whom it is opened for, if it is a resend.
  tls_stream tls;
  answer_reader reader;
  std::string unread; ///< Received, not yet understood: part of a header or chunk header.
  std::string unsent; ///< What the kernel would not take yet.
  size_t unsent_from = 0;
  uint64_t sent_bytes = 0;  ///< In all; without TLS.
  uint64_t sent_before = 0; ///< On the wire before the present request.
  address_list addresses;
  size_t next_address = 0;
  std::string last_failure;
  steady_point connect_deadline{};
};

/// Everything of a pool that happens on the loop's thread.
///
/// All sockets sit in one epoll set of the pool's own, and that set is what Asio waits for. Asio's socket
/// operations would cost each exchange two more system calls and two handler allocations, and a read buffer
/// for each connection; here one turn of the loop deals with all ready sockets and then delivers once.
class pool_engine : public std::enable_shared_from_this<pool_engine> {
public:
  pool_engine(io_runtime& runtime, pool_setup setup, http_pool::sink deliver);
  ~pool_engine();

  /// Waits for sockets and the runtime's end. Call once, after make_shared.
  result<void> start();

  // -- from any thread -------------------------------------------------------------------------------------
  void submit(std::vector<http_request>&& requests);
  void cancel(std::vector<uint64_t> ids);
  void grant(std::vector<http_credit> credits);
  void close(milliseconds grace, std::function<void()> closed);
  pool_stats stats() const;

  /// Closes at once even if nobody else keeps the engine.
  void abandon();

private:
  struct counters {
    std::atomic<uint32_t> connections{0}, connecting{0}, idle{0}, in_flight{0};
    std::atomic<uint64_t> waiting{0}, connections_opened{0}, answered{0}, failed{0}, stale_retries{0};
  };

  // -- turns of the loop (pool_engine.cpp) -----------------------------------------------------------------
  void wake(std::unique_lock<std::mutex>& lock);
  void on_wake();
  void take_inbox();
  void wait_for_sockets();
  bool watch(connection& c, bool for_writing);
  void on_sockets();
  void on_event(connection& c, uint32_t events);
  void schedule(timed& entry, steady_point deadline);
  void on_tick();
  void on_expired(timed& entry);
  void begin_turn();
  void end_turn();
  void recycle();
  void publish();

  // -- the waiting line (pool_engine.cpp) ------------------------------------------------------------------
  void enqueue(http_request&& request);
  void cancel_all(const std::vector<uint64_t>& ids);
  void match();
  exchange& next_waiting();
  exchange& new_exchange(http_request&& request);
  void answer(exchange& e, answer_reader& reader);
  void fail(exchange& e, errc code, std::string message);
  void report(exchange& e, http_outcome&& outcome);
  void start_closing(milliseconds grace);
  void cut_off();
  void finish_closing();

  // -- opening connections (pool_connect.cpp) --------------------------------------------------------------
  void open_connection(exchange* resend);
  void on_resolved(const address_list& found, const fault& reason);
  void dial_next(connection& c);
  bool try_dial(connection& c);
  void on_dialled(connection& c);
  void on_connected(connection& c);
  void start_tunnel(connection& c);
  void on_tunnel(connection& c);
  void start_handshake(connection& c);
  void on_handshake(connection& c);
  void on_connect_timeout(connection& c);
  void close_socket(connection& c);
  void connect_failed(connection& c, std::string message);
  void refused(connection& c, errc code, std::string message);
  void become_ready(connection& c);

  // -- exchanging (pool_exchange.cpp) ----------------------------------------------------------------------
  void assign(connection& c, exchange& e);
  void send_plain(connection& c, exchange& e);
  void send_secure(connection& c, exchange& e);
  void write_on(connection& c);
  void written(connection& c);
  void write_broke(connection& c);
  void read_answer(connection& c);
  enum class received : uint8_t { bytes, nothing, ended, broken };
  received receive(connection& c, std::string_view& bytes, bool& full, std::string& reason);
  void stream_ended(connection& c, bool in_good_order, const std::string& reason);
  bool is_stale_race(const connection& c, bool& proven) const;
  void finish(connection& c, bool reusable);
  void write_head(const exchange& e);
  void check_idle(connection& c);
  void make_idle(connection& c);
  void close_connection(connection& c);
  void want_write(connection& c, bool wanted);
  uint64_t wire_bytes(const connection& c) const;

  // -- streams (pool_stream.cpp) ---------------------------------------------------------------------------
  void await_first_byte(exchange& e);
  void await_more(exchange& e);
  void take_piece(connection& c);
  bool goes_on(connection& c);
  void pause(connection& c);
  void resume(connection& c);
  void grant_all(const std::vector<http_credit>& credits);
  void expire(exchange& e);

  bool opening(const connection& c) const noexcept { return c.at < phase::idle; }

  io_runtime& runtime_;
  std::shared_ptr<void> lifeline_; ///< Declared before what lives in the loop, so that it goes last.
  boost::asio::io_context& context_;
  const pool_setup setup_;
  http_pool::sink deliver_;
  uint64_t stop_hook_ = 0;

  std::mutex inbox_mutex_;
  std::vector<http_request> inbox_;
  std::vector<uint64_t> inbox_cancels_;
  std::vector<http_credit> inbox_credits_;
  std::vector<std::pair<milliseconds, std::function<void()>>> inbox_closes_;
  bool inbox_posted_ = false;

  steady_point now_{};
  boost::asio::posix::stream_descriptor poller_;
  boost::asio::steady_timer timer_;
  steady_point timer_at_{}; ///< The epoch while the timer is off.
  steady_point earliest_{}; ///< Earliest deadline set in this turn, if earlier than timer_at_.
  timer_wheel wheel_;
  name_resolver resolver_;

  std::vector<std::unique_ptr<connection>> connections_; ///< All there ever were; closed ones are reused.
  std::vector<connection*> spare_;
  std::vector<connection*> just_closed_; ///< May still be named by events of this turn.
  line_of<connection> idle_;             ///< Most recently used first.
  line_of<connection> opening_;
  line_of<connection> active_;
  line_of<exchange> waiting_;
  std::vector<std::unique_ptr<exchange>> exchanges_;
  std::vector<std::unique_ptr<exchange>> spare_exchanges_;
  std::unordered_map<uint64_t, exchange*> streams_; ///< By the sender's id.
  http_turn turn_;

  uint32_t open_count_ = 0;
  uint32_t opening_count_ = 0;
  uint32_t resend_count_ = 0; ///< Of opening ones: those that have their request already.
  uint32_t idle_count_ = 0;
  uint64_t waiting_count_ = 0;
  bool closing_ = false;
  std::atomic<bool> closed_{false};
  timed close_deadline_{timed_kind::closing};
  std::vector<std::function<void()>> when_closed_;
  counters counters_;
  uint64_t opened_total_ = 0, answered_total_ = 0, failed_total_ = 0, stale_total_ = 0;

  std::string head_;         ///< The request line and headers being written.
  std::vector<char> buffer_; ///< Where every connection reads into.
};

} // namespace assay::io::detail
