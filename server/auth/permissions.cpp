#include "server/auth/permissions.hpp"

#include <algorithm>
#include <array>

namespace assay::server {

namespace {

constexpr std::array all_permissions{
    permission::evaluation_create, permission::evaluation_read, permission::evaluation_read_all,
    permission::evaluation_manage, permission::analytics_read,  permission::tasks_read,
    permission::models_read,       permission::users_manage,    permission::configuration_manage,
};

permission_set permissions_of_one(role value) noexcept {
  constexpr permission_set everybody{permission::evaluation_read, permission::analytics_read,
                                     permission::tasks_read, permission::models_read};
  // A viewer is there to read what others have done; an evaluator's work is its own.
  constexpr permission_set viewer = everybody | permission_set{permission::evaluation_read_all};
  constexpr permission_set evaluator =
      everybody | permission_set{permission::evaluation_create, permission::evaluation_manage};
  switch (value) {
  case role::admin:
    return viewer | evaluator | permission_set{permission::users_manage, permission::configuration_manage};
  case role::evaluator:
    return evaluator;
  case role::viewer:
    return viewer;
  }
  return {};
}

} // namespace

std::string_view to_string(permission value) noexcept {
  switch (value) {
  case permission::evaluation_create:
    return "evaluation:create";
  case permission::evaluation_read:
    return "evaluation:read";
  case permission::evaluation_read_all:
    return "evaluation:read_all";
  case permission::evaluation_manage:
    return "evaluation:manage";
  case permission::analytics_read:
    return "analytics:read";
  case permission::tasks_read:
    return "tasks:read";
  case permission::models_read:
    return "models:read";
  case permission::users_manage:
    return "users:manage";
  case permission::configuration_manage:
    return "configuration:manage";
  }
  return "unknown";
}

std::optional<permission> permission_from_string(std::string_view name) noexcept {
  for (const auto value : all_permissions)
    if (to_string(value) == name)
      return value;
  return std::nullopt;
}

std::string_view to_string(role value) noexcept {
  switch (value) {
  case role::admin:
    return "admin";
  case role::evaluator:
    return "evaluator";
  case role::viewer:
    return "viewer";
  }
  return "unknown";
}

std::optional<role> role_from_string(std::string_view name) noexcept {
  for (const auto value : {role::admin, role::evaluator, role::viewer})
    if (to_string(value) == name)
      return value;
  return std::nullopt;
}

std::vector<std::string> permission_set::names() const {
  std::vector<std::string> out;
  for (const auto value : all_permissions)
    if (has(value))
      out.emplace_back(to_string(value));
  return out;
}

permission_set permissions_of(const std::vector<role>& roles) noexcept {
  permission_set out;
  for (const auto value : roles)
    out = out | permissions_of_one(value);
  return out;
}

bool principal::is_admin() const noexcept {
  return std::find(roles.begin(), roles.end(), role::admin) != roles.end();
}

bool principal::may_see_runs_of(const user_id& owner) const noexcept {
  return permissions.has(permission::evaluation_read)
         && (id == owner || permissions.has(permission::evaluation_read_all));
}

bool principal::may_change_runs_of(const user_id& owner) const noexcept {
  return permissions.has(permission::evaluation_manage) && (id == owner || is_admin());
}

} // namespace assay::server
