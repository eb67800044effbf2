#include "server/llm/ask.hpp"

#include "server/caller_watch.hpp"
#include "server/model_choice.hpp"
#include "server/services.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cstdio>

namespace assay::server {

namespace {

constexpr double longest_timeout = 86'400;

model_question question_of(const std::optional<principal>& caller, const asking& how, std::string model) {
  model_question out;
  if (caller) {
    out.tenant = caller->id;
    out.api_key = caller->api_key;
    out.key_budget = caller->key_budget;
  }
  out.model = std::move(model);
  out.cache = how.cache;
  out.request.timeout = how.timeout;
  return out;
}

/// A provider's 404 is about the model where it says so, in whatever words.
bool names_a_model(std::string_view message) {
  std::string lower(message);
  std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return std::tolower(c); });
  return lower.find("model") != std::string::npos || lower.find("deployment") != std::string::npos;
}

} // namespace

result<asking> asking_of(const request_context& context) {
  asking out;
  out.timeout = context.edge.options.model_timeout;
  if (const auto word = context.http.header("x-assay-cache"); !word.empty()) {
    const auto use = cache_use_from_string(word);
    if (!use)
      return fault{errc::invalid_argument, "must be off, use, rewrite or remove", "x-assay-cache", {}};
    out.cache = *use;
  }
  if (const auto text = context.http.header("x-assay-timeout"); !text.empty()) {
    double number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || end != text.data() + text.size()
        || !(number >= 0.1 && number <= longest_timeout))
      return fault{
          errc::invalid_argument, "must be a number of seconds, from 0.1 to 86400", "x-assay-timeout", {}};
    out.timeout = milliseconds{static_cast<milliseconds::rep>(number * 1000)};
  }
  return out;
}

model_question chat_call(const std::optional<principal>& caller, const asking& how,
                         llm::chat_question question) {
  auto out = question_of(caller, how, std::move(question.model));
  out.request.messages = std::move(question.messages);
  out.request.parameters = std::move(question.parameters);
  out.request.options = std::move(question.options);
  out.request.stream = question.stream;
  return out;
}

model_question embedding_call(const std::optional<principal>& caller, const asking& how,
                              llm::embedding_question question) {
  auto out = question_of(caller, how, std::move(question.model));
  size_t bytes = 0;
  for (const auto& text : question.texts)
    bytes += text.size();
  out.request.estimated_tokens = static_cast<uint32_t>(bytes / 4 + 1);
  out.request.kind = call_kind::embed;
  auto inputs = std::make_shared<embedding_inputs>();
  inputs->texts = std::move(question.texts);
  inputs->dimensions = question.dimensions;
  out.request.inputs = std::move(inputs);
  return out;
}

model_question count_call(const std::optional<principal>& caller, const asking& how,
                          llm::chat_question question) {
  auto out = chat_call(caller, how, std::move(question));
  out.request.stream = false;
  out.request.kind = call_kind::count_tokens;
  return out;
}

void charge_tokens(edge_services& edge, const std::string& api_key, const call_outcome& outcome) {
  if (!api_key.empty() && !outcome.cached)
    edge.auth.keys().spend_tokens(api_key, int64_t{outcome.usage.prompt_tokens}
                                               + int64_t{outcome.usage.completion_tokens});
}

namespace {

/// @returns what a model has to be able to do for the question.
control::selection_wish wish_of(const call& asked) {
  control::selection_wish out;
  out.answer_tokens = asked.parameters.max_tokens.value_or(0);
  const auto all = uint64_t{llm::estimated_tokens(asked.messages, asked.parameters)};
  out.content_tokens = all > out.answer_tokens ? all - out.answer_tokens : 0;
  for (const auto& message : asked.messages)
    if (message.extras && !message.extras->images.empty() && out.capabilities.empty())
      out.capabilities.emplace_back("vision");
  if (asked.options && !asked.options->tools.empty())
    out.capabilities.emplace_back("function_calling");
  return out;
}

} // namespace

