#pragma once

#include "core/values/money.hpp"
#include "core/values/time.hpp"

#include <nlohmann/json.hpp>

#include <concepts>
#include <limits>
#include <optional>
#include <string>
#include <utility>

// Shared by the source files of this folder; other headers must not include it.
namespace assay::json_fields {

/// @returns the member @p key, or nothing when it is absent or null: an older version did not know it.
inline const nlohmann::json* find(const nlohmann::json& in, const char* key) {
  const auto it = in.find(key);
  return it == in.end() || it->is_null() ? nullptr : &*it;
}

/// Converts without the silent wrap-around of get<>(). @throws nlohmann::json::exception on another type or
/// range.
template <class T>
T convert(const nlohmann::json& value, const char* key) {
  if constexpr (std::integral<T> && !std::same_as<T, bool>) {
    if (value.is_number_unsigned()) {
      const auto number = value.get<uint64_t>();
      if (std::in_range<T>(number))
        return static_cast<T>(number);
    } else if (value.is_number_integer()) {
      const auto number = value.get<int64_t>();
      if (std::in_range<T>(number))
        return static_cast<T>(number);
    }
    throw nlohmann::json::other_error::create(501, std::string(key) + " is not an integer in range", &value);
  } else {
    return value.get<T>();
  }
}

/// Reads @p key into @p out; leaves it as it is when the key is absent or null.
template <class T>
void read(const nlohmann::json& in, const char* key, T& out) {
  if (const auto* value = find(in, key))
    out = convert<T>(*value, key);
}

/// Reads @p key into @p out; nothing when the key is absent or null.
template <class T>
void read(const nlohmann::json& in, const char* key, std::optional<T>& out) {
  out.reset();
  if (const auto* value = find(in, key))
    out = convert<T>(*value, key);
}

inline void read(const nlohmann::json& in, const char* key, wall_time& out) {
  if (const auto* value = find(in, key))
    out = wall_time{milliseconds{convert<int64_t>(*value, key)}};
}

inline void read(const nlohmann::json& in, const char* key, std::optional<wall_time>& out) {
  out.reset();
  if (const auto* value = find(in, key))
    out = wall_time{milliseconds{convert<int64_t>(*value, key)}};
}

inline void read(const nlohmann::json& in, const char* key, std::optional<money>& out) {
  out.reset();
  if (const auto* value = find(in, key))
    out = money{convert<int64_t>(*value, key)};
}

/// Writes @p key only when there is a value.
template <class T>
void write(nlohmann::json& out, const char* key, const std::optional<T>& value) {
  if (value)
    out[key] = *value;
}

/// Milliseconds since the epoch.
inline void write(nlohmann::json& out, const char* key, const std::optional<wall_time>& value) {
  if (value)
    out[key] = value->time_since_epoch().count();
}

/// Nanodollars.
inline void write(nlohmann::json& out, const char* key, const std::optional<money>& value) {
  if (value)
    out[key] = value->nanodollars;
}

/// @returns dollars for the API, null while unknown.
inline nlohmann::json dollars_or_null(const std::optional<money>& value) {
  return value ? nlohmann::json(to_dollars(*value)) : nlohmann::json(nullptr);
}

/// @returns RFC 3339 for the API, null when there is none.
inline nlohmann::json time_or_null(const std::optional<wall_time>& value) {
  return value ? nlohmann::json(to_rfc3339(*value)) : nlohmann::json(nullptr);
}

} // namespace assay::json_fields
