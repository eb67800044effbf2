#pragma once

#include "core/monitoring/call_windows.hpp"
#include "core/values/ids.hpp"

#include <string>
#include <string_view>

namespace assay::monitoring {

/// The key under which the store keeps a bucket of one series: `q/1700000100/PROVIDER/MODEL`, or `m/...` for
/// a minute; the number is the Unix second of its beginning. Keys of one width order by time.
struct bucket_key {
  bucket_name name;
  provider_id provider;
  model_id model;

  bool operator==(const bucket_key&) const = default;
};

std::string to_string(const bucket_key& key);
/// @returns nothing for a text of another form.
std::optional<bucket_key> bucket_key_from_string(std::string_view text);

/// @returns the beginning of all keys of that width.
std::string_view key_prefix(bool quarter) noexcept;
/// @returns the least key of a bucket that begins at @p at or later.
std::string key_from(bool quarter, wall_time at);

} // namespace assay::monitoring