boost::asio::awaitable<result<std::unique_ptr<asked_question>>> ask_checked(edge_services& edge,
                                                                            model_question question) {
  if (question.request.kind != call_kind::embed && leaves_choice(edge, question.model)) {
    auto wish = wish_of(question.request);
    auto chosen = co_await choose_model(edge, question.model, std::move(wish));
    if (!chosen)
      co_return chosen.error();
    question.model = std::move(chosen->model);
  }
  std::vector<std::string> pictures;
  if (edge.options.check_picture)
    for (const auto& message : question.request.messages)
      if (message.extras)
        for (const auto& picture : message.extras->images)
          if (!picture.url.empty())
            pictures.push_back(picture.url);
  if (!pictures.empty()) {
    auto work = [&check = edge.options.check_picture, pictures = std::move(pictures)]() -> result<void> {
      for (const auto& url : pictures)
        if (auto good = check(url); !good)
          return good;
      return {};
    };
    auto good = co_await edge.readers.run(std::move(work));
    if (!good) {
      auto reason = good.error();
      if (reason.code != errc::busy) {
        reason.where = "image_url";
        reason.hint = "send the picture itself, or let the operator allow the address";
      }
      co_return reason;
    }
  }
  co_return co_await edge.farm.ask_model(std::move(question));
}

boost::asio::awaitable<result<call_outcome>> ask_and_wait(request_context& context, model_question question) {
  const auto api_key = question.api_key;
  const bool takes_tokens = question.request.kind != call_kind::count_tokens;
  auto asked = co_await ask_checked(context.edge, std::move(question));
  if (!asked)
    co_return asked.error();
  auto& waiting = **asked;
  if (context.watch != nullptr)
    context.watch->start([&waiting] { waiting.abandon(); });
  while (true) {
    auto news = co_await waiting.next();
    const bool over = !news || news->outcome;
    if (over && context.watch != nullptr)
      context.watch->stop();
    if (!news)
      co_return news.error();
    if (!news->outcome)
      continue;
    if (news->outcome->error) {
      note_wait(context, *news->outcome);
      co_return as_told(*news->outcome);
    }
    if (takes_tokens)
      charge_tokens(context.edge, api_key, *news->outcome);
    co_return std::move(*news->outcome);
  }
}

boost::asio::awaitable<result<embedded>>
ask_for_vectors(request_context& context, result<llm::embedding_question> (*read)(const nlohmann::json&)) {
  auto how = asking_of(context);
  if (!how)
    co_return how.error();
  auto question = read(*context.body);
  if (!question)
    co_return question.error();
  embedded out;
  out.asked_model = question->model;
  out.as_base64 = question->as_base64;
  auto call = embedding_call(context.caller, *how, std::move(*question));
  auto outcome = co_await ask_and_wait(context, std::move(call));
  if (!outcome)
    co_return outcome.error();
  if (!outcome->embeddings)
    co_return fault{errc::malformed_answer, "the provider sent no vectors", {}, {}};
  out.outcome = std::move(*outcome);
  co_return std::move(out);
}

void note_wait(request_context& context, const call_outcome& outcome) {
  if (outcome.retry_after)
    context.retry_after = std::max(seconds{1}, std::chrono::ceil<seconds>(*outcome.retry_after));
}

fault as_told(const call_outcome& outcome) {
  auto reason = *outcome.error;
  // Too large was the provider's answer: the edge has taken the request.
  if (reason.code == errc::too_large)
    reason.code = errc::malformed_answer;
  if (reason.code != errc::provider_rejected)
    return reason;
  const auto status = outcome.http_status;
  if (status == 404 && names_a_model(reason.message)) {
    reason.code = errc::not_found;
    reason.where = "model";
    reason.hint = "GET /v1/models lists those that can be asked";
  } else if (status == 404 || status == 405 || (status >= 300 && status < 400)) {
    reason.code = errc::malformed_answer;
    reason.hint = status < 400
                      ? "redirects are not followed; the operator has to set the provider's base_url "
                        "to where it leads"
                      : "the provider has nothing there; the operator has to look at its base_url";
  }
  return reason;
}

llm::model_answer answer_of(const call_outcome& outcome) {
  llm::model_answer out;
  out.text = outcome.answer.view();
  out.extras = outcome.extras.get();
  out.finish = outcome.finish;
  out.usage = outcome.usage;
  out.served_model = outcome.served_model;
  return out;
}

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

std::vector<header_field> facts_of(const call_outcome& outcome) {
  std::vector<header_field> out;
  if (!outcome.served_by.empty())
    out.push_back({"x-assay-served-by", outcome.served_by});
  if (outcome.cost) {
    std::array<char, 40> text{};
    std::snprintf(text.data(), text.size(), "%.9f", to_dollars(*outcome.cost));
    out.push_back({"x-assay-cost", text.data()});
  }
  out.push_back({"x-assay-cached", outcome.cached ? "true" : "false"});
  return out;
}

} // namespace assay::server
