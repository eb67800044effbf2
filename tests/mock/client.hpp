#pragma once

#include "mock/server.hpp"

#include <nlohmann/json.hpp>

#include <map>
#include <memory>
#include <string>
#include <string_view>

namespace assay::mock {

/// What came back, read by hand so that broken answers can be looked at too.
struct raw_answer {
  int status = 0;
  std::multimap<std::string, std::string> headers; ///< Names in lower case.
  std::string body;                                ///< Chunks joined.
  bool whole = false;                              ///< Content-Length or the last chunk was reached.
  bool reset = false;                              ///< The connection was reset.
  std::string bytes;                               ///< Everything as it came.

  std::string header(const std::string& name) const;
  nlohmann::json json() const { return nlohmann::json::parse(body); }
};

/// One keep-alive connection with blocking calls that give up after 20 seconds.
class raw_client {
public:
  explicit raw_client(uint16_t port);
  ~raw_client();
  raw_client(const raw_client&) = delete;
  raw_client& operator=(const raw_client&) = delete;

  void send(std::string_view bytes);
  /// Reads one answer; when it is announced too short, the rest stays for the next call.
  raw_answer receive();
  /// Reads until the server ends the connection. @returns false when it did not within the deadline.
  bool ended_by_server();
  /// Reads until at least @p size bytes wait. @returns what waits.
  std::string peek(size_t size);

private:
  bool fill();

  int socket_ = -1;
  std::string rest_;
  bool reset_ = false;
};

std::string get(std::string_view target);
std::string post(std::string_view target, std::string_view body, std::string_view key = "sk-test");
/// A chat request with one user message; @p more is added to the object.
std::string chat(std::string_view model, std::string_view prompt,
                 nlohmann::json more = nlohmann::json::object(), std::string_view key = "sk-test");
/// One request on a connection of its own.
raw_answer ask(const server& server, const std::string& request);
/// Starts a server or fails the test.
std::unique_ptr<server> started(options value = {}, std::shared_ptr<const answer_book> book = nullptr);
/// The options with these fault rules.
options with_faults(std::string_view rules);

} // namespace assay::mock
