#pragma once

#include "core/values/ids.hpp"
#include "server/auth/permissions.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace assay::server {

/// One open WebSocket, as those see it who may have to end it.
class closable_socket {
public:
  virtual ~closable_socket() = default;
  virtual const principal* who() const noexcept = 0; ///< Nothing before it has said who it is.
  /// Sends what is being written, then closes with this code and reason.
  virtual void close(uint16_t code, std::string reason) = 0;
  /// Ends at once.
  virtual void abort() noexcept = 0;
};

/// The open WebSockets. Used on the edge's thread.
class socket_registry {
public:
  void add(const std::shared_ptr<closable_socket>& socket) {
    std::erase_if(sockets_, [](const auto& one) { return one.expired(); });
    sockets_.push_back(socket);
  }

  /// Closes every socket that @p applies names.
  void close_if(const std::function<bool(const principal*)>& applies, uint16_t code,
                const std::string& reason) {
    for (const auto& socket : open())
      if (applies(socket->who()))
        socket->close(code, reason);
  }

  void abort_all() {
    for (const auto& socket : open())
      socket->abort();
  }

private:
  std::vector<std::shared_ptr<closable_socket>> open() const {
    std::vector<std::shared_ptr<closable_socket>> out;
    for (const auto& one : sockets_)
      if (auto socket = one.lock())
        out.push_back(std::move(socket));
    return out;
  }

  std::vector<std::weak_ptr<closable_socket>> sockets_;
};

} // namespace assay::server
