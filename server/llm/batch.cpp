#include "server/llm/batch.hpp"

#include "core/llm/llm_request.hpp"
#include "core/llm/prompt_template.hpp"
#include "server/auth/passwords.hpp"
#include "server/caller_watch.hpp"
#include "server/llm/ask.hpp"
#include "server/services.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <set>

namespace assay::server {

namespace {

namespace asio = boost::asio;
using json = nlohmann::json;
using boost::system::error_code;

/// Beyond the time of its questions; what is left then is withdrawn.
constexpr milliseconds patience_beyond{30'000};

/// One batch on its way. Its askers take the next item each, until there is none.
struct running_batch {
  running_batch(const asio::any_io_executor& on, edge_services& to) : edge(to), all_done(on) {}

  edge_services& edge;
  llm::llm_batch wish;
  model_question common; ///< Without the prompt.
  asio::steady_timer all_done;
  std::vector<json> results;
  size_t next = 0;
  size_t askers = 0;
  bool stopped = false; ///< The caller has gone.
  std::set<asked_question*> open;

  size_t completed = 0;
  uint64_t tokens = 0;
  double cost = 0;

  void stop() {
    stopped = true;
    for (auto* question : open)
      question->abandon();
  }

  void fail(size_t index, const fault& reason) {
    results[index]["error"] = to_string(reason);
    results[index]["error_code"] = to_string(reason.code);
  }

  void keep(size_t index, const call_outcome& outcome) {
    ++completed;
    tokens += uint64_t{outcome.usage.prompt_tokens} + outcome.usage.completion_tokens;
    if (outcome.cost)
      cost += to_dollars(*outcome.cost);
    results[index]["response"] = outcome.answer.view();
    results[index]["usage"] = llm::llm_usage(outcome.usage, outcome.cost);
    results[index]["finish_reason"] = llm::finish_word(outcome.finish);
    results[index]["cached"] = outcome.cached;
  }
};

using batch_ptr = std::shared_ptr<running_batch>;

asio::awaitable<void> ask_item(running_batch& batch, size_t index) {
  auto prompt = llm::fill_prompt(batch.wish.prompt_template, batch.results[index]["item"]);
  if (!prompt)
    co_return batch.fail(index, prompt.error());
  auto question = batch.common;
  chat_message message;
  message.content = shared_text(*prompt);
  question.request.messages.push_back(std::move(message));
  auto asked = co_await ask_checked(batch.edge, std::move(question));
  if (!asked)
    co_return batch.fail(index, asked.error());
  auto& waiting = **asked;
  batch.open.insert(&waiting);
  if (batch.stopped)
    waiting.abandon();
  while (true) {
    auto news = co_await waiting.next();
    if (news && !news->outcome)
      continue;
    batch.open.erase(&waiting);
    if (!news)
      co_return batch.fail(index, news.error());
    if (news->outcome->error)
      co_return batch.fail(index, *news->outcome->error);
    co_return batch.keep(index, *news->outcome);
  }
}

asio::awaitable<void> ask_items(batch_ptr batch) {
  while (batch->next < batch->results.size() && !batch->stopped) {
    const auto index = batch->next++;
    co_await ask_item(*batch, index);
  }
  if (--batch->askers == 0)
    batch->all_done.cancel();
}

json shown(const running_batch& batch, const std::string& id, wall_time begun, wall_time ended) {
  return {{"batch_id", id},
          {"results", batch.results},
          {"total_requests", batch.results.size()},
          {"completed_requests", batch.completed},
          {"failed_requests", batch.results.size() - batch.completed},
          {"total_tokens", batch.tokens},
          {"total_cost", batch.cost},
          {"start_time", to_rfc3339(begun)},
          {"end_time", to_rfc3339(ended)}};
}

} // namespace

llm::answer_facts facts_of_answer(const call_outcome& outcome, const std::string& model) {
  llm::answer_facts out;
  const auto slash = outcome.served_by.find('/');
  if (slash != std::string::npos) {
    out.provider = outcome.served_by.substr(0, slash);
    out.model = outcome.served_by.substr(slash + 1);
  }
  if (out.model.empty())
    out.model = model;
  out.cost = outcome.cost;
  out.cached = outcome.cached;
  out.usage_estimated = outcome.usage_estimated;
  return out;
}

asio::awaitable<result<response>> ask_batch(request_context& context) {
  auto how = asking_of(context);
  if (!how)
    co_return how.error();
  auto wish = llm::read_llm_batch(*context.body);
  if (!wish)
    co_return wish.error();
  how->timeout = wish->common.timeout;
  if (wish->common.cache != cache_use::off)
    how->cache = wish->common.cache;
  const auto& clock = context.edge.options.time;
  const auto begun = clock.wall();
  const auto executor = co_await asio::this_coro::executor;
  const auto batch = std::make_shared<running_batch>(executor, context.edge);
  batch->common = chat_call(context.caller, *how, std::move(wish->common.chat));
  batch->wish = std::move(*wish);
  size_t index = 0;
  for (const auto& item : *batch->wish.items)
    batch->results.push_back({{"index", index++}, {"item", item}});
  if (context.watch != nullptr)
    context.watch->start([batch] { batch->stop(); });
  batch->askers = std::min<size_t>(batch->wish.max_concurrent_requests, batch->results.size());
  const auto rounds = (batch->results.size() + batch->askers - 1) / batch->askers;
  batch->all_done.expires_after(how->timeout * static_cast<int64_t>(rounds) + patience_beyond);
  for (size_t i = batch->askers; i-- > 0;)
    asio::co_spawn(executor, ask_items(batch), asio::detached);
  error_code error;
  if (batch->askers > 0)
    co_await batch->all_done.async_wait(asio::redirect_error(asio::use_awaitable, error));
  if (context.watch != nullptr)
    context.watch->stop();
  const bool gone = batch->stopped;
  batch->stop();
  if (gone)
    co_return fault{errc::cancelled, "the caller has gone", {}, {}};
  co_return context.answer(shown(*batch, "batch_" + random_hex(8), begun, clock.wall()));
}

} // namespace assay::server
