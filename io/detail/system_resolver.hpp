#pragma once

#include "core/values/errors.hpp"

#include <boost/asio/ip/address.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

struct addrinfo;

namespace assay::io::detail {

struct addrinfo_deleter {
  void operator()(addrinfo* list) const noexcept;
};
using addrinfo_list = std::unique_ptr<addrinfo, addrinfo_deleter>;

/// Asks the system for the TCP addresses of a host and blocks until it answers. Takes every spelling of
/// addresses that the system takes: 127.1, 0x7f000001, 2130706433. Fails with errc::connect_failed; a list is
/// never empty.
/// @param name for people: "api.example.com:443".
result<addrinfo_list> resolve_now(const std::string& host, uint16_t port, const std::string& name);

/// @returns all addresses of a list.
std::vector<boost::asio::ip::address> addresses_in(const addrinfo& list);

} // namespace assay::io::detail
