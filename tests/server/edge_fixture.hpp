#pragma once

#include "server/edge.hpp"
#include "tests/server/fake_farm.hpp"
#include "tests/server/http_client.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <sstream>
#include <string>
#include <thread>

namespace assay::server::test {

/// A moment on a full hour.
inline constexpr wall_time noon{seconds{1'704'110'400}};

/// A real edge on a port of its own over a fake farm. Tests change `options`, then start().
class edge_test : public testing::Test {
protected:
  edge_test();
  ~edge_test() override;

  void start();
  void stop();
  uint16_t port() const { return edge_->port(); }

  /// Waits for what another thread does; the limit only ends a test that hangs.
  template <class Condition>
  static bool comes_true(Condition condition) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds{20};
    while (std::chrono::steady_clock::now() < end) {
      if (condition())
        return true;
      std::this_thread::yield();
    }
    return false;
  }

  /// @returns an access token of `admin`.
  std::string admin();
  /// @returns an access token of a user with this one role, made if needed.
  std::string user(const std::string& name, const std::string& role);
  std::string login(const std::string& name, const std::string& password);

  http_reply get(std::string_view target, std::string_view token = {}, std::string_view headers = {}) {
    return http(port(), "GET", target, {}, token, headers);
  }
  http_reply post(std::string_view target, std::string_view body, std::string_view token = {},
                  std::string_view headers = {}) {
    return http(port(), "POST", target, body, token, headers);
  }

  /// A whole answer, whether it comes in chunks or not.
  http_reply fetch(const std::string& target, const std::string& token);

  /// Everything that was logged so far.
  std::string logged();

  fake_farm farm_;
  edge_options options;
  std::unique_ptr<edge> edge_;
  std::string drawn_password_;

private:
  std::ostringstream log_;
  std::string admin_token_;
};

} // namespace assay::server::test
