#pragma once

#include "core/values/ids.hpp"
#include "core/values/money.hpp"

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace assay::server {

/// What a caller may do. Each route needs one, or none.
enum class permission : uint8_t {
  evaluation_create,   ///< Start evaluations.
  evaluation_read,     ///< See one's own evaluations and results.
  evaluation_read_all, ///< See everybody's evaluations and results.
  evaluation_manage,   ///< Pause, resume, cancel and retry one's own evaluations; administrators everybody's.
  analytics_read,      ///< Metrics, statistics, comparisons.
  tasks_read,
  models_read,
  users_manage,
  configuration_manage,
};

std::string_view to_string(permission value) noexcept;
std::optional<permission> permission_from_string(std::string_view name) noexcept;

/// What a person is. Roles are fixed; they map to permissions in one table.
enum class role : uint8_t { admin, evaluator, viewer };

std::string_view to_string(role value) noexcept;
std::optional<role> role_from_string(std::string_view name) noexcept;

class permission_set {
public:
  constexpr permission_set() = default;
  constexpr permission_set(std::initializer_list<permission> values) {
    for (const auto value : values)
      bits_ |= bit(value);
  }

  constexpr bool has(permission value) const noexcept { return (bits_ & bit(value)) != 0; }
  constexpr permission_set operator|(permission_set other) const noexcept {
    permission_set out;
    out.bits_ = bits_ | other.bits_;
    return out;
  }
  /// What both may do.
  constexpr permission_set operator&(permission_set other) const noexcept {
    permission_set out;
    out.bits_ = bits_ & other.bits_;
    return out;
  }
  /// What this one may do and @p other may not.
  constexpr permission_set without(permission_set other) const noexcept {
    permission_set out;
    out.bits_ = bits_ & ~other.bits_;
    return out;
  }
  constexpr bool includes(permission_set other) const noexcept { return (*this & other) == other; }
  constexpr bool operator==(const permission_set&) const = default;

  /// In the order of the enumeration, as answers list them.
  std::vector<std::string> names() const;

private:
  static constexpr uint32_t bit(permission value) noexcept { return 1U << static_cast<unsigned>(value); }

  uint32_t bits_ = 0;
};

/// @returns what all of @p roles together may do.
permission_set permissions_of(const std::vector<role>& roles) noexcept;

/// Who is calling.
struct principal {
  user_id id;
  std::vector<role> roles;
  permission_set permissions;
  std::string session; ///< The login this comes from; empty for anonymous callers and API keys.
  bool anonymous = false;
  std::string api_key{};             ///< Id of the API key that was sent; empty for everybody else.
  std::optional<money> key_budget{}; ///< What calls in the name of this key may cost a day, in UTC.
  uint64_t tokens_per_minute = 0;    ///< Of this key; 0 means no such limit.

  bool is_admin() const noexcept;
  /// Whether the evaluations of @p owner and their results are shown to this caller.
  bool may_see_runs_of(const user_id& owner) const noexcept;
  /// Whether the owner's evaluations are this caller's to pause, resume, cancel and retry.
  bool may_change_runs_of(const user_id& owner) const noexcept;
};

} // namespace assay::server
