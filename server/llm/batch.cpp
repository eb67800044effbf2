#include "server/llm/batch.hpp"

#include "core/llm/batch_rows.hpp"
#include "core/llm/llm_request.hpp"
#include "server/body_source.hpp"
#include "server/caller_watch.hpp"
#include "server/llm/ask.hpp"
#include "server/llm/batch_files.hpp"
#include "server/llm/batch_results.hpp"
#include "server/model_choice.hpp"
#include "server/result_writer.hpp"
#include "server/routes/shared.hpp"
#include "server/services.hpp"

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <nlohmann/json.hpp>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

namespace assay::server {

namespace {

namespace asio = boost::asio;
using json = nlohmann::json;
template <class T>
using awaitable = asio::awaitable<T>;

/// Answers that are waited for hold the results of so many items; more are downloaded.
constexpr size_t most_inline_results = 1000;
/// How often a run that is waited for is looked at: often at first, since most small batches end soon.
constexpr milliseconds first_look{10};
constexpr milliseconds slowest_look{250};

// -- what is told ---------------------------------------------------------------------------------------

std::string results_path(run_id run) { return "/llm_api/batch/" + to_string(run) + "/results"; }

json status_json(const request_context& context, const run_record& run) {
  auto out = llm::batch_statistics(run);
  out["batch_id"] = to_string(run.spec.id);
  out["task_status"] = engine_status(run.state);
  out["state"] = to_string(run.state);
  out["progress"] = run.progress.fraction();
  out["mode"] = to_string(run.spec.way);
  out["results_url"] = results_path(run.spec.id);
  out["error_message"] = run.error ? json(to_string(*run.error)) : json();
  out["error_code"] = run.error ? json(to_string(run.error->code)) : json();
  add_output(context, run, out);
  return out;
}

fault no_batch(const request_context& context) {
  return {errc::not_found, "there is no batch '" + context.path_value("id") + "'", "id", {}};
}

/// @returns the batch that the path names, if the caller may see it.
result<run_record> batch_in_path(const request_context& context) {
  const auto id = run_id_from_string(context.path_value("id"));
  if (!id)
    return no_batch(context);
  auto run = readable_run(context, *id);
  if (!run && run.error().code != errc::not_found)
    return run.error();
  if (!run || run->spec.kind != run_kind::llm_batch)
    return no_batch(context);
  return run;
}

// -- starting -------------------------------------------------------------------------------------------

run_request request_of(const llm::llm_batch& wish, cache_use cache) {
  run_request out;
  out.kind = run_kind::llm_batch;
  out.model = model_id{wish.common.chat.model};
  out.generation = wish.common.chat.parameters;
  out.calls.timeout = wish.common.timeout;
  out.calls.num_concurrent = wish.max_concurrent_requests;
  out.cache = cache;
  out.execution = wish.mode;
  out.max_cost = wish.max_cost;
  out.predict_only = true;
  // The prompts stand in the rows.
  out.log_samples = false;
  if (wish.batch_size)
    out.notes.push_back(
        "batch_size changes nothing: how many calls go at once is max_concurrent_requests, and "
        "the provider's limits say how large its batches are");
  return out;
}

/// What is wrong with a place for files, in the words of the request.
fault of_output(fault reason) {
  if (reason.where == "output_base_path")
    reason.where = "output_dir";
  return reason;
}

/// @returns the folder below the results folder, made; empty for none.
awaitable<result<std::string>> prepare_output(request_context& context, std::string wished) {
  if (wished.empty())
    co_return std::string{};
  auto folder = output_folder_of(wished);
  if (!folder)
    co_return of_output(folder.error());
  auto below = *folder;
  auto ready = co_await context.edge.results.prepare(std::move(below));
  if (!ready)
    co_return of_output(ready.error());
  co_return std::move(*folder);
}

/// @returns whether the run exists perhaps, although the farm has not said so.
bool is_unclear(errc code) {
  switch (code) {
  case errc::deadline_exceeded:
  case errc::actor_lost:
  case errc::shutting_down:
  case errc::store_failed:
  case errc::internal:
    return true;
  default:
    return false;
  }
}

/// What the farm refuses, in the words of the request.
fault as_asked(fault what) {
  // No provider was asked: a model that cannot be is a wrong value of the request.
  if (what.code == errc::credentials_rejected)
    what.code = errc::invalid_argument;
  if (what.where == "model_id" || what.where == "provider" || what.where == "task_ids")
    what.where = "model";
  if (what.where == "execution")
    what.where = "mode";
  return what;
}

awaitable<result<run_submitted>> submit(request_context& context, std::shared_ptr<const llm::llm_batch> wish,
                                        submit_run message) {
  auto rows = co_await context.edge.batches.write(wish);
  if (!rows)
    co_return rows.error();
  const auto file = *rows;
  own_task task;
  task.definition = llm::batch_task(wish->system_prompt);
  task.dataset = file.string();
  message.request.own = std::move(task);
  auto answer = co_await context.edge.farm.submit(std::move(message));
  const bool is_used =
      answer ? std::ranges::any_of(answer->record.spec.tasks,
                                   [&](const pinned_task& one) { return one.dataset_path == file.string(); })
             : is_unclear(answer.error().code);
  if (!is_used) {
    auto unused = file;
    co_await context.edge.batches.remove(std::move(unused));
  }
  if (!answer)
    co_return as_asked(answer.error());
  co_return std::move(*answer);
}

// -- waiting --------------------------------------------------------------------------------------------

/// Waits until the run has ended or rests, or the time is over. A caller that goes ends the wait, not the
/// run.
awaitable<result<void>> wait_for_end(request_context& context, run_id run, milliseconds patience) {
  // The watch ends waits for callers that go, and when the server stops; without it there is none.
  if (context.watch == nullptr)
    co_return result<void>{};
  struct waiting {
    explicit waiting(const asio::any_io_executor& on) : timer(on) {}
    asio::steady_timer timer;
    bool gone = false;
  };
  const auto executor = co_await asio::this_coro::executor;
  const auto state = std::make_shared<waiting>(executor);
  context.watch->start([state] {
    state->gone = true;
    state->timer.cancel();
  });
  const auto end = std::chrono::steady_clock::now() + patience;
  auto pause = first_look;
  result<void> out;
  while (!state->gone) {
    const auto record = context.edge.read_now([&](storage::snapshot& view) { return view.find_run(run); });
    if (!record) {
      out = record.error();
      break;
    }
    const auto now = std::chrono::steady_clock::now();
    if (!*record || is_final((*record)->state) || (*record)->state == run_state::paused || now >= end)
      break;
    boost::system::error_code ignored;
    state->timer.expires_at(std::min(now + pause, end));
    co_await state->timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    pause = std::min(pause * 2, slowest_look);
  }
  context.watch->stop();
  if (state->gone)
    co_return fault{errc::cancelled, "the caller has gone", {}, {}};
  co_return out;
}

/// Every item's line, as one list. Blocks.
result<std::string> all_results(const std::shared_ptr<storage::store>& store, const run_record& run) {
  const auto reader = batch_reader::open(store, run);
  if (!reader)
    return reader.error();
  std::string lines;
  for (bool more = true; more;) {
    const auto stepped = (*reader)->step(lines);
    if (!stepped)
      return stepped.error();
    more = *stepped;
  }
  return lines;
}

json list_of(const std::string& lines) {
  auto out = json::array();
  for (size_t start = 0; start < lines.size();) {
    const auto end = std::min(lines.find('\n', start), lines.size());
    out.push_back(json::parse(lines.begin() + static_cast<std::ptrdiff_t>(start),
                              lines.begin() + static_cast<std::ptrdiff_t>(end), nullptr, false));
    start = end + 1;
  }
  return out;
}

/// 200 with the results of a run that has ended, else 202.
awaitable<result<response>> answer_of_run(request_context& context, run_record run,
                                          std::vector<std::string> notes) {
  const bool ended = is_final(run.state);
  auto shown = status_json(context, run);
  shown["notes"] = std::move(notes);
  if (ended) {
    shown["results"] = nullptr;
    if (run.progress.total <= most_inline_results) {
      auto work = [store = context.edge.store, run]() { return all_results(store, run); };
      auto lines = co_await context.edge.readers.run(std::move(work));
      if (!lines)
        co_return lines.error();
      shown["results"] = list_of(*lines);
    }
  }
  auto out = context.answer(shown, ended ? 200 : 202);
  out.headers.push_back({"Location", "/llm_api/batch/" + to_string(run.spec.id)});
  co_return std::move(out);
}

/// The farm knows how far a live run is; without the farm the stored record is the best there is.
awaitable<run_record> newest(request_context& context, run_record stored) {
  if (is_final(stored.state))
    co_return stored;
  const find_run message{stored.spec.id};
  auto live = co_await context.edge.farm.find(message);
  if (live)
    co_return std::move(*live);
  co_return stored;
}

// -- reading --------------------------------------------------------------------------------------------

/// Reads on only when the caller has taken what came before, so that memory is bounded by a piece.
class batch_source final : public body_source {
public:
  batch_source(std::shared_ptr<batch_reader> reader, edge_services& edge)
      : reader_(std::move(reader)), edge_(edge) {}

