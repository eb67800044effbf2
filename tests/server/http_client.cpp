#include "tests/server/http_client.hpp"

#include <nlohmann/json.hpp>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <stdexcept>

namespace assay::server::test {

nlohmann::json http_reply::json() const {
  auto out = nlohmann::json::parse(body, nullptr, false);
  if (out.is_discarded())
    throw std::runtime_error("not JSON, status " + std::to_string(status) + ": " + body);
  return out;
}

std::string http_reply::header(const std::string& name) const {
  const auto it = headers.find(name);
  return it == headers.end() ? std::string{} : it->second;
}

http_connection::http_connection(uint16_t port, int receive_buffer, bool over_ipv6)
    : socket_(::socket(over_ipv6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  const timeval limit{30, 0};
  ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  ::setsockopt(socket_, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  if (receive_buffer != 0)
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
  sockaddr_in where{};
  where.sin_family = AF_INET;
  where.sin_port = htons(port);
  where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  sockaddr_in6 where_six{};
  where_six.sin6_family = AF_INET6;
  where_six.sin6_port = htons(port);
  where_six.sin6_addr = in6addr_loopback;
  const int done = over_ipv6 ? ::connect(socket_, reinterpret_cast<sockaddr*>(&where_six), sizeof where_six)
                             : ::connect(socket_, reinterpret_cast<sockaddr*>(&where), sizeof where);
  if (done != 0)
    throw std::runtime_error("cannot connect");
}

http_connection::~http_connection() { ::close(socket_); }

bool http_connection::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const auto count = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count <= 0)
      return false;
    bytes.remove_prefix(static_cast<size_t>(count));
  }
  return true;
}

bool http_connection::fill() {
  std::array<char, 16384> chunk{};
  const auto count = ::recv(socket_, chunk.data(), chunk.size(), 0);
  if (count <= 0)
    return false;
  buffer_.append(chunk.data(), static_cast<size_t>(count));
  return true;
}

http_reply http_connection::receive(bool head_only) {
  http_reply out;
  size_t end = 0;
  while ((end = buffer_.find("\r\n\r\n")) == std::string::npos)
    if (!fill())
      return out;
  const auto head = buffer_.substr(0, end + 2);
  buffer_.erase(0, end + 4);
  out.status = std::stoi(head.substr(9, 3));
  for (size_t start = head.find("\r\n") + 2; start < head.size();) {
    const auto stop = head.find("\r\n", start);
    const auto line = head.substr(start, stop - start);
    const auto colon = line.find(':');
    auto name = line.substr(0, colon);
    std::transform(name.begin(), name.end(), name.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    out.headers[name] = line.substr(colon + 2);
    start = stop + 2;
  }
  const auto length = out.headers.contains("content-length") ? std::stoul(out.headers["content-length"]) : 0;
  if (head_only || out.status == 101)
    return out;
  while (buffer_.size() < length)
    if (!fill())
      break;
  out.body = buffer_.substr(0, length);
  buffer_.erase(0, length);
  return out;
}

bool http_connection::closed() {
  while (fill()) {
  }
  std::array<char, 1> one{};
  return ::recv(socket_, one.data(), one.size(), MSG_DONTWAIT) <= 0;
}

bool has_ipv6_loopback() {
  const int probe = ::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in6 where{};
  where.sin6_family = AF_INET6;
  where.sin6_addr = in6addr_loopback;
  const bool there = ::bind(probe, reinterpret_cast<sockaddr*>(&where), sizeof where) == 0;
  ::close(probe);
  return there;
}

std::string request_text(std::string_view method, std::string_view target, std::string_view body,
                         std::string_view token, std::string_view more_headers) {
  std::string out;
  out.append(method).append(" ").append(target).append(" HTTP/1.1\r\nHost: localhost\r\n");
  if (!token.empty())
    out.append("Authorization: Bearer ").append(token).append("\r\n");
  if (!body.empty() && more_headers.find("Content-Type:") == std::string_view::npos)
    out += "Content-Type: application/json\r\n";
  if (!body.empty())
    out.append("Content-Length: ").append(std::to_string(body.size())).append("\r\n");
  return out.append(more_headers).append("\r\n").append(body);
}

http_reply http(uint16_t port, std::string_view method, std::string_view target, std::string_view body,
                std::string_view token, std::string_view more_headers) {
  http_connection connection{port};
  connection.send(request_text(method, target, body, token, more_headers));
  return connection.receive(method == "HEAD");
}

} // namespace assay::server::test
