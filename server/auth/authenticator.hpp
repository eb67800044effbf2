#pragma once

#include "core/values/errors.hpp"
#include "core/values/secret.hpp"
#include "server/auth/access_tokens.hpp"
#include "server/auth/api_key_directory.hpp"
#include "server/auth/attempt_limiter.hpp"
#include "server/auth/documents.hpp"
#include "server/auth/password_checker.hpp"
#include "server/auth/permissions.hpp"
#include "server/auth/user_directory.hpp"
#include "server/auth/web_socket_tickets.hpp"
#include "server/clocks.hpp"

#include <boost/asio/awaitable.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace assay::server {

struct authenticator_options {
  seconds access_lifetime{3600};
  seconds refresh_lifetime{30 * 24 * 3600};
  password_cost cost;
  unsigned hashing_threads = 2; ///< Passwords checked at the same time.
  attempt_limits per_address{20, seconds{6}, 10'000};
  attempt_limits per_user{5, seconds{30}, 10'000};
};

/// What a login or a refresh answers.
struct issued_tokens {
  std::string access_token;
  std::string refresh_token;
  seconds expires_in{0};
  user_record user;
};

/// A refusal with the time to wait, for 429.
struct login_refusal {
  fault what;
  std::optional<seconds> retry_after;
};

/// Knows who is who: logins, access tokens, refresh tokens, tickets, API keys. Used on the edge's thread
/// only; hashing runs on threads of its own.
class authenticator {
public:
  template <class T>
  using awaitable = boost::asio::awaitable<T>;

  authenticator(const authenticator_options& options, secret signing_key,
                std::shared_ptr<document_store> documents, clocks time);
  authenticator(const authenticator&) = delete;
  authenticator& operator=(const authenticator&) = delete;

  // -- callers ------------------------------------------------------------------------------------------

  /// @returns who sent this access token. The user and the login are looked up, so that a disabled user and a
  /// logged-out session are refused at once.
  result<principal> verify(std::string_view access_token) const;

  /// @param token An access token or an API key, wherever it was sent. @param peer The caller's address.
  /// @returns who sent it, or why nobody could have. Wrong API keys are limited by address like logins; a key
  /// that was good before is let through meanwhile, so that a stranger cannot shut it out.
  boost::system::result<principal, login_refusal> identify(std::string_view token, const std::string& peer);

  /// Counts a request of @p who against the limits of its API key. @returns why it has to wait instead.
  std::optional<login_refusal> take_request(const principal& who);

  /// @returns whether the login or the key of @p who still holds; always true for anonymous callers.
  bool still_valid(const principal& who) const;

  // -- logins -------------------------------------------------------------------------------------------

  /// @param peer The caller's address. All failures take the same time and say the same.
  awaitable<boost::system::result<issued_tokens, login_refusal>> login(std::string user, secret password,
                                                                       std::string peer);

  /// Exchanges a refresh token for the next one.
  awaitable<result<issued_tokens>> refresh(std::string refresh_token);

  /// Ends one login, or all logins of the user.
  awaitable<result<void>> logout(principal who, bool everywhere);

  web_socket_tickets& tickets() noexcept { return tickets_; }

  // -- users --------------------------------------------------------------------------------------------

  user_directory& users() noexcept { return users_; }
  api_key_directory& keys() noexcept { return keys_; }

  /// Removes a user together with all keys. @returns errc::conflict for the last administrator.
  awaitable<result<void>> remove_user(user_id id);

  /// @param current The present password; needed unless the change is an administrator's.
  awaitable<result<void>> change_password(user_id id, std::optional<secret> current, secret next);

  // -- housekeeping -------------------------------------------------------------------------------------

  /// Removes sessions that have expired.
  awaitable<result<size_t>> remove_expired_sessions();

  /// Called with the user and the session that ended; an empty session means all of the user.
  std::function<void(const user_id&, const std::string& session)> on_session_end;

private:
  struct session_with_text {
    session_record record;
    std::string text;
  };

  result<std::optional<session_with_text>> load_session(const std::string& id) const;
  awaitable<result<issued_tokens>> open_session(user_record user);
  issued_tokens tokens_for(const user_record& user, const std::string& session,
                           const std::string& secret_part) const;
  void ended(const user_id& user, const std::string& session) const;

  authenticator_options options_;
  clocks time_;
  std::shared_ptr<document_store> documents_;
  access_tokens access_;
  attempt_limiter by_address_;
  attempt_limiter by_user_;
  attempt_limiter keys_by_address_; ///< Apart from the logins: a program's wrong key locks no person out.
  web_socket_tickets tickets_;
  password_checker passwords_;
  user_directory users_;
  api_key_directory keys_;
};

} // namespace assay::server
