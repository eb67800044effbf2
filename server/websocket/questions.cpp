#include "core/llm/llm_reply.hpp"
#include "core/llm/llm_request.hpp"
#include "server/llm/ask.hpp"
#include "server/websocket/session.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <utility>

// Questions to models over a WebSocket: their answers share it with everything else that is told.
namespace assay::server {

namespace {

using json = nlohmann::json;

constexpr size_t most_questions = 16;
constexpr uint16_t code_unauthorized = 3000;
/// How often a socket that takes its frames slowly is looked at again.
constexpr std::chrono::milliseconds pause{20};

json delta_json(const std::string& id, const answer_delta& delta) {
  json out{{"id", id}};
  if (!delta.text.empty())
    out["delta"] = delta.text;
  if (!delta.reasoning.empty())
    out["reasoning"] = delta.reasoning;
  return out.size() > 1 ? out : json();
}

} // namespace

result<model_question> web_socket_session::question_of(const json& request) {
  if (!who_->permissions.has(permission::evaluation_create))
    return fault{errc::forbidden, "this needs the permission evaluation:create", {}, {}};
  if (questions_.size() >= most_questions)
    return fault{errc::busy,
                 "this socket has " + std::to_string(most_questions) + " questions open, the most allowed",
                 {},
                 "wait for an answer, or open another socket"};
  auto asked = llm::read_llm_request(request);
  if (!asked) {
    auto reason = asked.error();
    reason.where = reason.where.empty() ? "request" : "request." + reason.where;
    return reason;
  }
  if (auto waiting = edge_.auth.take_request(*who_))
    return std::move(waiting->what);
  // Why else would it be asked here; a provider's own body comes only whole.
  const bool raw = asked->chat.options && asked->chat.options->raw_response;
  if (!request.contains("stream"))
    asked->chat.stream = !raw;
  asking how;
  how.timeout = asked->timeout;
  how.cache = asked->cache;
  return chat_call(who_, how, std::move(asked->chat));
}

result<void> web_socket_session::take_question(const json& command) {
  if (!edge_.auth.still_valid(*who_)) {
    close(code_unauthorized, "the session has ended");
    return fault{errc::unauthenticated, "the session has ended", {}, "log in again"};
  }
  const auto& id = command.at("id").get_ref<const std::string&>();
  if (questions_.contains(id))
    return fault{errc::conflict, "a question with this id is open", "id", "choose another id"};
  auto question = question_of(command.at("request"));
  if (!question) {
    fail_question(id, question.error());
    return {};
  }
  const auto round = ++rounds_;
  questions_[id].round = round;
  boost::asio::co_spawn(
      socket_.get_executor(),
      [self = shared_from_this(), id, round, call = std::move(*question)]() mutable
      -> boost::asio::awaitable<void> { co_await self->answer_question(id, round, std::move(call)); },
      boost::asio::detached);
  return {};
}

result<void> web_socket_session::cancel_question(const json& command) {
  const auto& id = command.at("id").get_ref<const std::string&>();
  const auto found = questions_.find(id);
  if (found == questions_.end())
    return fault{errc::not_found, "no question with this id is open", "id", {}};
  auto* question = found->second.handle;
  questions_.erase(found);
  if (question != nullptr)
    question->abandon();
  fail_question(id, {errc::cancelled, "cancelled by the caller", {}, {}});
  return {};
}

void web_socket_session::fail_question(const std::string& id, const fault& reason,
                                       std::optional<milliseconds> retry_after) {
  auto data = failure_json(reason);
  if (retry_after)
    data["retry_after"] = std::max(seconds{1}, std::chrono::ceil<seconds>(*retry_after)).count();
  data["id"] = id;
  reply("llm_failed", data);
}

boost::asio::awaitable<void> web_socket_session::answer_question(std::string id, uint64_t round,
                                                                 model_question question) {
  const auto api_key = question.api_key;
  const auto model = question.model;
  auto asked = co_await ask_checked(edge_, std::move(question));
  // Cancelled meanwhile, or the socket has ended: whoever lets go of the question withdraws it.
  const auto is_open = [&] {
    const auto found = questions_.find(id);
    return open_ && found != questions_.end() && found->second.round == round;
  };
  if (!is_open())
    co_return;
  if (!asked) {
    questions_.erase(id);
    co_return fail_question(id, asked.error());
  }
  questions_[id].handle = asked->get();
  std::string text;
  boost::asio::steady_timer later{socket_.get_executor()};
  while (true) {
    auto news = co_await (*asked)->next();
    if (!is_open())
      co_return;
    if (!news || (news->outcome && news->outcome->error)) {
      questions_.erase(id);
      if (news)
        co_return fail_question(id, as_told(*news->outcome), news->outcome->retry_after);
      co_return fail_question(id, news.error());
    }
    for (const auto& piece : news->pieces) {
      text += piece.text;
      if (const auto data = delta_json(id, piece); !data.is_null())
        reply("llm_delta", data);
    }
    if (news->outcome) {
      questions_.erase(id);
      charge_tokens(edge_, api_key, *news->outcome);
      auto answer = answer_of(*news->outcome);
      if (answer.text.empty())
        answer.text = text;
      auto data = llm::llm_answer(answer, facts_of_answer(*news->outcome, model));
      data["id"] = id;
      co_return reply("llm_completed", data);
    }
    // More pieces come only once these are on their way to the client.
    while (is_open() && queue_->waiting_bytes() > edge_.options.limits.web_socket_backlog_bytes / 4) {
      boost::system::error_code ignored;
      later.expires_after(pause);
      co_await later.async_wait(boost::asio::redirect_error(boost::asio::use_awaitable, ignored));
    }
  }
}

} // namespace assay::server
