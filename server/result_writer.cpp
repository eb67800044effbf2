#include "server/result_writer.hpp"

#include "core/values/results_place.hpp"
#include "server/llm/batch_results.hpp"
#include "storage/result_files.hpp"

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <nlohmann/json.hpp>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <utility>

namespace assay::server {

namespace {

using json = nlohmann::json;
using storage::table;

/// How often the runs that are waited for are looked at.
constexpr std::chrono::milliseconds period{500};
constexpr size_t longest_line = 64;
constexpr const char* field = "output_base_path";

json finished_at(const run_record& run) {
  return run.finished_at ? json(run.finished_at->time_since_epoch().count()) : json(nullptr);
}

fault wrong_path(std::string message, std::string hint) {
  return {errc::invalid_argument, std::move(message), field, std::move(hint)};
}

/// @returns nothing while the run goes on.
result<std::optional<run_record>> ended_run(const std::shared_ptr<storage::store>& store, run_id id,
                                            bool& gone) {
  auto view = storage::snapshot::open(store);
  if (!view)
    return view.error();
  auto run = view->find_run(id);
  if (!run)
    return run.error();
  gone = !*run;
  if (gone || !is_final((*run)->state))
    return std::optional<run_record>{};
  return std::move(*run);
}

result<std::string> document_of(const std::shared_ptr<storage::store>& store, const run_record& run,
                                const result_computation& compute) {
  {
    auto view = storage::snapshot::open(store);
    if (!view)
      return view.error();
    auto stored = view->find_result(run.spec.id);
    if (!stored)
      return stored.error();
    if (*stored)
      return std::move(**stored);
  }
  if (!compute || run.progress.done == 0)
    return std::string{};
  return compute(run);
}

result<std::vector<std::filesystem::path>> write_files(const std::shared_ptr<storage::store>& store,
                                                       const run_record& run,
                                                       const std::filesystem::path& folder,
                                                       const result_computation& compute,
                                                       const std::stop_token& stop) {
  const auto root = storage::output_folder::open(folder);
  if (!root)
    return root.error();
  const auto target = root->below(run.spec.output_path);
  if (!target)
    return target.error();
  if (run.spec.kind == run_kind::llm_batch)
    return write_batch_files(store, run, *target, stop);
  auto document = document_of(store, run, compute);
  if (!document)
    return document.error();
  const auto names = storage::result_files_of(run, run.spec.log_samples);
  return storage::write_result_files(store, run, *document, *target, names, stop);
}

} // namespace

result<std::string> output_folder_of(std::string_view output_base_path) {
  if (std::filesystem::path(output_base_path).extension() == ".json")
    return wrong_path("names a file, but the results of a run are several", "name a folder");
  return place_in_results(output_base_path);
}

result<std::optional<json>> output_json(storage::snapshot& view, const run_record& run) {
  if (run.spec.output_path.empty())
    return std::optional<json>{};
  json out{
      {"folder", run.spec.output_path}, {"state", "waiting"}, {"files", json::array()}, {"error", nullptr}};
  const auto stored = view.find_document(table::settings, storage::written_files_key(run.spec.id));
  if (!stored)
    return stored.error();
  const auto known = *stored ? json::parse((*stored)->bytes, nullptr, false) : json();
  // A run that was retried has ended anew and its files are of the end before.
  if (known.is_object() && is_final(run.state) && known.value("finished_at", json()) == finished_at(run)) {
    out["files"] = known.value("files", json::array());
    out["error"] = known.value("error", json());
    out["state"] = out["error"].is_null() ? "written" : "failed";
  }
  return std::optional{std::move(out)};
}

result_writer::result_writer(boost::asio::io_context& io, std::filesystem::path folder,
                             result_computation compute, std::shared_ptr<storage::store> store,
                             farm_access& farm, spdlog::logger& log)
    : folder_(std::move(folder)), compute_(std::move(compute)), store_(std::move(store)), farm_(farm),
      log_(log), timer_(io), thread_("result files", 1, longest_line) {}

result_writer::awaitable<result<void>> result_writer::prepare(std::string below) {
  if (folder_.empty())
    co_return wrong_path("this server has no folder for results", "set results_dir");
  auto work = [folder = folder_, below = std::move(below)]() -> result<void> {
    const auto root = storage::output_folder::open(folder);
    if (!root)
      return root.error();
    const auto made = root->below(below);
    return made ? result<void>{} : made.error();
  };
  auto made = co_await thread_.run(std::move(work));
  if (made || made.error().code == errc::busy)
    co_return made;
  log_.warn("results folder cannot be used reason=\"{}\"", to_string(made.error()));
  // The reason only: where the server keeps its files is not the caller's.
  co_return wrong_path(made.error().message, "choose another path");
}

result_writer::awaitable<void> result_writer::expect(run_id run) {
  waiting_[run] = ++wishes_;
  std::vector<document_change> mark(1);
  mark[0].table = to_string(table::settings);
  mark[0].key = storage::waiting_files_key(run);
  mark[0].value = "{}";
  auto stored = co_await farm_.write(std::move(mark));
  if (!stored)
    log_.warn("result files of {} will not be written after a restart reason=\"{}\"", to_string(run),
              to_string(stored.error()));
}

result_writer::awaitable<void> result_writer::recover() {
  auto work = [store = store_]() -> result<std::vector<run_id>> {
    std::vector<run_id> out;
    storage::document_query query;
    query.prefix = storage::waiting_files_prefix;
    query.limit = storage::max_page_rows;
    do {
      auto view = storage::snapshot::open(store);
      if (!view)
        return view.error();
      auto page = view->page_documents(table::settings, query);
      if (!page)
        return page.error();
      for (const auto& [key, mark] : page->documents)
        if (const auto run = run_id_from_string(std::string_view(key).substr(query.prefix.size())))
          out.push_back(*run);
      query.after = page->next;
    } while (query.after);
    return out;
  };
  auto found = co_await thread_.run(std::move(work));
  if (found)
    for (const auto run : *found)
      waiting_.emplace(run, ++wishes_);
  else
    log_.warn("unwritten result files cannot be looked for reason=\"{}\"", to_string(found.error()));
}

result_writer::outcomes result_writer::write_ended(const wishes& waiting, const std::filesystem::path& folder,
                                                   const result_computation& compute,
                                                   const std::shared_ptr<storage::store>& store,
                                                   const std::stop_token& stop) {
  outcomes out;
  for (const auto& [id, wish] : waiting) {
    if (stop.stop_requested())
      break;
    outcome one;
    one.run = id;
    one.wish = wish;
    const auto run = ended_run(store, id, one.gone);
    if (one.gone) {
      out.push_back(std::move(one));
      continue;
    }
    if (!run || !*run)
      continue;
    const auto files = write_files(store, **run, folder, compute, stop);
    if (!files && files.error().code == errc::shutting_down)
      break;
    json document{{"finished_at", finished_at(**run)}, {"files", json::array()}, {"error", nullptr}};
    if (files) {
      for (const auto& file : *files)
        document["files"].push_back(((*run)->spec.output_path / file).lexically_normal().string());
    } else {
      one.error = files.error();
      document["error"] = files.error().message;
    }
    one.document = document.dump();
    out.push_back(std::move(one));
  }
  return out;
}

result_writer::awaitable<void> result_writer::settle(outcome done) {
  std::vector<document_change> changes;
  // A run that was retried meanwhile waits for its next end.
  if (!waiting_.contains(done.run)) {
    auto& mark = changes.emplace_back();
    mark.table = to_string(table::settings);
    mark.key = storage::waiting_files_key(done.run);
  }
  if (!done.gone) {
    auto& kept = changes.emplace_back();
    kept.table = to_string(table::settings);
    kept.key = storage::written_files_key(done.run);
    kept.value = done.document;
  }
  auto stored = co_await farm_.write(std::move(changes));
  if (!stored) {
    unsettled_.push_back(std::move(done));
    co_return;
  }
  if (done.error)
    log_.warn("result files failed run={} reason=\"{}\"", to_string(done.run), to_string(*done.error));
  else if (!done.gone)
    log_.info("result files written run={}", to_string(done.run));
}

result_writer::awaitable<void> result_writer::write_ended_ones() {
  auto work = [waiting = waiting_, folder = folder_, compute = compute_, store = store_,
               stop = stop_.get_token()]() -> result<outcomes> {
    return write_ended(waiting, folder, compute, store, stop);
  };
  auto done = co_await thread_.run(std::move(work));
  if (!done)
    co_return;
  for (auto& one : *done) {
    if (const auto it = waiting_.find(one.run); it != waiting_.end() && it->second == one.wish)
      waiting_.erase(it);
    unsettled_.push_back(std::move(one));
  }
}

result_writer::awaitable<void> result_writer::run() {
  if (folder_.empty())
    co_return;
  co_await recover();
  while (!stop_.stop_requested()) {
    if (!waiting_.empty())
      co_await write_ended_ones();
    auto written = std::exchange(unsettled_, {});
    for (auto& one : written)
      co_await settle(std::move(one));
    if (stop_.stop_requested())
      co_return;
    boost::system::error_code ignored;
    timer_.expires_after(period);
    co_await timer_.async_wait(boost::asio::redirect_error(boost::asio::use_awaitable, ignored));
  }
}

void result_writer::stop() {
  stop_.request_stop();
  timer_.cancel();
}

} // namespace assay::server
