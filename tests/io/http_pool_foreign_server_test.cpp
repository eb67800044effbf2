#include "tests/io/pool_client.hpp"

#include <gtest/gtest.h>

#include <csignal>
#include <cstdio>
#include <sys/wait.h>
#include <unistd.h>

namespace assay::io::test {
namespace {

/// Python's own HTTP server: answers that none of our code wrote.
constexpr const char* python_server = R"(
import gzip, http.server, json, sys
class handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *args): pass
    def do_GET(self):
        self.send_error(404)
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/chunked":
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for i in range(0, len(body), 3):
                part = body[i:i + 3]
                self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
            self.wfile.write(b"0\r\n\r\n")
            return
        packed = self.path == "/gzip" and "gzip" in self.headers["Accept-Encoding"]
        answer = gzip.compress(body) if packed else json.dumps(dict(self.headers)).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        if packed: self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
print(server.server_address[1], flush=True)
server.serve_forever()
)";

class foreign_server : public testing::Test {
protected:
  void SetUp() override {
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      ::dup2(ends[1], 1);
      ::close(ends[0]);
      ::execlp("python3", "python3", "-u", "-c", python_server, static_cast<char*>(nullptr));
      ::_exit(127);
    }
    ::close(ends[1]);
    std::string line;
    for (char byte = 0; ::read(ends[0], &byte, 1) == 1 && byte != '\n';)
      line += byte;
    ::close(ends[0]);
    if (line.empty())
      GTEST_SKIP() << "python3 is not installed";
    port = static_cast<uint16_t>(std::stoi(line));
  }

  void TearDown() override {
    if (child > 0) {
      ::kill(child, SIGKILL);
      ::waitpid(child, nullptr, 0);
    }
  }

  http_request request_for(uint64_t id, const char* target, std::string body) {
    auto request = make_request(id, std::move(body));
    request.target = target;
    return request;
  }

  pid_t child = -1;
  uint16_t port = 0;
};

TEST_F(foreign_server, AnswersAreUnderstood) {
  pool_client client(port);
  const auto plain = client.exchange(request_for(1, "/plain", "{}"));
  ASSERT_EQ(plain.status, 200) << plain.error_message;
  EXPECT_NE(plain.body.view().find("\"Content-Type\": \"application/json\""), std::string_view::npos);
  EXPECT_EQ(client.exchange(request_for(2, "/gzip", "packed by python")).body.view(), "packed by python");
  EXPECT_EQ(client.exchange(request_for(3, "/chunked", "in pieces of three")).body.view(),
            "in pieces of three");
  const auto missing = client.exchange(request_for(4, "/missing", ""));
  EXPECT_EQ(missing.status, 404);
  EXPECT_FALSE(missing.body.empty());
}

TEST_F(foreign_server, ManyRequestsAtOnceAreAnswered) {
  pool_client client(port, 16);
  for (uint64_t id = 1; id <= 200; ++id)
    client.submit(request_for(id, "/chunked", "number " + std::to_string(id)));
  for (uint64_t id = 1; id <= 200; ++id)
    ASSERT_EQ(client.wait_for(id).body.view(), "number " + std::to_string(id));
}

} // namespace
} // namespace assay::io::test
