#pragma once

#include <cstdint>
#include <optional>

namespace assay::io::detail {

/// @returns how many bytes the peer's TCP has acknowledged on @p socket, counting the SYN as one; nothing
/// when the kernel does not tell.
std::optional<uint64_t> tcp_bytes_acked(int socket) noexcept;

} // namespace assay::io::detail
