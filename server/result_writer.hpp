#pragma once

#include "core/values/run.hpp"
#include "server/farm_access.hpp"
#include "server/reader_pool.hpp"
#include "storage/snapshot.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <nlohmann/json_fwd.hpp>
#include <spdlog/fwd.h>

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

namespace assay::server {

/// As place_in_results(), for a place that is a folder. @returns invalid_argument for what can only be a
/// file.
result<std::string> output_folder_of(std::string_view output_base_path);

/// @returns what GET /results/{id} says about the run's files: their folder, `waiting`, `written` or
/// `failed`, their names, the reason. Nothing when the run wants none.
result<std::optional<nlohmann::json>> output_json(storage::snapshot& view, const run_record& run);

/// Computes the result of what a run without a stored one has done, JSON text. May block.
using result_computation = std::function<result<std::string>(const run_record&)>;

/// Writes the result files of evaluations that asked for them, once they have ended. What is still to be
/// written stands in the store, so that a restart loses nothing. Lives on the edge's thread; the files are
/// written on a thread of its own.
class result_writer {
public:
  template <class T>
  using awaitable = boost::asio::awaitable<T>;

  /// @param folder Empty: no files are written here.
  result_writer(boost::asio::io_context& io, std::filesystem::path folder, result_computation compute,
                std::shared_ptr<storage::store> store, farm_access& farm, spdlog::logger& log);

  /// Makes the folder @p below the results folder. @returns invalid_argument when that cannot be.
  awaitable<result<void>> prepare(std::string below);

  /// From now on the files of @p run will be written at its next end, after a restart too.
  awaitable<void> expect(run_id run);

  /// Takes up what an earlier process left and writes files until stop().
  awaitable<void> run();
  /// Ends the writing soon; what is not written is at the next start.
  void stop();

private:
  struct outcome {
    run_id run;
    uint64_t wish = 0;
    bool gone = false;    ///< The run was removed.
    std::string document; ///< What the store keeps about the files, JSON text.
    std::optional<fault> error;
  };
  using outcomes = std::vector<outcome>;
  /// Runs whose files are wanted, and the number of the wish: a later one is not fulfilled by an earlier end.
  using wishes = std::map<run_id, uint64_t>;

  awaitable<void> recover();
  awaitable<void> write_ended_ones();
  awaitable<void> settle(outcome done);
  static outcomes write_ended(const wishes& waiting, const std::filesystem::path& folder,
                              const result_computation& compute, const std::shared_ptr<storage::store>& store,
                              const std::stop_token& stop);

  const std::filesystem::path folder_;
  const result_computation compute_;
  const std::shared_ptr<storage::store> store_;
  farm_access& farm_;
  spdlog::logger& log_;
  boost::asio::steady_timer timer_;
  uint64_t wishes_ = 0;
  wishes waiting_;
  outcomes unsettled_; ///< Written, and not yet noted in the store.
  std::stop_source stop_;
  reader_pool thread_; ///< Last: its work ends before what it uses.
};

} // namespace assay::server
