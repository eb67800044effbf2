#include "io/http_pool.hpp"

#include "io/detail/pool_engine.hpp"

namespace assay::io {

struct http_pool::state {
  std::shared_ptr<detail::pool_engine> engine;
};

http_pool::http_pool(std::unique_ptr<state> owned) : state_(std::move(owned)) {}

result<std::shared_ptr<http_pool>> http_pool::make(io_runtime& runtime, pool_options options, sink deliver) {
  auto setup = detail::make_pool_setup(options);
  if (!setup)
    return setup.error();
  auto owned = std::make_unique<state>();
  owned->engine = std::make_shared<detail::pool_engine>(runtime, std::move(*setup), std::move(deliver));
  if (auto started = owned->engine->start(); !started)
    return started.error();
  return std::shared_ptr<http_pool>(new http_pool(std::move(owned))); // the constructor is private
}

http_pool::~http_pool() { state_->engine->abandon(); }

void http_pool::submit(std::vector<http_request>&& requests) { state_->engine->submit(std::move(requests)); }

void http_pool::cancel(std::vector<uint64_t> ids) { state_->engine->cancel(std::move(ids)); }

void http_pool::grant(std::vector<http_credit> credits) { state_->engine->grant(std::move(credits)); }

void http_pool::close(milliseconds grace, std::function<void()> closed) {
  state_->engine->close(grace, std::move(closed));
}

pool_stats http_pool::stats() const { return state_->engine->stats(); }

} // namespace assay::io
