#pragma once

#include "server/auth/authenticator.hpp"
#include "server/counters.hpp"
#include "server/edge.hpp"
#include "server/farm_access.hpp"
#include "server/reader_pool.hpp"
#include "server/router.hpp"
#include "storage/snapshot.hpp"

#include <memory>
#include <string>
#include <utility>

namespace assay::server {

class batch_files;
class result_writer;
class socket_registry;

/// Everything that routes and sessions share. Used on the edge's thread.
struct edge_services {
  const edge_options& options;
  farm_access& farm;
  std::shared_ptr<storage::store> store;
  reader_pool& readers;
  authenticator& auth;
  const route_table& routes;
  edge_counters& counters;
  socket_registry& sockets;
  result_writer& results;
  batch_files& batches;
  spdlog::logger& log;
  std::chrono::steady_clock::time_point started_at;
  std::string openapi;     ///< JSON text.
  std::string docs_page;   ///< HTML.
  std::string docs_policy; ///< Content-Security-Policy of the page.

  /// Reads a point of the store here and now: @p read gets a snapshot and answers result<T>.
  template <class Read>
  std::invoke_result_t<Read&, storage::snapshot&> read_now(Read read) const {
    auto view = storage::snapshot::open(store);
    if (!view)
      return view.error();
    return read(*view);
  }

  /// Reads a page on a reader thread.
  template <class Read, class Result = std::invoke_result_t<Read&, storage::snapshot&>>
  boost::asio::awaitable<Result> read_later(Read read) const {
    auto work = [from = store, read = std::move(read)]() mutable -> Result {
      auto view = storage::snapshot::open(from);
      if (!view)
        return view.error();
      return read(*view);
    };
    co_return co_await readers.run(std::move(work));
  }
};

} // namespace assay::server
