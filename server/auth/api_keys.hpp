#pragma once

#include "core/values/errors.hpp"
#include "core/values/ids.hpp"
#include "core/values/money.hpp"
#include "core/values/secret.hpp"
#include "core/values/time.hpp"
#include "server/auth/permissions.hpp"
#include "server/auth/users.hpp"

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

/// API keys as values: how one looks, what is kept of it, how it is shown.
namespace assay::server {

inline constexpr const char* api_keys_table = "api_keys";

/// What every key begins with: `sk-assay-ID-SECRET`.
inline constexpr std::string_view api_key_prefix = "sk-assay-";

/// A user's key for programs, as the table `api_keys` keeps it under its id. The secret is not kept.
struct api_key_record {
  std::string id; ///< 12 hexadecimal digits; no secret.
  std::string name;
  user_id owner;
  /// When the owner was created: a later user of the same name does not inherit the key.
  wall_time owner_since{};
  std::string digest; ///< Of the whole key, see api_key_digest().
  /// What the key may do at most; never more than its owner may at that moment. Nothing: all of it.
  std::optional<permission_set> permissions;
  wall_time created_at{};
  std::optional<wall_time> last_used_at;
  std::optional<wall_time> expires_at;
  uint64_t requests_per_minute = 0;    ///< 0: no limit.
  uint64_t tokens_per_minute = 0;      ///< 0: no limit.
  std::optional<money> budget_per_day; ///< In UTC.
  bool disabled = false;
};

inline constexpr size_t most_api_keys_of_a_user = 100;

/// A key as it is shown once.
struct new_api_key {
  api_key_record record;
  secret key;
};

// -- the text ---------------------------------------------------------------------------------------------

/// @returns a key of @p id, 12 hexadecimal digits: 40 random letters and digits (233 bits), and six that are
/// computed from all before them, so that a mistyped key is told from one that was removed.
secret make_api_key(const std::string& id);

/// @returns whether @p token is meant to be an API key, well-formed or not.
bool looks_like_api_key(std::string_view token) noexcept;

/// @returns the id in a key; nothing for one that is incomplete or mistyped.
std::optional<std::string> api_key_id(std::string_view key);

/// @returns SHA-256 of the whole key in hexadecimal.
std::string api_key_digest(std::string_view key);

/// @returns @p text with `***` for the secret of every API key in it; the id stays. For whatever is logged or
/// told and may hold a key that somebody put in the wrong place.
std::string without_api_keys(std::string_view text);

// -- the record -------------------------------------------------------------------------------------------

std::string to_text(const api_key_record& key);
/// @returns errc::store_unreadable for a text that is none.
result<api_key_record> api_key_from_text(std::string_view text);

/// What the API shows of a key; never the digest.
nlohmann::json api_key_to_json(const api_key_record& key, wall_time now);

/// Takes the fields of a request into @p key: name, permissions, expires_at, requests_per_minute,
/// tokens_per_minute, budget_per_day, disabled. Fields that are absent stay; null takes a limit away.
/// @param fields Checked against the schema already, or to be refused here: types are looked at again.
/// @returns errc::invalid_argument with the field in `where`.
result<void> read_api_key_fields(const nlohmann::json& fields, wall_time now, api_key_record& key);

/// Draws a key for @p owner. @param wanted Name, limits and the rest. @param present How many keys the owner
/// has.
/// @returns errc::invalid_argument for more than the owner may, errc::conflict when the owner is disabled or
/// has too many keys.
result<new_api_key> draw_api_key(const user_record& owner, api_key_record wanted, size_t present,
                                 wall_time now);

/// What is said of an id that no key has. @param id As a caller sent it; a key in it is not told.
fault unknown_api_key(std::string_view id);

} // namespace assay::server
