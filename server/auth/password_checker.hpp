#pragma once

#include "core/values/errors.hpp"
#include "core/values/secret.hpp"
#include "server/auth/passwords.hpp"
#include "server/reader_pool.hpp"

#include <boost/asio/awaitable.hpp>

#include <string>

namespace assay::server {

/// Hashes and checks passwords on threads of its own. As many at a time as there are threads, because each
/// takes cost.memory_bytes; when too many wait, errc::busy.
class password_checker {
public:
  template <class T>
  using awaitable = boost::asio::awaitable<T>;

  password_checker(const password_cost& cost, unsigned threads);

  awaitable<result<std::string>> hash(secret password);
  awaitable<result<bool>> matches(std::string encoded, secret password);

  /// A hash that no password fits: checked for unknown users, so that they take as long as known ones.
  const std::string& decoy() const noexcept { return decoy_; }

private:
  const password_cost cost_;
  const std::string decoy_;
  reader_pool threads_;
};

} // namespace assay::server
