#pragma once

#include "core/values/errors.hpp"
#include "core/values/secret.hpp"
#include "server/auth/access_tokens.hpp"
#include "server/auth/attempt_limiter.hpp"
#include "server/auth/documents.hpp"
#include "server/auth/passwords.hpp"
#include "server/auth/permissions.hpp"
#include "server/auth/users.hpp"
#include "server/auth/web_socket_tickets.hpp"
#include "server/clocks.hpp"
#include "server/reader_pool.hpp"

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

/// Knows who is who: passwords, access tokens, refresh tokens, tickets, users. Used on the edge's thread
/// only; hashing runs on a pool of its own.
class authenticator {
public:
  template <class T>
  using awaitable = boost::asio::awaitable<T>;

  authenticator(authenticator_options options, secret signing_key, std::shared_ptr<document_store> documents,
                clocks time);

  // -- callers ------------------------------------------------------------------------------------------

  /// @returns who sent this access token. The user and the login are looked up, so that a disabled user and a
  /// logged-out session are refused at once.
  result<principal> verify(std::string_view access_token) const;

  /// @returns whether the login of @p who still holds; always true for anonymous callers.
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

  result<std::optional<user_record>> find_user(const user_id& id) const;
  awaitable<result<std::vector<user_record>>> list_users() const;
  awaitable<result<user_record>> create_user(user_id id, secret password, std::vector<role> roles);
  awaitable<result<user_record>> change_user(user_id id, std::optional<std::vector<role>> roles,
                                             std::optional<bool> disabled);
  awaitable<result<void>> delete_user(user_id id);
  /// @param current The present password; needed unless the change is an administrator's.
  awaitable<result<void>> change_password(user_id id, std::optional<secret> current, secret next);

  // -- the start and housekeeping -----------------------------------------------------------------------

  /// Creates the user `admin` when there are no users. @param given Its password; one is drawn when empty.
  /// @returns the password that was drawn, to be shown once; nothing when none was.
  awaitable<result<std::optional<secret>>> ensure_admin(secret given);

  /// @returns whether `admin` can log in with @p password.
  awaitable<result<bool>> admin_has_password(secret password);

  /// Removes sessions that have expired.
  awaitable<result<size_t>> remove_expired_sessions();

  /// Called with the user and the session that ended; an empty session means all of the user.
  std::function<void(const user_id&, const std::string& session)> on_session_end;

private:
  struct user_with_text {
    user_record record;
    std::string text; ///< As stored: the condition of the next write.
  };
  struct session_with_text {
    session_record record;
    std::string text;
  };

  result<std::optional<user_with_text>> load_user(const user_id& id) const;
  result<std::optional<session_with_text>> load_session(const std::string& id) const;
  awaitable<result<issued_tokens>> open_session(user_record user);
  issued_tokens tokens_for(const user_record& user, const std::string& session,
                           const std::string& secret_part) const;
  awaitable<result<std::string>> hash(secret password);
  awaitable<result<bool>> matches(std::string encoded, secret password);
  awaitable<result<void>> replace_user(user_with_text before, user_record after);
  awaitable<result<bool>> is_last_admin(user_id id) const;
  void ended(const user_id& user, const std::string& session) const;

  authenticator_options options_;
  clocks time_;
  std::shared_ptr<document_store> documents_;
  access_tokens access_;
  attempt_limiter by_address_;
  attempt_limiter by_user_;
  web_socket_tickets tickets_;
  std::string decoy_hash_; ///< Verified for unknown users, so that they take as long as known ones.
  bool changing_users_ = false;
  // Last: its threads end before what they use.
  std::unique_ptr<reader_pool> hashing_;
};

/// @returns invalid_argument when @p password is too short, too long or the user's own name.
result<void> check_new_password(const user_id& user, const secret& password);

} // namespace assay::server
