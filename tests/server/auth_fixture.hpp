#pragma once

#include "server/auth/authenticator.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace assay::server::test {

/// Documents in memory, with the conditions of the real store.
class memory_documents : public document_store {
public:
  result<std::optional<std::string>> find(const std::string& table, const std::string& key) override {
    const auto it = rows.find({table, key});
    return it == rows.end() ? std::optional<std::string>{} : std::optional{it->second};
  }

  boost::asio::awaitable<result<document_list>> list(std::string table, std::optional<std::string> after,
                                                     size_t limit) override {
    document_list out;
    for (const auto& [key, value] : rows) {
      if (key.first != table || (after && key.second <= *after))
        continue;
      if (out.documents.size() == limit) {
        out.next = out.documents.back().first;
        break;
      }
      out.documents.emplace_back(key.second, value);
    }
    co_return std::move(out);
  }

  boost::asio::awaitable<result<void>> write(std::vector<document_change> changes) override {
    if (before_write)
      std::exchange(before_write, nullptr)();
    for (const auto& change : changes) {
      const auto it = rows.find({change.table, change.key});
      if ((change.only_if_absent && it != rows.end())
          || (change.only_if_equals && (it == rows.end() || it->second != *change.only_if_equals)))
        co_return fault{errc::conflict, "changed meanwhile", change.key, {}};
    }
    for (auto& change : changes) {
      if (change.value)
        rows[{change.table, change.key}] = *change.value;
      else
        rows.erase({change.table, change.key});
    }
    co_return result<void>{};
  }

  std::map<std::pair<std::string, std::string>, std::string> rows;
  std::function<void()> before_write; ///< What somebody else does at the worst moment; once.
};

/// An authenticator over documents in memory, with clocks that tests move.
class auth_test : public testing::Test {
protected:
  auth_test() { start(); }

  /// Also again, as after a restart: only the documents stay.
  void start() {
    authenticator_options options;
    options.cost = {1, 8192};
    clocks time;
    time.steady = [this] { return steady; };
    time.wall = [this] { return wall; };
    auth = std::make_unique<authenticator>(options, secret{std::string(32, 'k')}, documents, time);
    auth->on_session_end = [this](const user_id& user, const std::string& session) {
      ended.emplace_back(user.value, session);
    };
  }

  template <class T>
  T wait(boost::asio::awaitable<T> work) {
    std::optional<T> out;
    boost::asio::co_spawn(io, std::move(work), [&](const std::exception_ptr& thrown, T value) {
      EXPECT_FALSE(thrown);
      out = std::move(value);
    });
    io.restart();
    while (!out)
      io.run_one();
    return std::move(*out);
  }

  void add_user(const char* name, role value, const char* password = "long enough") {
    const auto made = wait(auth->users().create(user_id{name}, secret{password}, {value}));
    ASSERT_TRUE(made) << made.error().message;
  }

  auto login(const char* name, const char* password = "long enough", const char* peer = "127.0.0.1") {
    return wait(auth->login(name, secret{password}, peer));
  }

  std::chrono::steady_clock::time_point steady{std::chrono::hours{1}};
  wall_time wall{seconds{1'704'110'400}};
  boost::asio::io_context io;
  std::shared_ptr<memory_documents> documents = std::make_shared<memory_documents>();
  std::unique_ptr<authenticator> auth;
  std::vector<std::pair<std::string, std::string>> ended;
};

} // namespace assay::server::test
