#include "server/auth/web_socket_tickets.hpp"

#include "server/auth/passwords.hpp"

namespace assay::server {

std::optional<std::string> web_socket_tickets::issue(principal who) {
  const auto now = now_();
  if (open_.size() >= most_open)
    std::erase_if(open_, [&](const auto& one) { return one.second.expires_at <= now; });
  if (open_.size() >= most_open)
    return std::nullopt;
  auto ticket = random_hex(32);
  open_.emplace(digest_hex(ticket), entry{std::move(who), now + lifetime});
  return ticket;
}

std::optional<principal> web_socket_tickets::redeem(const std::string& ticket) {
  const auto it = open_.find(digest_hex(ticket));
  if (it == open_.end())
    return std::nullopt;
  auto found = std::move(it->second);
  open_.erase(it);
  if (found.expires_at <= now_())
    return std::nullopt;
  return std::move(found.who);
}

} // namespace assay::server
