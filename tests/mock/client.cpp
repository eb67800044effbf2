#include "client.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <cerrno>
#include <netinet/in.h>
#include <stdexcept>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

namespace assay::mock {

std::string raw_answer::header(const std::string& name) const {
  const auto found = headers.find(name);
  return found == headers.end() ? std::string() : found->second;
}

raw_client::raw_client(uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  const timeval deadline{20, 0};
  ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &deadline, sizeof deadline);
  ::setsockopt(socket_, SOL_SOCKET, SO_SNDTIMEO, &deadline, sizeof deadline);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    throw std::runtime_error("cannot connect");
}

raw_client::~raw_client() { ::close(socket_); }

void raw_client::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const auto n = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n <= 0)
      return;
    bytes.remove_prefix(static_cast<size_t>(n));
  }
}

bool raw_client::fill() {
  char buffer[64 * 1024];
  const auto n = ::recv(socket_, buffer, sizeof buffer, 0);
  reset_ = n < 0 && errno == ECONNRESET;
  if (n <= 0)
    return false;
  rest_.append(buffer, static_cast<size_t>(n));
  return true;
}

raw_answer raw_client::receive() {
  raw_answer out;
  size_t head = 0;
  while ((head = rest_.find("\r\n\r\n")) == std::string::npos)
    if (!fill()) {
      out.bytes = std::exchange(rest_, {});
      out.reset = reset_;
      return out;
    }
  if (rest_.starts_with("HTTP/1.1 ") && rest_.size() > 12)
    out.status = std::atoi(rest_.c_str() + 9);
  for (auto at = rest_.find("\r\n") + 2; at < head;) {
    const auto end = rest_.find("\r\n", at);
    const auto line = rest_.substr(at, end - at);
    const auto colon = line.find(": ");
    auto name = line.substr(0, colon);
    std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
    out.headers.emplace(std::move(name), line.substr(colon + 2));
    at = end + 2;
  }
  out.bytes = rest_.substr(0, head + 4);
  rest_.erase(0, head + 4);
  if (out.header("transfer-encoding") == "chunked") {
    for (;;) {
      size_t line = 0;
      while ((line = rest_.find("\r\n")) == std::string::npos)
        if (!fill())
          return out;
      const auto size = std::stoul(rest_.substr(0, line), nullptr, 16);
      while (rest_.size() < line + 2 + size + 2)
        if (!fill())
          return out;
      out.body += rest_.substr(line + 2, size);
      rest_.erase(0, line + 2 + size + 2);
      if (size == 0) {
        out.whole = true;
        return out;
      }
    }
  }
  const auto length = out.header("content-length");
  const auto wanted = length.empty() ? std::string::npos : std::stoul(length);
  while (rest_.size() < wanted && fill()) {
  }
  out.whole = length.empty() ? !reset_ : rest_.size() >= wanted;
  out.body = rest_.substr(0, wanted);
  rest_.erase(0, std::min(wanted, rest_.size()));
  out.reset = reset_;
  return out;
}

bool raw_client::ended_by_server() {
  while (fill()) {
  }
  return errno != EAGAIN && errno != EWOULDBLOCK;
}

std::string raw_client::peek(size_t size) {
  while (rest_.size() < size && fill()) {
  }
  return rest_;
}

std::string get(std::string_view target) {
  return "GET " + std::string(target) + " HTTP/1.1\r\nHost: mock\r\nAuthorization: Bearer sk-test\r\n\r\n";
}

std::string post(std::string_view target, std::string_view body, std::string_view key) {
  return "POST " + std::string(target) + " HTTP/1.1\r\nHost: mock\r\nAuthorization: Bearer "
         + std::string(key) + "\r\nContent-Type: application/json\r\nContent-Length: "
         + std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
}

std::string chat(std::string_view model, std::string_view prompt, nlohmann::json more, std::string_view key) {
  more["model"] = model;
  more["messages"] = {{{"role", "user"}, {"content", prompt}}};
  return post("/v1/chat/completions", more.dump(), key);
}

raw_answer ask(const server& server, const std::string& request) {
  raw_client client(server.port());
  client.send(request);
  return client.receive();
}

std::unique_ptr<server> started(options value, std::shared_ptr<const answer_book> book) {
  return std::move(server::start(std::move(value), std::move(book)).value());
}

options with_faults(std::string_view rules) {
  options value;
  value.faults = parse_fault_rules(rules).value();
  return value;
}

} // namespace assay::mock
