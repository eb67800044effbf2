#include "io/detail/system_resolver.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <netdb.h>
#include <sys/socket.h>

#include <cstring>

namespace assay::io::detail {

void addrinfo_deleter::operator()(addrinfo* list) const noexcept { ::freeaddrinfo(list); }

result<addrinfo_list> resolve_now(const std::string& host, uint16_t port, const std::string& name) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (const int code = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found); code != 0)
    return fault{errc::connect_failed,
                 "no connection to " + name + ": " + ::gai_strerror(code),
                 {},
                 "check the host's name"};
  return addrinfo_list(found);
}

std::vector<boost::asio::ip::address> addresses_in(const addrinfo& list) {
  std::vector<boost::asio::ip::address> out;
  for (const addrinfo* one = &list; one != nullptr; one = one->ai_next) {
    boost::asio::ip::tcp::endpoint endpoint;
    if (one->ai_addrlen > endpoint.capacity())
      continue; // neither IPv4 nor IPv6, and TCP over it is unheard of
    std::memcpy(endpoint.data(), one->ai_addr, one->ai_addrlen);
    endpoint.resize(one->ai_addrlen);
    out.push_back(endpoint.address());
  }
  return out;
}

} // namespace assay::io::detail
