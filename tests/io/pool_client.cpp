#include "tests/io/pool_client.hpp"

#include <algorithm>

namespace assay::io::test {

http_request make_request(uint64_t id, std::string body, milliseconds timeout) {
  http_request request;
  request.id = id;
  request.target = "/v1/chat/completions";
  request.body = shared_text(body);
  request.timeout = timeout;
  return request;
}

pool_options pool_client::options_for(uint16_t port, uint32_t max_connections) {
  pool_options options;
  options.origin.scheme = url_scheme::http;
  options.origin.host = "127.0.0.1";
  options.origin.port = port;
  options.max_connections = max_connections;
  return options;
}

pool_client::pool_client(pool_options options) {
  runtime_.start();
  pool_ = http_pool::make(runtime_, std::move(options), [this](std::vector<http_outcome>&& batch) {
            std::lock_guard lock(mutex_);
            ++deliveries_;
            for (auto& outcome : batch)
              outcomes_.emplace(outcome.id, std::move(outcome));
            changed_.notify_all();
          }).value();
}

pool_client::~pool_client() {
  runtime_.stop();
  runtime_.join();
}

void pool_client::submit(http_request request) {
  std::vector<http_request> batch;
  batch.push_back(std::move(request));
  pool_->submit(std::move(batch));
}

http_outcome pool_client::exchange(http_request request) {
  const uint64_t id = request.id;
  submit(std::move(request));
  return wait_for(id);
}

http_outcome pool_client::wait_for(uint64_t id) {
  std::unique_lock lock(mutex_);
  if (!changed_.wait_for(lock, std::chrono::minutes(1), [&] { return outcomes_.contains(id); })) {
    http_outcome none;
    none.status = -1;
    none.error_message = "no outcome within a minute";
    return none;
  }
  return outcomes_.find(id)->second;
}

bool pool_client::close(milliseconds grace) {
  bool closed = false;
  pool_->close(grace, [&] {
    std::lock_guard lock(mutex_);
    closed = true;
    changed_.notify_all();
  });
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, std::chrono::minutes(1), [&] { return closed; });
}

size_t pool_client::outcomes() const {
  std::lock_guard lock(mutex_);
  return outcomes_.size();
}

size_t pool_client::deliveries() const {
  std::lock_guard lock(mutex_);
  return deliveries_;
}

size_t pool_client::most_per_id() const {
  std::lock_guard lock(mutex_);
  size_t most = 0;
  for (const auto& [id, outcome] : outcomes_)
    most = std::max(most, outcomes_.count(id));
  return most;
}

} // namespace assay::io::test
