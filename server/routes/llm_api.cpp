#include "core/llm/embeddings.hpp"
#include "core/llm/llm_reply.hpp"
#include "core/llm/llm_request.hpp"
#include "server/llm/answer_stream.hpp"
#include "server/llm/ask.hpp"
#include "server/llm/batch.hpp"
#include "server/request_context.hpp"
#include "server/routes/families.hpp"
#include "server/services.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace assay::server {

namespace {

using json = nlohmann::json;
template <class T>
using awaitable = boost::asio::awaitable<T>;

bool wants_events(const request_context& context) {
  return context.http.header("Accept").find("text/event-stream") != std::string_view::npos;
}

// -- one answer -----------------------------------------------------------------------------------------

/// Pieces as {"delta": text}, then the whole answer as a request without stream gets it.
class llm_events : public stream_form {
public:
  llm_events(std::string model, exchange_facts facts) : model_(std::move(model)), facts_(std::move(facts)) {}

  std::string piece(const answer_delta& delta) override {
    text_ += delta.text;
    json event;
    if (!delta.text.empty())
      event["delta"] = delta.text;
    if (!delta.reasoning.empty())
      event["reasoning"] = delta.reasoning;
    return event.is_null() ? std::string{} : "data: " + to_text(event) + "\n\n";
  }

  std::string end(const call_outcome& outcome) override {
    auto answer = answer_of(outcome);
    if (answer.text.empty())
      answer.text = text_;
    return "data: "
           + success_body(family::datalab, llm::llm_answer(answer, facts_of_answer(outcome, model_)), facts_)
           + "\n\ndata: [DONE]\n\n";
  }

