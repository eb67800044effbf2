#include "server/auth/password_checker.hpp"

#include <utility>

namespace assay::server {

namespace {

constexpr size_t longest_line = 32;

} // namespace

password_checker::password_checker(const password_cost& cost, unsigned threads)
    : cost_(cost), decoy_(hash_password(random_password(), cost).value()),
      threads_("password check", threads, longest_line) {}

boost::asio::awaitable<result<std::string>> password_checker::hash(secret password) {
  auto work = [password = std::move(password), cost = cost_] { return hash_password(password, cost); };
  co_return co_await threads_.run(std::move(work));
}

boost::asio::awaitable<result<bool>> password_checker::matches(std::string encoded, secret password) {
  auto work = [encoded = std::move(encoded), password = std::move(password)]() -> result<bool> {
    return verify_password(encoded, password);
  };
  co_return co_await threads_.run(std::move(work));
}

} // namespace assay::server
