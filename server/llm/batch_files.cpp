#include "server/llm/batch_files.hpp"

#include "core/llm/batch_rows.hpp"
#include "server/auth/passwords.hpp"
#include "storage/output_folder.hpp"

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <nlohmann/json.hpp>
#include <spdlog/spdlog.h>

#include <chrono>
#include <set>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace assay::server {

namespace {

namespace fs = std::filesystem;

constexpr const char* folder_name = "llm_batches";
constexpr size_t longest_line = 16;
/// A dataset's row may have 8 MiB.
constexpr size_t longest_row = size_t{7} << 20;
constexpr size_t most_bytes = size_t{512} << 20;
constexpr size_t runs_at_once = 200;
constexpr std::chrono::hours period{1};
/// A younger file may belong to a run that is being submitted.
constexpr std::chrono::hours youngest{1};

fs::path folder_below(const storage::store& store) {
  std::error_code ignored;
  return fs::absolute(store.folder() / folder_name, ignored).lexically_normal();
}

result<void> write_rows(const llm::llm_batch& batch, const storage::text_sink& sink) {
  size_t index = 0;
  size_t bytes = 0;
  for (const auto& item : *batch.items) {
    const auto row = llm::batch_row(index, item, batch.prompt_template);
    bytes += row.size() + 1;
    if (row.size() > longest_row)
      return fault{errc::too_large, "the item and its prompt are longer than a row may be",
                   "items[" + std::to_string(index) + "]", "make them shorter"};
    if (bytes > most_bytes)
      return fault{errc::too_large, "the prompts of the batch have more than 512 MiB", "items",
                   "split the batch"};
    sink(row);
    sink("\n");
    ++index;
  }
  return {};
}

/// @returns the names of the files that runs still need.
result<std::set<std::string>> files_in_use(const std::shared_ptr<storage::store>& store,
                                           const std::stop_token& stop) {
  std::set<std::string> out;
  storage::run_query query;
  query.with_batches = true;
  query.limit = runs_at_once;
  do {
    if (stop.stop_requested())
      return fault{errc::shutting_down, "the farm is stopping", {}, {}};
    auto view = storage::snapshot::open(store);
    if (!view)
      return view.error();
    const auto page = view->list_summaries(query);
    if (!page)
      return page.error();
    for (const auto& one : page->runs) {
      if (one.kind != run_kind::llm_batch)
        continue;
      const auto run = view->find_run(one.run);
      if (!run)
        return run.error();
      if (*run && !(*run)->redacted_at)
        for (const auto& task : (*run)->spec.tasks)
          out.insert(fs::path(task.dataset_path).filename().string());
    }
    query.before = page->next;
  } while (query.before);
  return out;
}

/// @returns how many files were removed.
result<size_t> sweep(const fs::path& folder, const std::shared_ptr<storage::store>& store,
                     const std::stop_token& stop) {
  // Before the runs are looked at: what is written meanwhile is left alone.
  std::vector<fs::path> old;
  std::error_code error;
  const auto now = fs::file_time_type::clock::now();
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    const auto written = it->last_write_time(error);
    if (!error && now - written > youngest)
      old.push_back(it->path());
  }
  if (old.empty())
    return size_t{0};
  const auto used = files_in_use(store, stop);
  if (!used)
    return used.error();
  size_t removed = 0;
  for (const auto& file : old)
    if (!used->contains(file.filename().string()) && fs::remove(file, error))
      ++removed;
  return removed;
}

} // namespace

batch_files::batch_files(boost::asio::io_context& io, std::shared_ptr<storage::store> store,
                         spdlog::logger& log)
    : folder_(folder_below(*store)), store_(std::move(store)), log_(log), timer_(io),
      thread_("files of batches", 1, longest_line) {}

batch_files::awaitable<result<fs::path>> batch_files::write(std::shared_ptr<const llm::llm_batch> batch) {
  auto work = [folder = folder_, batch = std::move(batch)]() -> result<fs::path> {
    const auto opened = storage::output_folder::open(folder);
    if (!opened)
      return opened.error();
    const auto name = "batch_" + random_hex(16) + ".jsonl";
    const auto written =
        opened->write(name, [&](const storage::text_sink& sink) { return write_rows(*batch, sink); });
    if (!written)
      return written.error();
    return folder / name;
  };
  auto file = co_await thread_.run(std::move(work));
  co_return file;
}

batch_files::awaitable<void> batch_files::remove(fs::path file) {
  if (file.parent_path() != folder_)
    co_return;
  auto work = [file = std::move(file)]() -> result<void> {
    std::error_code ignored;
    fs::remove(file, ignored);
    return {};
  };
  // What stays is found by the next sweep.
  co_await thread_.run(std::move(work));
}

batch_files::awaitable<void> batch_files::run() {
  while (!stop_.stop_requested()) {
    auto work = [folder = folder_, store = store_, stop = stop_.get_token()] {
      return sweep(folder, store, stop);
    };
    auto removed = co_await thread_.run(std::move(work));
    if (!removed && removed.error().code != errc::shutting_down)
      log_.warn("files of batches cannot be looked through reason=\"{}\"", to_string(removed.error()));
    else if (removed && *removed > 0)
      log_.info("files of batches without a run were removed count={}", *removed);
    if (stop_.stop_requested())
      co_return;
    boost::system::error_code ignored;
    timer_.expires_after(period);
    co_await timer_.async_wait(boost::asio::redirect_error(boost::asio::use_awaitable, ignored));
  }
}

void batch_files::stop() {
  stop_.request_stop();
  timer_.cancel();
}

} // namespace assay::server
