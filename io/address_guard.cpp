#include "io/address_guard.hpp"

#include "io/detail/system_resolver.hpp"
#include "io/proxy.hpp"

#include <boost/asio/ip/network_v4.hpp>
#include <boost/asio/ip/network_v6.hpp>

#include <algorithm>

namespace assay::io {

namespace {

namespace ip = boost::asio::ip;

template <class Word>
struct range {
  Word first;
  int bits;
  address_kind kind;

  bool holds(Word address) const noexcept {
    return (address ^ first) >> (static_cast<int>(sizeof(Word)) * 8 - bits) == 0;
  }
};

// RFC 6890 with its later entries. Where ranges overlap the more special one comes first.
constexpr range<uint32_t> v4_ranges[] = {
    {0xA9FEA9FE, 32, address_kind::cloud_metadata}, // 169.254.169.254: nearly all clouds
    {0xA9FEAA02, 32, address_kind::cloud_metadata}, // 169.254.170.2: AWS containers
    {0x646464C8, 32, address_kind::cloud_metadata}, // 100.100.100.200: Alibaba
    {0xC00000C0, 32, address_kind::cloud_metadata}, // 192.0.0.192: Oracle
    {0xA83F8110, 32, address_kind::cloud_metadata}, // 168.63.129.16: Azure's host; public by its number
    {0x00000000, 8, address_kind::unspecified},     // 0.0.0.0/8
    {0x0A000000, 8, address_kind::private_use},     // 10.0.0.0/8
    {0x64400000, 10, address_kind::carrier_nat},    // 100.64.0.0/10
    {0x7F000000, 8, address_kind::loopback},        // 127.0.0.0/8
    {0xA9FE0000, 16, address_kind::link_local},     // 169.254.0.0/16
    {0xAC100000, 12, address_kind::private_use},    // 172.16.0.0/12
    {0xC0000000, 24, address_kind::reserved},       // 192.0.0.0/24
    {0xC0000200, 24, address_kind::documentation},  // 192.0.2.0/24
    {0xC0586300, 24, address_kind::reserved},       // 192.88.99.0/24: relays of 6to4
    {0xC0A80000, 16, address_kind::private_use},    // 192.168.0.0/16
    {0xC6120000, 15, address_kind::benchmarking},   // 198.18.0.0/15
    {0xC6336400, 24, address_kind::documentation},  // 198.51.100.0/24
    {0xCB007100, 24, address_kind::documentation},  // 203.0.113.0/24
    {0xE0000000, 4, address_kind::multicast},       // 224.0.0.0/4
    {0xF0000000, 4, address_kind::reserved},        // 240.0.0.0/4
};

// The upper halves of addresses; no prefix here is longer than 64 bits.
constexpr range<uint64_t> v6_ranges[] = {
    {0x0064FF9B00010000, 48, address_kind::private_use},   // 64:ff9b:1::/48: NAT64 into the own network
    {0xFC00000000000000, 7, address_kind::private_use},    // fc00::/7
    {0xFE80000000000000, 10, address_kind::link_local},    // fe80::/10
    {0xFEC0000000000000, 10, address_kind::private_use},   // fec0::/10
    {0xFF00000000000000, 8, address_kind::multicast},      // ff00::/8
    {0x2001000200000000, 48, address_kind::benchmarking},  // 2001:2::/48
    {0x2001000000000000, 23, address_kind::reserved},      // 2001::/23
    {0x20010DB800000000, 32, address_kind::documentation}, // 2001:db8::/32
    {0x3FFF000000000000, 20, address_kind::documentation}, // 3fff::/20
    {0x2000000000000000, 3, address_kind::public_use},     // 2000::/3
};

constexpr range<uint64_t> teredo{0x2001000000000000, 32, address_kind::reserved};
constexpr range<uint64_t> six_to_four{0x2002000000000000, 16, address_kind::reserved};
constexpr uint64_t nat64_prefix = 0x0064FF9B00000000;    // 64:ff9b::/96
constexpr uint64_t aws_metadata = 0xFD000EC200000000;    // fd00:ec2::254
constexpr uint64_t google_metadata = 0xFD2000CE00000000; // fd20:ce::254

address_kind kind_of_v4(uint32_t address) noexcept {
  for (const auto& one : v4_ranges)
    if (one.holds(address))
      return one.kind;
  return address_kind::public_use;
}

uint32_t lower_word(uint64_t bits) noexcept { return static_cast<uint32_t>(bits & 0xFFFFFFFF); }
uint32_t upper_word(uint64_t bits) noexcept { return static_cast<uint32_t>(bits >> 32); }

address_kind kind_of_v6(uint64_t upper, uint64_t lower) noexcept {
  if (upper == 0) {
    if (lower <= 1)
      return lower == 0 ? address_kind::unspecified : address_kind::loopback;
    return upper_word(lower) == 0xFFFF ? kind_of_v4(lower_word(lower)) : address_kind::reserved;
  }
  if (upper == nat64_prefix && upper_word(lower) == 0)
    return kind_of_v4(lower_word(lower));
  if (lower == 0x254 && (upper == aws_metadata || upper == google_metadata))
    return address_kind::cloud_metadata;
  if (six_to_four.holds(upper))
    return kind_of_v4(lower_word(upper >> 16));
  if (teredo.holds(upper)) { // server and, inverted, client (RFC 4380, section 4)
    const auto server = kind_of_v4(lower_word(upper));
    return server == address_kind::public_use ? kind_of_v4(~lower_word(lower)) : server;
  }
  for (const auto& one : v6_ranges)
    if (one.holds(upper))
      return one.kind;
  return address_kind::reserved;
}

bool is_range_or_address(const std::string& rule) {
  boost::system::error_code bad_address;
  boost::system::error_code bad_v4;
  boost::system::error_code bad_v6;
  ip::make_address(rule, bad_address);
  ip::make_network_v4(rule, bad_v4);
  ip::make_network_v6(rule, bad_v6);
  return !bad_address || !bad_v4 || !bad_v6;
}

/// Whether a rule is neither an address nor a range but may be a host, all with or without a port.
bool is_host_rule(std::string_view rule) {
  const auto colon = rule.rfind(':');
  if (colon != std::string_view::npos && is_range_or_address(std::string(rule.substr(0, colon))))
    return true;
  // A name of digits and dots alone is an address with a slip of the pen, and would never match.
  return std::any_of(rule.begin(), rule.end(), [](unsigned char c) { return std::isalpha(c); })
         && std::all_of(rule.begin(), rule.end(), [](unsigned char c) {
              return std::isalnum(c)
                     || std::string_view("*.-_:[]").find(static_cast<char>(c)) != std::string_view::npos;
            });
}

} // namespace

address_kind kind_of(const ip::address& address) noexcept {
  if (address.is_v4())
    return kind_of_v4(address.to_v4().to_uint());
  uint64_t halves[2] = {0, 0};
  const auto bytes = address.to_v6().to_bytes();
  for (size_t i = 0; i < bytes.size(); ++i)
    halves[i / 8] = halves[i / 8] << 8 | bytes[i];
  return kind_of_v6(halves[0], halves[1]);
}

std::string_view describe(address_kind kind) noexcept {
  switch (kind) {
  case address_kind::public_use:
    return "a public address";
  case address_kind::unspecified:
    return "an unspecified address";
  case address_kind::loopback:
    return "this machine's own address";
  case address_kind::private_use:
    return "a private address";
  case address_kind::link_local:
    return "a link-local address";
  case address_kind::carrier_nat:
    return "an address behind a carrier's NAT";
  case address_kind::multicast:
    return "a multicast address";
  case address_kind::benchmarking:
    return "an address for benchmarks";
  case address_kind::documentation:
    return "an address for documentation";
  case address_kind::reserved:
    return "a reserved address";
  case address_kind::cloud_metadata:
    return "a cloud's metadata service";
  }
  return "an unknown address";
}

result<address_guard> address_guard::make(std::vector<std::string> allowed) {
  for (size_t i = 0; i < allowed.size(); ++i) {
    const auto& rule = allowed[i];
    if (rule == "*" || is_range_or_address(rule) || is_host_rule(rule))
      continue;
    return fault{errc::invalid_argument, "`" + rule + "` is no address, range or host",
                 "[" + std::to_string(i) + "]", "write it like 10.1.0.0/16, fd00::/8 or llm.example.com"};
  }
  address_guard made;
  made.allowed_ = std::move(allowed);
  return made;
}

bool address_guard::trusts(const origin& where) const { return bypasses_proxy(allowed_, where); }

bool address_guard::allows(const origin& where, const ip::address& address) const {
  origin literal;
  literal.host = address.is_v6() && address.to_v6().is_v4_mapped()
                     ? ip::make_address_v4(ip::v4_mapped, address.to_v6()).to_string()
                     : address.to_string();
  literal.port = where.port;
  return bypasses_proxy(allowed_, literal);
}

result<void> address_guard::check(const origin& where, const std::vector<ip::address>& found) const {
  if (trusts(where))
    return {};
  const auto refuse = [&](const std::string& why) {
    return fault{errc::forbidden,
                 where.host + " may not be called from here: " + why,
                 {},
                 "name a public host, or let the operator add it to network.allow_private_addresses"};
  };
  if (found.empty())
    return refuse("it has no address");
  for (const auto& address : found) {
    const auto kind = kind_of(address);
    if (kind != address_kind::public_use && !allows(where, address))
      return refuse(address.to_string() + " is " + std::string(describe(kind)));
  }
  return {};
}

result<void> address_guard::check_proxied(const origin& where) const {
  if (trusts(where))
    return {};
  return fault{errc::forbidden,
               "the addresses of " + where.host + " cannot be checked, because a proxy resolves them",
               {},
               "let the operator add the host to network.allow_private_addresses or to network.no_proxy"};
}

result<void> check_addresses_of(const address_guard& guard, const origin& where) {
  if (guard.trusts(where))
    return {};
  const auto found = detail::resolve_now(where.host, where.port, host_and_port_of(where));
  if (!found)
    return found.error();
  return guard.check(where, detail::addresses_in(**found));
}

} // namespace assay::io
