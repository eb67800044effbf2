#pragma once

#include "core/values/errors.hpp"
#include "core/values/ids.hpp"
#include "core/values/secret.hpp"
#include "core/values/time.hpp"
#include "server/auth/permissions.hpp"

#include <nlohmann/json_fwd.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace assay::server {

inline constexpr const char* users_table = "users";
inline constexpr const char* tokens_table = "tokens";

/// A person or a service as the table `users` keeps it, under its id.
struct user_record {
  user_id id; ///< The name they log in with; never changes.
  std::string password_hash;
  std::vector<role> roles;
  bool disabled = false;
  /// Raised whenever every session of the user has to end. Sessions remember theirs.
  uint64_t session_epoch = 1;
  wall_time created_at{};
  wall_time updated_at{};
};

/// @returns whether the user may manage users and everything else.
bool is_active_admin(const user_record& user);

/// @returns errc::invalid_argument for a name that no user may have.
result<void> check_new_name(const user_id& user);

/// @returns errc::invalid_argument when @p password is too short, too long or the user's own name.
result<void> check_new_password(const user_id& user, const secret& password);

std::string to_text(const user_record& user);
/// @returns errc::store_unreadable for a text that is none.
result<user_record> user_from_text(std::string_view text);

/// What the API shows of a user; never the hash.
nlohmann::json user_to_json(const user_record& user);

/// user_info of the login's answer.
nlohmann::json user_info_json(const user_record& user);

/// @returns roles by their names; invalid_argument for an unknown name, a repeated one or none at all.
result<std::vector<role>> roles_from_json(const nlohmann::json& names);

/// A login: the chain of refresh tokens that came from it, as the table `tokens` keeps it under its id. Only
/// the newest token of the chain is good. Whoever shows an older one has a copy, and the whole chain ends.
struct session_record {
  std::string id;
  user_id user;
  std::string secret_digest; ///< SHA-256 of the newest refresh token's secret part.
  uint64_t session_epoch = 1;
  wall_time created_at{};
  wall_time expires_at{};
};

std::string to_text(const session_record& session);
result<session_record> session_from_text(std::string_view id, std::string_view text);

} // namespace assay::server