  std::string failure(const fault& reason) override {
    return "data: " + error_body(family::datalab, problem_of(family::datalab, reason), facts_) + "\n\n";
  }

private:
  std::string model_;
  exchange_facts facts_;
  std::string text_;
};

awaitable<result<response>> invoke(request_context& context) {
  auto how = asking_of(context);
  if (!how)
    co_return how.error();
  auto question = llm::read_llm_request(*context.body);
  if (!question)
    co_return question.error();
  how->timeout = question->timeout;
  if (question->cache != cache_use::off)
    how->cache = question->cache;
  const auto model = question->chat.model;
  const bool as_events = question->chat.stream && wants_events(context);
  // Collected otherwise: nobody would see the pieces.
  question->chat.stream = as_events;
  auto call = chat_call(context.caller, *how, std::move(question->chat));
  if (as_events) {
    std::unique_ptr<stream_form> form = std::make_unique<llm_events>(model, context.facts());
    co_return co_await ask_and_stream(context, std::move(call), std::move(form));
  }
  auto outcome = co_await ask_and_wait(context, std::move(call));
  if (!outcome)
    co_return outcome.error();
  auto out = context.answer(llm::llm_answer(answer_of(*outcome), facts_of_answer(*outcome, model)));
  out.headers = facts_of(*outcome);
  co_return std::move(out);
}

// -- other questions ------------------------------------------------------------------------------------

awaitable<result<response>> embed(request_context& context) {
  const auto asked = co_await ask_for_vectors(context, &llm::read_llm_embeddings);
  if (!asked)
    co_return asked.error();
  const auto& outcome = asked->outcome;
  const auto facts = facts_of_answer(outcome, asked->asked_model);
  const auto& vectors = outcome.embeddings->vectors;
  json shown{{"embeddings", vectors},
             {"dimensions", vectors.empty() ? 0 : vectors.front().size()},
             {"model", outcome.served_model.empty() ? facts.model : outcome.served_model},
             {"provider", facts.provider},
             {"usage", llm::llm_usage(outcome.usage, outcome.cost)},
             {"tokens_used", outcome.usage.prompt_tokens},
             {"cost", outcome.cost ? json(to_dollars(*outcome.cost)) : json()}};
  auto out = context.answer(shown);
  out.headers = facts_of(outcome);
  co_return std::move(out);
}

awaitable<result<response>> count_tokens(request_context& context) {
  auto how = asking_of(context);
  if (!how)
    co_return how.error();
  auto question = llm::read_llm_count(*context.body);
  if (!question)
    co_return question.error();
  const auto model = question->model;
  auto call = count_call(context.caller, *how, std::move(*question));
  auto outcome = co_await ask_and_wait(context, std::move(call));
  if (!outcome)
    co_return outcome.error();
  const auto facts = facts_of_answer(*outcome, model);
  json shown{{"token_count", outcome->usage.prompt_tokens},
             {"estimated", outcome->usage_estimated},
             {"model", facts.model},
             {"provider", facts.provider}};
  auto out = context.answer(shown);
  out.headers = facts_of(*outcome);
  co_return std::move(out);
}

// -- providers ------------------------------------------------------------------------------------------

json model_info(const model_profile& model) {
  return {{"model", model.id.value},
          {"context_window", model.context_window == 0 ? json() : json(model.context_window)},
          {"max_output_tokens", model.max_output_tokens == 0 ? json() : json(model.max_output_tokens)},
          {"capabilities", documented_capabilities(model.capabilities)},
          {"input_per_mtok", model.prices ? json(model.prices->input_per_mtok) : json()},
          {"output_per_mtok", model.prices ? json(model.prices->output_per_mtok) : json()}};
}

awaitable<result<response>> list_providers(request_context& context) {
  const auto all =
      context.edge.options.current_catalogue ? context.edge.options.current_catalogue() : nullptr;
  auto items = json::array();
  if (all)
    for (const auto& provider : all->providers) {
      auto models = json::array();
      for (const auto& model : all->models)
        if (model.provider == provider.id)
          models.push_back(model_info(model));
      if (!provider.usable && models.empty() && provider.base_url.empty())
        continue; // Nobody has configured it.
      items.push_back({{"id", provider.id.value},
                       {"protocol", to_string(provider.protocol)},
                       {"usable", provider.usable},
                       {"models", std::move(models)}});
    }
  co_return context.answer({{"providers", std::move(items)}});
}

route question_route(const char* path, const char* summary, const char* request, const char* answer,
                     route_handler handler) {
  route out;
  out.method = http_method::post;
  out.path = path;
  out.kind = family::datalab;
  out.needs = permission::evaluation_create;
  out.tag = "llm_api";
  out.summary = summary;
  out.request_schema = request;
  out.response_schema = answer;
  out.asks_models = true;
  out.header_parameters = {"x-assay-cache", "x-assay-timeout"};
  out.handler = std::move(handler);
  return out;
}

route batch_route(http_method method, const char* path, permission needs, const char* summary,
                  route_handler handler) {
  route out;
  out.method = method;
  out.path = path;
  out.kind = family::datalab;
  out.needs = needs;
  out.tag = "llm_api";
  out.summary = summary;
  out.response_schema = "LlmBatchStatus";
  out.handler = std::move(handler);
  return out;
}

route_handler batch_verb(run_verb verb) {
  return [verb](request_context& context) { return command_batch(context, verb); };
}

void add_batch_routes(route_table& table) {
  auto one = question_route("/llm_api/batch", "Ask a model many prompts made from one template",
                            "LlmBatchRequest", "LlmBatchAnswer", &start_batch);
  one.details =
      "A batch is a run: it goes on over restarts, and under budgets. An item that fails is its own error "
      "and "
      "ends nothing else. The answer is 200 with the results once all are done, or 202 with how far it is: "
      "with \"wait\": false, after x-assay-timeout, and for calls that go in batches of the provider.";
  one.header_parameters.push_back("Idempotency-Key");
  table.add(std::move(one));
  table.add(batch_route(http_method::get, "/llm_api/batch/{id}", permission::evaluation_read,
                        "How far a batch is, with its statistics", &find_batch));
  one = batch_route(http_method::get, "/llm_api/batch/{id}/results", permission::evaluation_read,
                    "The results of a batch as JSON lines", &read_batch);
  one.details = "{index, item, response, usage} or {index, item, error}, in the order of the items. Items "
                "whose turn is "
                "still to come are left out. A body that ends without the last chunk is not whole.";
  one.response_schema.clear();
  one.response_type = "application/x-ndjson";
  table.add(std::move(one));
  one = batch_route(http_method::post, "/llm_api/batch/{id}/pause", permission::evaluation_manage,
                    "Pause a batch", batch_verb(run_verb::pause));
  one.details = "No new calls; those on their way finish and are kept.";
  table.add(std::move(one));
  table.add(batch_route(http_method::post, "/llm_api/batch/{id}/resume", permission::evaluation_manage,
                        "Go on with a batch", batch_verb(run_verb::resume)));
  table.add(batch_route(http_method::post, "/llm_api/batch/{id}/cancel", permission::evaluation_manage,
                        "Cancel a batch; what was answered stays", batch_verb(run_verb::cancel)));
}

} // namespace

void add_llm_api_routes(route_table& table) {
  auto one = question_route("/llm_api/invoke", "Ask a model", "LlmRequest", "LlmAnswer", &invoke);
  one.details =
      "With stream and Accept: text/event-stream the answer comes as events {delta}, then as a whole, "
      "then [DONE].";
  table.add(std::move(one));
  add_batch_routes(table);
  table.add(question_route("/llm_api/embeddings", "Vectors of texts", "LlmEmbeddingRequest", "LlmEmbeddings",
                           &embed));
  table.add(question_route("/llm_api/count_tokens", "How many tokens a text is", "LlmCountRequest",
                           "LlmCount", &count_tokens));
  route list;
  list.path = "/llm_api/providers";
  list.kind = family::datalab;
  list.needs = permission::models_read;
  list.tag = "llm_api";
  list.summary = "Providers with their models, windows and prices";
  list.response_schema = "LlmProviders";
  list.handler = &list_providers;
  table.add(std::move(list));
}

} // namespace assay::server
