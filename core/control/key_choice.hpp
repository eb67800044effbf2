#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace assay::control {

/// One key of a provider at the moment of choosing.
struct key_load {
  bool usable = true;     ///< Not out, not closed, not restarting, and it may serve this call.
  uint32_t weight = 1;    ///< Share against the other keys; 0 counts as 1.
  uint32_t limit = 0;     ///< Calls that the key may have out.
  uint32_t in_use = 0;    ///< Calls that it has out.
  bool throttled = false; ///< Its rate limiter makes calls wait already.

  bool has_room() const noexcept { return usable && in_use < limit; }
};

/// Chooses the key of the next call: of two different random keys with room, the one with more slack, where
/// slack is weight * (limit - in_use) / limit and a throttled key comes after one that is not (the power of
/// two choices, M. Mitzenmacher 1996). Two are as good as a look at all of them, and do not send every call
/// of a moment to the same key.
/// @param first01, second01 uniform in [0, 1).
/// @returns the index of the key, or nothing when none has room.
std::optional<size_t> choose_key(std::span<const key_load> keys, double first01, double second01) noexcept;

} // namespace assay::control