  awaitable<std::string> next() override {
    std::string out;
    while (out.empty() && more_) {
      auto work = [reader = reader_]() -> result<piece> {
        piece made;
        const auto stepped = reader->step(made.text);
        if (!stepped)
          return stepped.error();
        made.more = *stepped;
        return made;
      };
      auto read = co_await edge_.readers.run(std::move(work));
      if (!read) {
        edge_.log.warn("the results of a batch were broken off reason=\"{}\"", to_string(read.error()));
        more_ = false;
        broken_ = true;
        co_return std::string{};
      }
      out = std::move(read->text);
      more_ = read->more;
    }
    co_return out;
  }

  bool broken() const override { return broken_; }

private:
  struct piece {
    std::string text;
    bool more = true;
  };

  const std::shared_ptr<batch_reader> reader_;
  edge_services& edge_;
  bool more_ = true;
  bool broken_ = false;
};

} // namespace

awaitable<result<response>> start_batch(request_context& context) {
  const auto how = asking_of(context);
  if (!how)
    co_return how.error();
  auto read = llm::read_llm_batch(*context.body);
  if (!read)
    co_return read.error();
  if (auto refused = refuse_uncounted_calls(context))
    co_return std::move(*refused);
  const auto wish = std::make_shared<const llm::llm_batch>(std::move(*read));
  submit_run message;
  message.request = request_of(*wish, wish->common.cache == cache_use::off ? how->cache : wish->common.cache);
  message.owner = context.who().id;
  message.api_key = context.who().api_key;
  message.key_budget = context.who().key_budget;
  message.idempotency_key = context.http.header("Idempotency-Key");
  if (!message.idempotency_key.empty() && !is_caller_id(message.idempotency_key))
    co_return fault{errc::invalid_argument,
                    "must be 1 to 128 characters out of letters, digits, '.', '_' and '-'",
                    "Idempotency-Key",
                    {}};
  auto settled = co_await settle_model(context.edge, message);
  if (!settled)
    co_return as_asked(settled.error());
  auto place = co_await prepare_output(context, wish->output_dir);
  if (!place)
    co_return place.error();
  message.request.output_path = std::move(*place);
  auto answer = co_await submit(context, wish, std::move(message));
  if (!answer)
    co_return answer.error();
  auto run = std::move(answer->record);
  if (!run.spec.output_path.empty())
    co_await context.edge.results.expect(run.spec.id);
  if (wish->wait.value_or(run.spec.way != call_way::batch)) {
    auto waited = co_await wait_for_end(context, run.spec.id, how->timeout);
    if (!waited)
      co_return waited.error();
    auto stored = context.edge.read_now([&](storage::snapshot& view) { return view.find_run(run.spec.id); });
    if (!stored)
      co_return stored.error();
    if (*stored)
      run = std::move(**stored);
  }
  run = co_await newest(context, std::move(run));
  auto notes = std::move(answer->notes);
  auto out = co_await answer_of_run(context, std::move(run), std::move(notes));
  co_return out;
}

awaitable<result<response>> find_batch(request_context& context) {
  auto stored = batch_in_path(context);
  if (!stored)
    co_return stored.error();
  const auto run = co_await newest(context, std::move(*stored));
  co_return context.answer(status_json(context, run));
}

awaitable<result<response>> read_batch(request_context& context) {
  auto run = batch_in_path(context);
  if (!run)
    co_return run.error();
  response out;
  out.content_type = "application/x-ndjson";
  out.headers.push_back(
      {"Content-Disposition",
       "attachment; filename=\"" + storage::as_file_name(llm::batch_file_name(*run)) + ".jsonl\""});
  auto work = [store = context.edge.store,
               record = std::move(*run)]() mutable -> result<std::shared_ptr<batch_reader>> {
    auto opened = batch_reader::open(store, std::move(record));
    if (!opened)
      return opened.error();
    return std::shared_ptr<batch_reader>(std::move(*opened));
  };
  auto reader = co_await context.edge.readers.run(std::move(work));
  if (!reader)
    co_return reader.error();
  auto source = std::make_shared<batch_source>(std::move(*reader), context.edge);
  out.source = std::move(source);
  co_return std::move(out);
}

awaitable<result<response>> command_batch(request_context& context, run_verb verb) {
  auto stored = batch_in_path(context);
  if (!stored)
    co_return stored.error();
  const auto id = stored->spec.id;
  if (!context.who().may_change_runs_of(stored->spec.owner))
    co_return fault{errc::forbidden, "the batch is somebody else's", {}, "ask its owner or an administrator"};
  if (auto refused = refuse_uncounted_calls(context); refused && verb == run_verb::resume)
    co_return std::move(*refused);
  command_run message;
  message.run = id;
  message.verb = verb;
  auto changed = co_await context.edge.farm.command(message);
  if (!changed) {
    auto what = changed.error();
    if (what.where == to_string(id))
      what.where = "id";
    co_return what;
  }
  // One that ran out of time is resumed by asking again what is missing.
  if (verb == run_verb::resume && !changed->spec.output_path.empty())
    co_await context.edge.results.expect(id);
  co_return context.answer(status_json(context, *changed));
}

} // namespace assay::server
