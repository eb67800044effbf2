#include "server/llm/answer_stream.hpp"

#include "server/caller_watch.hpp"
#include "server/llm/ask.hpp"
#include "server/services.hpp"

#include <utility>

namespace assay::server {

namespace {

/// The body of a streamed answer: what has come goes out as one piece, and more is asked for when that is
/// written.
class answer_stream : public body_source {
public:
  answer_stream(edge_services& edge, std::string api_key, std::unique_ptr<asked_question> question,
                std::unique_ptr<stream_form> form, answer_news&& first)
      : edge_(edge), api_key_(std::move(api_key)), question_(std::move(question)), form_(std::move(form)),
        ready_(std::move(first)) {}

  boost::asio::awaitable<std::string> next() override {
    std::string out;
    while (out.empty() && !over_) {
      if (ready_) {
        const auto news = std::exchange(ready_, std::nullopt);
        out = text_of(*news);
        continue;
      }
      auto news = co_await question_->next();
      if (news)
        out = text_of(*news);
      else
        out = fail(news.error());
    }
    co_return out;
  }

  std::vector<header_field> trailers() override { return std::move(trailers_); }

private:
  std::string text_of(const answer_news& news) {
    std::string out;
    for (const auto& piece : news.pieces)
      out += form_->piece(piece);
    if (!news.outcome)
      return out;
    if (news.outcome->error)
      return out + fail(as_told(*news.outcome));
    over_ = true;
    charge_tokens(edge_, api_key_, *news.outcome);
    trailers_ = facts_of(*news.outcome);
    return out + form_->end(*news.outcome);
  }

  std::string fail(const fault& reason) {
    over_ = true;
    return form_->failure(reason);
  }

  edge_services& edge_; ///< Outlives every session.
  std::string api_key_;
  std::unique_ptr<asked_question> question_;
  std::unique_ptr<stream_form> form_;
  std::optional<answer_news> ready_;
  std::vector<header_field> trailers_;
  bool over_ = false;
};

} // namespace

boost::asio::awaitable<result<response>> ask_and_stream(request_context& context, model_question question,
                                                        std::unique_ptr<stream_form> form) {
  auto api_key = question.api_key;
  auto asked = co_await ask_checked(context.edge, std::move(question));
  if (!asked)
    co_return asked.error();
  auto& waiting = **asked;
  // The stream outlives this function; so does the session's watch, which ends before the stream.
  if (context.watch != nullptr)
    context.watch->start([&waiting] { waiting.abandon(); });
  auto first = co_await waiting.next();
  const bool failed = !first || (first->outcome && first->outcome->error && first->pieces.empty());
  if (failed) {
    if (context.watch != nullptr)
      context.watch->stop();
    if (!first)
      co_return first.error();
    note_wait(context, *first->outcome);
    co_return as_told(*first->outcome);
  }
  response out;
  out.content_type = "text/event-stream; charset=utf-8";
  out.headers.push_back({"Cache-Control", "no-cache"});
  out.headers.push_back({"X-Accel-Buffering", "no"});
  out.headers.push_back({"Trailer", facts_names});
  out.source = std::make_shared<answer_stream>(context.edge, std::move(api_key), std::move(*asked),
                                               std::move(form), std::move(*first));
  co_return std::move(out);
}

} // namespace assay::server
