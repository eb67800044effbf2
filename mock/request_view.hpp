#pragma once

#include <charconv>
#include <cstdint>
#include <optional>
#include <string_view>

namespace assay::mock {

/// Finds headers by name; implemented by whoever read them.
class header_source {
public:
  virtual ~header_source() = default;
  /// @param name in lower case. @returns the value, or an empty text.
  virtual std::string_view find(std::string_view name) const = 0;
};

/// One HTTP request, as far as the service looks at it.
struct request_view {
  std::string_view method;
  std::string_view target;
  std::string_view authorization;
  std::string_view body;
  bool keep_alive = true;
  bool chunked_allowed = true;            ///< HTTP/1.1.
  const header_source* headers = nullptr; ///< The others; may be missing.

  std::string_view header(std::string_view name) const {
    return headers == nullptr ? std::string_view() : headers->find(name);
  }
};

/// @returns the value of `name` in `a=1&b=2` as it stands there; nothing when it is missing.
inline std::optional<std::string_view> query_value(std::string_view query, std::string_view name) {
  while (!query.empty()) {
    const auto end = std::min(query.find('&'), query.size());
    const auto pair = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    if (pair.starts_with(name) && pair.size() > name.size() && pair[name.size()] == '=')
      return pair.substr(name.size() + 1);
  }
  return {};
}

/// @returns the number after `name=`, @p missing without it, nothing when it is no number of 0..2^63-1.
inline std::optional<uint64_t> query_number(std::string_view query, std::string_view name,
                                            uint64_t missing = 0) {
  const auto digits = query_value(query, name);
  if (!digits)
    return missing;
  uint64_t value = 0;
  const auto* end = digits->data() + digits->size();
  const auto [stop, error] = std::from_chars(digits->data(), end, value);
  if (error == std::errc{} && stop == end && value <= INT64_MAX)
    return value;
  return {};
}

} // namespace assay::mock
