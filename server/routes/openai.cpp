#include "core/llm/chat_reply.hpp"
#include "core/llm/chat_request.hpp"
#include "core/llm/embeddings.hpp"
#include "server/auth/passwords.hpp"
#include "server/llm/answer_stream.hpp"
#include "server/llm/ask.hpp"
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

// -- chat -----------------------------------------------------------------------------------------------

llm::reply_head head_of(const request_context& context, std::string model) {
  llm::reply_head out;
  out.id = "chatcmpl-" + random_hex(12);
  out.model = std::move(model);
  out.created =
      std::chrono::duration_cast<seconds>(context.edge.options.time.wall().time_since_epoch()).count();
  return out;
}

class chat_chunks : public stream_form {
public:
  chat_chunks(llm::reply_head head, bool include_usage, uint32_t choices, exchange_facts facts)
      : writer_(std::move(head), include_usage, choices), facts_(std::move(facts)) {}

  std::string piece(const answer_delta& delta) override { return writer_.piece(delta); }
  std::string end(const call_outcome& outcome) override { return writer_.end(answer_of(outcome)); }
  std::string failure(const fault& reason) override {
    return llm::chunk_writer::failure(error_body(family::openai, problem_of(family::openai, reason), facts_));
  }

private:
  llm::chunk_writer writer_;
  exchange_facts facts_;
};

awaitable<result<response>> complete_chat(request_context& context) {
  auto how = asking_of(context);
  if (!how)
    co_return how.error();
  auto question = llm::read_chat_request(*context.body);
  if (!question)
    co_return question.error();
  const auto head = head_of(context, question->model);
  const bool stream = question->stream;
  const bool include_usage = question->include_usage;
  const uint32_t choices = question->options ? question->options->choices : 1;
  auto call = chat_call(context.caller, *how, std::move(*question));
  if (stream) {
    std::unique_ptr<stream_form> form =
        std::make_unique<chat_chunks>(head, include_usage, choices, context.facts());
    co_return co_await ask_and_stream(context, std::move(call), std::move(form));
  }
  auto outcome = co_await ask_and_wait(context, std::move(call));
  if (!outcome)
    co_return outcome.error();
  response out;
  out.headers = facts_of(*outcome);
  out.body = llm::chat_completion(head, answer_of(*outcome));
  co_return std::move(out);
}

// -- embeddings -----------------------------------------------------------------------------------------

awaitable<result<response>> embed(request_context& context) {
  const auto asked = co_await ask_for_vectors(context, &llm::read_embedding_request);
  if (!asked)
    co_return asked.error();
  const auto& outcome = asked->outcome;
  response out;
  out.headers = facts_of(outcome);
  out.body = llm::embedding_list(outcome.served_model.empty() ? asked->asked_model : outcome.served_model,
                                 outcome.embeddings->vectors, outcome.usage, asked->as_base64);
  co_return std::move(out);
}

// -- models ---------------------------------------------------------------------------------------------

std::shared_ptr<const catalogue> current(const request_context& context) {
  auto found = context.edge.options.current_catalogue ? context.edge.options.current_catalogue() : nullptr;
  return found ? found : std::make_shared<const catalogue>();
}

json model_json(const model_profile& model) {
  return {{"id", model.id.value},
          {"object", "model"},
          {"created", 0},
          {"owned_by", model.provider.value.empty() ? "assay" : model.provider.value}};
}

awaitable<result<response>> list_models(request_context& context) {
  const auto all = current(context);
  auto items = json::array();
  for (const auto& model : all->models)
    items.push_back(model_json(model));
  co_return context.answer({{"object", "list"}, {"data", std::move(items)}});
}

awaitable<result<response>> find_model(request_context& context) {
  const auto all = current(context);
  std::string name = context.path_value("id");
  // Clients do not encode the slashes of a name.
  for (const auto* before : {"vendor", "provider"})
    if (const auto part = context.path.find(before); part != context.path.end())
      name = part->second + "/" + name;
  const model_id id{name};
  const auto it = std::find_if(all->models.begin(), all->models.end(),
                               [&](const model_profile& one) { return one.id == id; });
  if (it != all->models.end())
    co_return context.answer(model_json(*it));
  if (all->unlisted_model)
    if (const auto unlisted = all->unlisted_model(id); unlisted && unlisted->unavailable.empty()) {
      auto shown = model_json(unlisted->model);
      shown["id"] = name;
      co_return context.answer(shown);
    }
  co_return fault{errc::not_found, "the model `" + name + "` does not exist", "model",
                  "GET /v1/models lists them"};
}

route declared(http_method method, const char* path, const char* summary, const char* schema,
               route_handler handler) {
  route out;
  out.method = method;
  out.path = path;
  out.kind = family::openai;
  out.needs = method == http_method::get ? permission::models_read : permission::evaluation_create;
  out.tag = "openai";
  out.summary = summary;
  out.response_schema = schema;
  out.handler = std::move(handler);
  return out;
}

route question_route(const char* path, const char* summary, const char* request, const char* answer,
                     route_handler handler) {
  auto out = declared(http_method::post, path, summary, answer, std::move(handler));
  out.request_schema = request;
  out.asks_models = true;
  out.header_parameters = {"x-assay-cache", "x-assay-timeout"};
  return out;
}

} // namespace

void add_openai_routes(route_table& table) {
  auto one = question_route("/v1/chat/completions", "Ask a model, as OpenAI's clients do",
                            "ChatCompletionRequest", "ChatCompletion", &complete_chat);
  one.details = "`model` is a model's id, provider/model or a route. With stream the answer comes as "
                "server-sent events of chat.completion.chunk and ends with [DONE]. x-assay-cache: use takes "
                "an answer that was paid for before. Members that are not listed go on to providers that "
                "speak OpenAI's protocol.";
  table.add(std::move(one));

  one = question_route("/v1/embeddings", "Vectors of texts, as OpenAI's clients ask for them",
                       "EmbeddingRequest", "EmbeddingList", &embed);
  table.add(std::move(one));

  table.add(
      declared(http_method::get, "/v1/models", "Models that can be asked", "OpenAiModelList", &list_models));
  table.add(declared(http_method::get, "/v1/models/{id}", "One model that can be asked", "OpenAiModel",
                     &find_model));
  one = declared(http_method::get, "/v1/models/{provider}/{id}", "One model of a provider", "OpenAiModel",
                 &find_model);
  table.add(std::move(one));
  one = declared(http_method::get, "/v1/models/{provider}/{vendor}/{id}",
                 "One model of a provider that serves others' models", "OpenAiModel", &find_model);
  table.add(std::move(one));
}

} // namespace assay::server
