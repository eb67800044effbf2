#pragma once

#include "actors/fleet/transport.hpp"

#include "io/proxy.hpp"
#include "io/runtime.hpp"

#include <optional>
#include <string>

namespace assay {

struct http_transport_config {
  std::string extra_ca_file;
  secret http_proxy;
  secret https_proxy;
  std::vector<std::string> no_proxy;
  milliseconds connect_timeout{5'000};
  /// Sockets per provider when the provider's own configuration names no number.
  uint32_t max_connections = 1'000;
};

/// @returns the factory of transports over keep-alive HTTP/1.1 sockets that live on @p runtime, which must
/// outlive them.
transport_factory make_http_transports(io::io_runtime& runtime, http_transport_config config);

} // namespace assay
