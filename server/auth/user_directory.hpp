#pragma once

#include "core/values/errors.hpp"
#include "core/values/secret.hpp"
#include "server/auth/documents.hpp"
#include "server/auth/password_checker.hpp"
#include "server/auth/users.hpp"
#include "server/clocks.hpp"

#include <boost/asio/awaitable.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace assay::server {

/// The users as they are stored, and every change of them. There is always an active administrator. Used on
/// the edge's thread only.
class user_directory {
public:
  template <class T>
  using awaitable = boost::asio::awaitable<T>;

  struct stored_user {
    user_record record;
    std::string text; ///< As stored: the condition of the next write.
  };

  user_directory(std::shared_ptr<document_store> documents, password_checker& passwords, clocks time);

  /// @returns nothing for an unknown name, or one that nobody can have.
  result<std::optional<stored_user>> load(const user_id& id) const;
  result<std::optional<user_record>> find(const user_id& id) const;
  awaitable<result<std::vector<user_record>>> list() const;

  /// @returns errc::conflict when there is a user of that name.
  awaitable<result<user_record>> create(user_id id, secret password, std::vector<role> roles);
  /// Ends the user's sessions when something changed. @returns errc::conflict for the last administrator.
  awaitable<result<user_record>> change(user_id id, std::optional<std::vector<role>> roles,
                                        std::optional<bool> disabled);
  /// @param along Written together with it. @returns errc::conflict for the last administrator.
  awaitable<result<void>> remove(user_id id, std::vector<document_change> along = {});
  /// Ends the user's sessions. @returns errc::conflict when somebody else changed the user meanwhile.
  awaitable<result<void>> set_password(stored_user before, secret next);
  awaitable<result<void>> end_sessions(user_id id);

  /// Creates the user `admin` when there are no users. @param given Its password; one is drawn when empty.
  /// @returns the password that was drawn, to be shown once; nothing when none was.
  awaitable<result<std::optional<secret>>> ensure_admin(secret given);

  /// @returns whether `admin` can log in with @p password.
  awaitable<result<bool>> admin_has_password(secret password);

  /// Called with the user whose sessions have ended.
  std::function<void(const user_id&)> on_sessions_end;

private:
  awaitable<result<void>> replace(stored_user before, user_record after);
  awaitable<result<void>> keep_an_admin(user_id id) const;

  std::shared_ptr<document_store> documents_;
  password_checker& passwords_;
  clocks time_;
  bool changing_ = false; ///< Changes that could take the last administrator away go one by one.
};

/// What is said of a name that nobody has.
fault unknown_user(const user_id& id);

} // namespace assay::server
