#pragma once

#include <algorithm>
#include <string_view>

namespace assay {

/// @returns whether @p host means this machine alone: `localhost`, 127.0.0.0/8 or ::1, the latter also in
/// brackets or mapped into IPv6. Only the numeric form counts: 127.example.org is a name like any other.
inline bool is_loopback_host(std::string_view host) noexcept {
  constexpr std::string_view name = "localhost";
  if (std::equal(host.begin(), host.end(), name.begin(), name.end(), [](char a, char b) {
        return (a >= 'A' && a <= 'Z' ? static_cast<char>(a - 'A' + 'a') : a) == b;
      }))
    return true;
  if (host.starts_with('[') && host.ends_with(']'))
    host = host.substr(1, host.size() - 2);
  constexpr std::string_view mapped = "::ffff:";
  if (host.starts_with(mapped))
    host.remove_prefix(mapped.size());
  return host == "::1" || (host.starts_with("127.") && std::all_of(host.begin(), host.end(), [](char c) {
                             return c == '.' || (c >= '0' && c <= '9');
                           }));
}

} // namespace assay
