#pragma once

#include "core/values/errors.hpp"
#include "io/url.hpp"

#include <boost/asio/ip/address.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace assay::io {

/// What an IP address is for, by the registries of special-purpose addresses (RFC 6890 and later).
enum class address_kind : uint8_t {
  public_use = 1,
  unspecified = 2,    ///< 0.0.0.0/8, ::
  loopback = 3,       ///< 127.0.0.0/8, ::1
  private_use = 4,    ///< RFC 1918, fc00::/7, fec0::/10, and the local NAT64 prefix 64:ff9b:1::/48
  link_local = 5,     ///< 169.254.0.0/16, fe80::/10
  carrier_nat = 6,    ///< 100.64.0.0/10
  multicast = 7,      ///< 224.0.0.0/4, ff00::/8
  benchmarking = 8,   ///< 198.18.0.0/15, 2001:2::/48
  documentation = 9,  ///< 192.0.2.0/24, 198.51.100.0/24, 203.0.113.0/24, 2001:db8::/32, 3fff::/20
  reserved = 10,      ///< Everything else that is not for the public internet.
  cloud_metadata = 11 ///< Where clouds hand credentials to their machines.
};

/// @returns what @p address is for. An IPv6 address that carries an IPv4 address (mapped, NAT64, 6to4,
/// Teredo) is what that one is; IPv6 outside of 2000::/3 is never public.
address_kind kind_of(const boost::asio::ip::address& address) noexcept;

/// @returns the kind in words: "a private address".
std::string_view describe(address_kind kind) noexcept;

/// Decides which addresses requests may go to when the URL comes from somebody who is not the machine's
/// owner: an API user's base_url, webhook or image. Without it, such a URL would reach whatever the machine
/// reaches: its own services, its neighbours, the cloud's credentials.
///
/// A name is resolved once, EVERY address found must pass, and the connection goes to an address that was
/// checked: a name that changes between check and use gains nothing. Immutable; may be shared by threads.
class address_guard {
public:
  /// Lets public addresses pass and nothing else.
  address_guard() = default;

  /// @param allowed what passes besides public addresses: `*` (everything), an address, a range
  /// (`10.0.0.0/8`, `fd00::/8`), or a host; all as in no_proxy (see bypasses_proxy()), except that ranges and
  /// addresses hold for what a name resolves to as well. Fails with
  /// errc::invalid_argument for a rule that is none of these; fault::where is its place: `[2]`.
  static result<address_guard> make(std::vector<std::string> allowed);

  /// @returns whether this host may be anything, by a rule that names it.
  bool trusts(const origin& where) const;

  /// Checks everything that the host of @p where resolves to. Fails with errc::forbidden and the address that
  /// is the reason, also when there is none at all.
  result<void> check(const origin& where, const std::vector<boost::asio::ip::address>& found) const;

  /// Answers for a proxy that would resolve the host by itself. Fails with errc::forbidden unless the host is
  /// trusted.
  result<void> check_proxied(const origin& where) const;

private:
  bool allows(const origin& where, const boost::asio::ip::address& address) const;

  std::vector<std::string> allowed_;
};

/// Resolves the host of @p where and checks all its addresses; blocks for as long as the system's resolver
/// does, so keep it from event loops and actors. Good for an early and clear refusal; whoever connects checks
/// again. Fails with errc::forbidden, or errc::connect_failed for a name that cannot be resolved.
result<void> check_addresses_of(const address_guard& guard, const origin& where);

} // namespace assay::io
