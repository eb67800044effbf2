#include "io/detail/tcp_acked.hpp"

// The kernel's header, because glibc's tcp_info lacks the field; the two cannot be included together, nor
// this one beside Asio.
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstddef>

namespace assay::io::detail {

std::optional<uint64_t> tcp_bytes_acked(int socket) noexcept {
  tcp_info info{};
  socklen_t size = sizeof info;
  if (::getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &size) != 0
      || size < offsetof(tcp_info, tcpi_bytes_acked) + sizeof info.tcpi_bytes_acked)
    return std::nullopt;
  return info.tcpi_bytes_acked;
}

} // namespace assay::io::detail
