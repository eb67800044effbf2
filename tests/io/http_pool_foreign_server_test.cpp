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

/// aiohttp streaming events, as many providers' own servers do.
constexpr const char* streaming_server = R"(
import asyncio
try:
    from aiohttp import web
except ImportError:
    raise SystemExit(0)
async def stream(request):
    await request.read()
    count = int(request.query.get("count", 5))
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "X-Request-Id": "foreign"})
    if "gzip" in request.query: response.enable_compression()
    await response.prepare(request)
    for i in range(count):
        await response.write(b": keep-alive\n\n" if i % 5 == 4 else b"data: {\"n\":%d}\n\n" % i)
        await asyncio.sleep(0)
        if i == 3 and "cut" in request.query:
            request.transport.close()
            return response
    await response.write(b"data: [DONE]\n\n")
    await response.write_eof()
    return response
async def refuse(request):
    return web.json_response({"error": {"message": "slow down"}}, status=429, headers={"Retry-After": "2"})
async def serve():
    app = web.Application()
    app.router.add_post("/stream", stream)
    app.router.add_post("/refuse", refuse)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(site._server.sockets[0].getsockname()[1], flush=True)
    await asyncio.Event().wait()
asyncio.run(serve())
)";

class foreign_server : public testing::Test {
protected:
  explicit foreign_server(const char* program = python_server) : program_(program) {}

  void SetUp() override {
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      ::dup2(ends[1], 1);
      ::close(ends[0]);
      ::execl("/usr/bin/python3", "python3", "-u", "-c", program_, static_cast<char*>(nullptr));
      ::_exit(127);
    }
    ::close(ends[1]);
    std::string line;
    for (char byte = 0; ::read(ends[0], &byte, 1) == 1 && byte != '\n';)
      line += byte;
    ::close(ends[0]);
    if (line.empty())
      GTEST_SKIP() << "python3 or one of its packages is not installed";
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

private:
  const char* program_;
};

class foreign_stream : public foreign_server {
protected:
  foreign_stream() : foreign_server(streaming_server) {}

  http_request stream_from(uint64_t id, const char* target) {
    auto request = request_for(id, target, "{}");
    request.stream = true;
    return request;
  }

  static std::string events(int count) {
    std::string text;
    for (int i = 0; i < count; ++i)
      text += i % 5 == 4 ? ": keep-alive\n\n" : "data: {\"n\":" + std::to_string(i) + "}\n\n";
    return text;
  }
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

TEST_F(foreign_stream, EventsAreDelivered) {
  pool_client client(port);
  for (const char* target : {"/stream?count=64", "/stream?count=64&gzip=1"}) {
    static uint64_t id = 0;
    const auto outcome = client.exchange(stream_from(++id, target));
    ASSERT_EQ(outcome.status, 200) << outcome.error_message;
    EXPECT_EQ(find_header(outcome.headers, "x-request-id"), "foreign");
    EXPECT_EQ(client.streamed(id), events(64) + "data: [DONE]\n\n");
  }
  EXPECT_EQ(client.bad_pieces(), 0u);
}

TEST_F(foreign_stream, EventsBeforeACutAreDelivered) {
  pool_client client(port);
  const auto outcome = client.exchange(stream_from(1, "/stream?cut=1"));
  EXPECT_EQ(outcome.status, 0);
  EXPECT_EQ(outcome.error, errc::truncated_answer) << outcome.error_message;
  EXPECT_EQ(client.streamed(1), events(4));
}

TEST_F(foreign_stream, RefusalsComeWhole) {
  pool_client client(port);
  const auto outcome = client.exchange(stream_from(1, "/refuse"));
  EXPECT_EQ(outcome.status, 429);
  EXPECT_EQ(outcome.body.view(), R"({"error": {"message": "slow down"}})");
  EXPECT_EQ(find_header(outcome.headers, "retry-after"), "2");
}

TEST_F(foreign_stream, ManyStreamsThroughSmallWindowsStayApart) {
  auto options = pool_client::options_for(port, 16);
  options.stream_window = 64;
  pool_client client(options);
  for (uint64_t id = 1; id <= 100; ++id)
    client.submit(stream_from(id, "/stream?count=40"));
  for (uint64_t id = 1; id <= 100; ++id) {
    ASSERT_EQ(client.wait_for(id).status, 200);
    ASSERT_EQ(client.streamed(id), events(40) + "data: [DONE]\n\n");
  }
}

} // namespace
} // namespace assay::io::test
