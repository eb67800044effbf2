#include "core/reports/markup.hpp"

#include <array>
#include <cstdio>

namespace assay::reports {

std::string shorten(std::string_view text, size_t most) {
  if (text.size() <= most)
    return std::string(text);
  auto end = most;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80)
    --end;
  return std::string(text.substr(0, end)) + "…";
}

std::string fixed(double value, int decimals) {
  std::array<char, 64> buffer{};
  const auto size = std::snprintf(buffer.data(), buffer.size(), "%.*f", decimals, value);
  return size < 0 ? std::string{} : std::string(buffer.data());
}

} // namespace assay::reports
