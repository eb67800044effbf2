#pragma once

#include <boost/asio/ip/tcp.hpp>

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <unordered_set>

namespace assay::mock {

class service;
class session;

/// Knows the open connections, so that idle ones can be ended and none outlives the server. Thread-safe.
class session_list {
public:
  void add(session* item);
  void remove(session* item);
  /// Ends the reading of every connection that has waited for a request longer than @p limit.
  void end_idle(std::chrono::milliseconds limit);
  size_t size() const;

private:
  mutable std::mutex mutex_;
  std::unordered_set<session*> items_;
};

/// Serves one accepted connection until it ends. @p owner and @p list must outlive the io_context of @p
/// socket.
void serve_connection(boost::asio::ip::tcp::socket socket, service& owner, session_list& list);

} // namespace assay::mock
