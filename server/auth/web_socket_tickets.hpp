#pragma once

#include "core/values/time.hpp"
#include "server/auth/permissions.hpp"

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <unordered_map>

namespace assay::server {

/// Stands in for a token in the address of a WebSocket, which ends up in logs and histories: good for one use
/// within thirty seconds. Kept in memory only.
class web_socket_tickets {
public:
  using clock = std::function<std::chrono::steady_clock::time_point()>;

  static constexpr seconds lifetime{30};
  static constexpr size_t most_open = 10'000;

  explicit web_socket_tickets(clock now) : now_(std::move(now)) {}

  /// @returns a ticket for @p who, or nothing when too many are open.
  std::optional<std::string> issue(principal who);

  /// @returns who the ticket was issued to. It is used up by this.
  std::optional<principal> redeem(const std::string& ticket);

private:
  struct entry {
    principal who;
    std::chrono::steady_clock::time_point expires_at;
  };

  clock now_;
  std::unordered_map<std::string, entry> open_; ///< By digest: a leak of memory gives no tickets.
};

} // namespace assay::server
