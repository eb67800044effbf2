#pragma once

#include "core/values/errors.hpp"
#include "core/values/secret.hpp"
#include "storage/store.hpp"

#include <nlohmann/json_fwd.hpp>

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace assay::cli {

/// The users of a data folder that no farm uses at the moment, changed directly. The rules are the server's:
/// names, passwords, and that the last administrator stays.
class local_users {
public:
  static result<local_users> open(const storage::store_options& options);
  ~local_users();
  local_users(local_users&&) noexcept;
  local_users& operator=(local_users&&) = delete;

  /// @param out As GET /users lists them. Out parameters, since json converts from values and faults alike.
  std::optional<fault> list(nlohmann::json& out);
  std::optional<fault> add(const std::string& name, const secret& password,
                           const std::vector<std::string>& roles, nlohmann::json& out);
  std::optional<fault> set_password(const std::string& name, const secret& password);
  std::optional<fault> set_roles(const std::string& name, const std::vector<std::string>& roles,
                                 nlohmann::json& out);
  std::optional<fault> set_disabled(const std::string& name, bool disabled, nlohmann::json& out);
  /// The user's API keys go too.
  std::optional<fault> erase(const std::string& name);

  /// @param user Empty: the keys of everybody. @param out As GET /auth/keys lists them.
  std::optional<fault> list_keys(const std::string& user, nlohmann::json& out);
  /// @param fields As POST /auth/keys takes them. @param out As it answers, with the key in `key`.
  std::optional<fault> add_key(const std::string& user, const nlohmann::json& fields, nlohmann::json& out);
  std::optional<fault> remove_key(const std::string& id);

private:
  struct state;
  explicit local_users(std::unique_ptr<state> made);
  std::unique_ptr<state> state_;
};

} // namespace assay::cli
