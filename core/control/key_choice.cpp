#include "core/control/key_choice.hpp"

#include <algorithm>

namespace assay::control {

namespace {

double slack(const key_load& key) noexcept {
  const auto room = static_cast<double>(key.limit - key.in_use);
  return std::max(key.weight, 1U) * room / static_cast<double>(key.limit);
}

bool better(const key_load& a, const key_load& b) noexcept {
  if (a.throttled != b.throttled)
    return b.throttled;
  return slack(a) > slack(b);
}

/// @returns the index of the @p number-th key with room.
size_t nth_with_room(std::span<const key_load> keys, size_t number) noexcept {
  size_t at = 0;
  for (; at < keys.size(); ++at)
    if (keys[at].has_room() && number-- == 0)
      break;
  return at;
}

size_t draw(size_t count, double random01) noexcept {
  return std::min(count - 1, static_cast<size_t>(random01 * static_cast<double>(count)));
}

} // namespace

std::optional<size_t> choose_key(std::span<const key_load> keys, double first01, double second01) noexcept {
  const auto count = static_cast<size_t>(std::ranges::count_if(keys, &key_load::has_room));
  if (count == 0)
    return std::nullopt;
  const auto first = draw(count, first01);
  const auto a = nth_with_room(keys, first);
  if (count == 1)
    return a;
  auto second = draw(count - 1, second01);
  if (second >= first)
    ++second;
  const auto b = nth_with_room(keys, second);
  return better(keys[b], keys[a]) ? b : a;
}

} // namespace assay::control
