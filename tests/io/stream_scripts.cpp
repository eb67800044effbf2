#include "tests/io/stream_scripts.hpp"

#include <cstdio>
#include <utility>

namespace assay::io::test {

std::string chunk(std::string_view text) {
  char size[24];
  std::snprintf(size, sizeof size, "%zx\r\n", text.size());
  return size + std::string(text) + "\r\n";
}

std::string delta(int number) { return "data: {\"delta\":" + std::to_string(number) + "}\n\n"; }

script_server::script drip(script_server*& self, std::string head, std::vector<std::string> pieces,
                           std::string end) {
  return [&self, head = std::move(head), pieces = std::move(pieces),
          end = std::move(end)](peer& client) -> awaitable<void> {
    co_await client.request();
    co_await client.send(head);
    int number = 0;
    for (const auto& piece : pieces) {
      co_await self->gate(++number);
      co_await client.send(piece);
    }
    co_await self->gate(++number);
    if (end.empty())
      client.close();
    else
      co_await client.send(end);
  };
}

script_server::script flood(size_t size) {
  return [=](peer& client) -> awaitable<void> {
    for (;;) {
      co_await client.request();
      co_await client.send("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(size) + "\r\n\r\n");
      const std::string block(16'384, 'x');
      for (size_t done = 0; done < size; done += block.size())
        co_await client.send(block.substr(0, size - done));
    }
  };
}

} // namespace assay::io::test
