#pragma once

#include "server/auth/permissions.hpp"
#include "server/net_stream.hpp"
#include "server/services.hpp"
#include "server/websocket/frame_queue.hpp"
#include "server/websocket/replay.hpp"
#include "server/websocket/socket_registry.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/websocket/rfc6455.hpp>
#include <boost/beast/websocket/stream.hpp>

#include <nlohmann/json_fwd.hpp>

#include <map>
#include <memory>
#include <optional>
#include <string>

namespace assay::server {

/// @returns what an `error` tells of a failure, without API keys that got into its texts.
nlohmann::json failure_json(const fault& what);

/// One WebSocket: a reader that obeys commands, a writer that empties the queue, and for each followed run a
/// coroutine that reads the store while the client is behind. All on the edge's thread.
class web_socket_session : public closable_socket, public std::enable_shared_from_this<web_socket_session> {
public:
  using handshake_request = boost::beast::http::request<boost::beast::http::string_body>;
  template <class T>
  using awaitable = boost::asio::awaitable<T>;

  /// @param peer The caller's address.
  web_socket_session(net_stream stream, edge_services& edge, std::optional<principal> who, std::string peer);

  awaitable<void> run(handshake_request handshake, std::vector<header_field> headers);

  const principal* who() const noexcept override { return who_ ? &*who_ : nullptr; }
  void close(uint16_t code, std::string reason) override;
  void abort() noexcept override;

private:
  struct subscription {
    uint64_t round = 0; ///< Of its newest catching up; older ones end.
    bool samples = false;
    scorer_names scorers;
    /// Retries to pass before the client is told anything: it hears of the newest generation alone.
    uint16_t retries_ahead = 0;
    uint64_t searched = 0; ///< Up to here the store was looked through for them.
  };

  struct open_question {
    uint64_t round = 0;               ///< Tells it from others that had the same id.
    asked_question* handle = nullptr; ///< Null until the farm has it.
  };

  // -- reading and writing ------------------------------------------------------------------------------
  awaitable<void> read_commands();
  awaitable<void> write_frames();
  void turn();
  void end() noexcept;
  void close_unless_known();

  // -- commands -----------------------------------------------------------------------------------------
  awaitable<void> obey(std::string_view text);
  result<void> authenticate(const nlohmann::json& command);
  awaitable<result<void>> subscribe_all(const nlohmann::json& command);
  /// @param last_seq What the client has seen; nothing when it has seen nothing and wants no more than the
  /// newest generation.
  awaitable<result<void>> subscribe(run_id run, std::optional<uint64_t> last_seq, bool samples);
  /// The run as the caller may see it; an empty one for the channels of the alerts and of A/B tests.
  result<run_record> followed(run_id run) const;
  result<void> unsubscribe_all(const nlohmann::json& command);
  result<run_record> readable_run(run_id run) const;
  bool within_budget();

  // -- questions to models ------------------------------------------------------------------------------
  /// @returns why the command itself is wrong; what is wrong with its question is told as its answer.
  result<void> take_question(const nlohmann::json& command);
  result<model_question> question_of(const nlohmann::json& request);
  result<void> cancel_question(const nlohmann::json& command);
  awaitable<void> answer_question(std::string id, uint64_t round, model_question question);
  void fail_question(const std::string& id, const fault& reason,
                     std::optional<milliseconds> retry_after = std::nullopt);

  // -- following runs -----------------------------------------------------------------------------------
  void start_catching_up(run_id run);
  awaitable<void> catch_up(run_id run, uint64_t round);
  awaitable<result<void>> seek_generation(run_id run, uint64_t round);
  /// How far the past of @p run reaches. @param heard What the hub says, which knows only what it published
  /// while somebody listened.
  awaitable<result<uint64_t>> newest_seq(run_id run, uint64_t heard);
  /// Ends the socket unless reading again may help.
  bool may_read_again(const fault& what);
  bool is_current(run_id run, uint64_t round) const;
  awaitable<void> find_source_again();

  // -- answers ------------------------------------------------------------------------------------------
  void reply(const char* type, const nlohmann::json& data, std::optional<uint64_t> seq = std::nullopt);
  void complain(const fault& what);

  boost::beast::websocket::stream<net_stream, false> socket_;
  edge_services& edge_;
  std::optional<principal> who_;
  const std::string peer_;
  std::shared_ptr<frame_queue> queue_;
  std::unique_ptr<event_listener> listener_;
  std::map<run_id, subscription> subscriptions_;
  /// Questions to models that are not answered yet, by the client's ids.
  std::map<std::string, open_question> questions_;
  uint64_t rounds_ = 0;
  boost::asio::steady_timer idle_;     ///< Cancelled when the writer has something to do.
  boost::asio::steady_timer drained_;  ///< Cancelled when a frame has been written.
  boost::asio::steady_timer patience_; ///< Ends a socket that does not take its last frames.
  boost::asio::steady_timer login_;    ///< Ends a socket that does not say who it is.
  boost::asio::steady_timer source_wait_;
  std::optional<boost::beast::websocket::close_reason> close_wanted_;
  bool open_ = true;
  bool finding_source_ = false;
  double command_budget_ = 0;
  std::chrono::steady_clock::time_point budget_at_{};
};

} // namespace assay::server
