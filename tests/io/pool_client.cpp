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

http_request make_stream(uint64_t id, std::string body, milliseconds timeout) {
  auto request = make_request(id, std::move(body), timeout);
  request.stream = true;
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
  pool_ = http_pool::make(runtime_, std::move(options), [this](http_turn&& turn) {
            take(std::move(turn));
          }).value();
}

void pool_client::take(http_turn&& turn) {
  std::vector<http_credit> credits;
  {
    std::lock_guard lock(mutex_);
    ++deliveries_;
    for (const auto& piece : turn.pieces) {
      bad_pieces_ += piece.bytes.empty() || outcomes_.contains(piece.id);
      pieces_[piece.id].push_back(piece.bytes.str());
      most_unread_ = std::max(most_unread_, unread_[piece.id] += piece.bytes.size());
      if (grant_at_once_) {
        unread_[piece.id] -= piece.bytes.size();
        credits.push_back({piece.id, piece.bytes.size()});
      }
    }
    for (auto& outcome : turn.outcomes)
      outcomes_.emplace(outcome.id, std::move(outcome));
    changed_.notify_all();
  }
  if (!credits.empty())
    pool_->grant(std::move(credits));
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

bool pool_client::wait_for_outcomes(size_t count) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, std::chrono::minutes(1), [&] { return outcomes_.size() >= count; });
}

std::string pool_client::wait_for_bytes(uint64_t id, size_t count) {
  std::unique_lock lock(mutex_);
  std::string text;
  changed_.wait_for(lock, std::chrono::minutes(1), [&] {
    text.clear();
    for (const auto& piece : pieces_[id])
      text += piece;
    return text.size() >= count || outcomes_.contains(id);
  });
  return text;
}

std::string pool_client::streamed(uint64_t id) const {
  std::string text;
  for (const auto& piece : pieces(id))
    text += piece;
  return text;
}

std::vector<std::string> pool_client::pieces(uint64_t id) const {
  std::lock_guard lock(mutex_);
  const auto found = pieces_.find(id);
  return found == pieces_.end() ? std::vector<std::string>{} : found->second;
}

void pool_client::grant(uint64_t id, uint64_t bytes) {
  {
    std::lock_guard lock(mutex_);
    unread_[id] -= std::min(unread_[id], bytes);
  }
  pool_->grant({{id, bytes}});
}

uint64_t pool_client::most_unread() const {
  std::lock_guard lock(mutex_);
  return most_unread_;
}

size_t pool_client::bad_pieces() const {
  std::lock_guard lock(mutex_);
  return bad_pieces_;
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
