#pragma once

#include "core/llm/llm_request.hpp"
#include "server/reader_pool.hpp"
#include "storage/snapshot.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <spdlog/fwd.h>

#include <filesystem>
#include <memory>
#include <stop_token>

namespace assay::server {

/// Files with the rows of batches, below the data folder: what their runs have as datasets. A file goes when
/// its run is gone, or lost its texts. Lives on the edge's thread; files are written on a thread of its own.
class batch_files {
public:
  template <class T>
  using awaitable = boost::asio::awaitable<T>;

  batch_files(boost::asio::io_context& io, std::shared_ptr<storage::store> store, spdlog::logger& log);

  /// Writes the rows of @p batch, all or nothing. @returns the file, absolute; errc::too_large for a prompt
  /// over 7 MiB with its item, or prompts over 512 MiB in all, errc::busy when too many are being written.
  awaitable<result<std::filesystem::path>> write(std::shared_ptr<const llm::llm_batch> batch);

  /// Removes a file that nobody needs. Anything but a file of this folder is left alone.
  awaitable<void> remove(std::filesystem::path file);

  /// Removes files that belong to no run, now and every hour, until stop().
  awaitable<void> run();
  void stop();

private:
  const std::filesystem::path folder_;
  const std::shared_ptr<storage::store> store_;
  spdlog::logger& log_;
  boost::asio::steady_timer timer_;
  std::stop_source stop_;
  reader_pool thread_; ///< Last: its work ends before what it uses.
};

} // namespace assay::server
