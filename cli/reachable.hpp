#pragma once

#include "core/values/errors.hpp"
#include "core/values/time.hpp"

#include <cstdint>
#include <string>

namespace assay::cli {

/// @returns nothing wrong when someone accepts TCP connections there, else errc::connect_failed with the
/// reason.
result<void> check_listening(const std::string& host, uint16_t port, milliseconds timeout);

/// The same for the server of a base URL.
result<void> check_listening(const std::string& base_url, milliseconds timeout);

/// @returns nothing wrong when this process could listen there.
result<void> check_port_free(const std::string& host, uint16_t port);

} // namespace assay::cli
