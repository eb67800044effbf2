#include "core/codecs/http_message.hpp"

#include <algorithm>

namespace assay {

namespace {

char to_lower_ascii(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool same_name(std::string_view a, std::string_view b) noexcept {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return to_lower_ascii(x) == to_lower_ascii(y); });
}

} // namespace

std::string_view find_header(const http_headers& headers, std::string_view name) noexcept {
  for (const auto& [header, value] : headers)
    if (same_name(header, name))
      return value;
  return {};
}

} // namespace assay
