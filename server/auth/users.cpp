#include "server/auth/users.hpp"

#include "server/auth/passwords.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace assay::server {

namespace {

using json = nlohmann::json;

constexpr size_t longest_user_name = 64;

int64_t in_milliseconds(wall_time time) { return time.time_since_epoch().count(); }

wall_time time_at(const json& in, const char* key) {
  return wall_time{milliseconds{in.at(key).get<int64_t>()}};
}

json names_of(const std::vector<role>& roles) {
  auto out = json::array();
  for (const auto value : roles)
    out.push_back(to_string(value));
  return out;
}

fault damaged(const char* what) {
  return {
      errc::store_unreadable, std::string("a stored ") + what + " cannot be read", {}, "restore a backup"};
}

} // namespace

bool is_active_admin(const user_record& user) {
  return !user.disabled && std::find(user.roles.begin(), user.roles.end(), role::admin) != user.roles.end();
}

result<void> check_new_name(const user_id& user) {
  if (!is_caller_id(user.value) || user.value.size() > longest_user_name)
    return fault{errc::invalid_argument,
                 "must be 1 to 64 characters out of letters, digits, '.', '_' and '-'",
                 "username",
                 {}};
  if (user.value == "anonymous")
    return fault{errc::invalid_argument, "is reserved for callers without a token", "username", {}};
  return {};
}

result<void> check_new_password(const user_id& user, const secret& password) {
  const auto& text = password.reveal();
  if (text.size() < shortest_password || text.size() > longest_password)
    return fault{errc::invalid_argument,
                 "must have " + std::to_string(shortest_password) + " to " + std::to_string(longest_password)
                     + " bytes",
                 "password",
                 {}};
  if (text == user.value)
    return fault{errc::invalid_argument, "must differ from the user name", "password", {}};
  return {};
}

std::string to_text(const user_record& user) {
  return json{{"user_id", user.id.value},
              {"password_hash", user.password_hash},
              {"roles", names_of(user.roles)},
              {"disabled", user.disabled},
              {"session_epoch", user.session_epoch},
              {"created_at_ms", in_milliseconds(user.created_at)},
              {"updated_at_ms", in_milliseconds(user.updated_at)}}
      .dump();
}

result<user_record> user_from_text(std::string_view text) {
  try {
    const auto in = json::parse(text);
    user_record out;
    out.id = user_id{in.at("user_id").get<std::string>()};
    in.at("password_hash").get_to(out.password_hash);
    // A role that this version does not know grants nothing.
    for (const auto& name : in.at("roles"))
      if (const auto value = role_from_string(name.get_ref<const std::string&>()))
        out.roles.push_back(*value);
    in.at("disabled").get_to(out.disabled);
    in.at("session_epoch").get_to(out.session_epoch);
    out.created_at = time_at(in, "created_at_ms");
    out.updated_at = time_at(in, "updated_at_ms");
    return out;
  } catch (const json::exception&) {
    return damaged("user");
  }
}

json user_to_json(const user_record& user) {
  auto out = user_info_json(user);
  out["disabled"] = user.disabled;
  out["created_at"] = to_rfc3339(user.created_at);
  out["updated_at"] = to_rfc3339(user.updated_at);
  return out;
}

json user_info_json(const user_record& user) {
  return {{"user_id", user.id.value},
          {"username", user.id.value},
          {"roles", names_of(user.roles)},
          {"permissions", permissions_of(user.roles).names()}};
}

result<std::vector<role>> roles_from_json(const json& names) {
  std::vector<role> out;
  for (size_t i = 0; i < names.size(); ++i) {
    const auto where = "roles[" + std::to_string(i) + "]";
    const auto value =
        names[i].is_string() ? role_from_string(names[i].get_ref<const std::string&>()) : std::nullopt;
    if (!value)
      return fault{errc::invalid_argument, "is no role", where, "roles are admin, evaluator and viewer"};
    if (std::find(out.begin(), out.end(), *value) != out.end())
      return fault{errc::invalid_argument, "is listed twice", where, {}};
    out.push_back(*value);
  }
  if (out.empty())
    return fault{errc::invalid_argument, "must name at least one role", "roles",
                 "admin, evaluator or viewer"};
  return out;
}

std::string to_text(const session_record& session) {
  return json{{"user_id", session.user.value},
              {"secret_digest", session.secret_digest},
              {"session_epoch", session.session_epoch},
              {"created_at_ms", in_milliseconds(session.created_at)},
              {"expires_at_ms", in_milliseconds(session.expires_at)}}
      .dump();
}

result<session_record> session_from_text(std::string_view id, std::string_view text) {
  try {
    const auto in = json::parse(text);
    session_record out;
    out.id = id;
    out.user = user_id{in.at("user_id").get<std::string>()};
    in.at("secret_digest").get_to(out.secret_digest);
    in.at("session_epoch").get_to(out.session_epoch);
    out.created_at = time_at(in, "created_at_ms");
    out.expires_at = time_at(in, "expires_at_ms");
    return out;
  } catch (const json::exception&) {
    return damaged("session");
  }
}

} // namespace assay::server
