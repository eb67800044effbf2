#pragma once

#include "server/net_stream.hpp"
#include "server/pipeline.hpp"

#include <boost/asio/awaitable.hpp>

#include <memory>
#include <string>

namespace assay::server {

struct edge_services;

/// One connection: reads requests one after another, answers each before the next one (so pipelining is
/// safe), and turns into a WebSocket when asked to.
class http_session : public std::enable_shared_from_this<http_session> {
public:
  http_session(net_stream stream, edge_services& edge, std::string peer, bool peer_is_loopback, bool secure);

  /// Serves until the connection ends. Keeps the session alive.
  boost::asio::awaitable<void> run();

  /// Ends after the answer that is being made, at once when there is none.
  void finish();
  /// Ends now.
  void close() noexcept;

private:
  struct exchange;

  boost::asio::awaitable<bool> serve_one();
  boost::asio::awaitable<bool> read_head(exchange& one);
  boost::asio::awaitable<bool> read_body(exchange& one);
  boost::asio::awaitable<bool> answer(exchange& one, response out, bool keep);
  boost::asio::awaitable<bool> write_pieces(body_source& source, bool chunked);
  boost::asio::awaitable<bool> write_all(std::string_view head, std::string_view body);
  boost::asio::awaitable<bool> reject(exchange& one, unsigned status, std::string message,
                                      std::string hint = {});
  boost::asio::awaitable<void> linger();
  boost::asio::awaitable<bool> upgrade(exchange& one);

  net_stream stream_;
  edge_services& edge_;
  pipeline pipeline_;
  const std::string peer_;
  const bool peer_is_loopback_;
  const bool secure_;
  struct connection_state;
  std::shared_ptr<connection_state> state_;
};

} // namespace assay::server
