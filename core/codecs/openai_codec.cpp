#include "core/codecs/openai_answer.hpp"
#include "core/codecs/openai_chat.hpp"
#include "core/codecs/openai_embeddings.hpp"
#include "core/codecs/openai_request.hpp"
#include "core/codecs/openai_routes.hpp"
#include "core/codecs/openai_stream.hpp"

#include <algorithm>

namespace assay::codecs {

namespace {

/// Azure takes its own keys and tokens of Entra ID, each in a header of its own. Tokens are JWTs.
bool is_token(const secret& key) {
  const auto& text = key.reveal();
  return text.starts_with("eyJ") && std::count(text.begin(), text.end(), '.') == 2;
}

class openai_codec final : public wire_codec {
public:
  explicit openai_codec(const provider_profile& provider)
      : rules_(rules_of(provider.dialect)), provider_(provider.id.value), base_url_(provider.base_url),
        azure_(provider.dialect == api_dialect::azure || provider.protocol == wire_protocol::azure_openai),
        routes_(provider),
        answers_({provider.quota_429_is_throttle || rules_.insufficient_quota_is_throttle}) {}

  std::pair<std::string, secret> credential(const secret& key) const override {
    if (azure_ && !is_token(key))
      return {"api-key", key};
    return {"Authorization", secret{"Bearer " + key.reveal()}};
  }

  http_headers fixed_headers() const override { return {}; }

  result<encoded_request> encode_chat(const chat_request& request) override {
    return placed(write_chat(request, rules_), routes_.of_model("/chat/completions", request.model));
  }

  decoded_answer decode_chat(const http_outcome& outcome, wall_time now) override {
    return answers_.read(outcome, now);
  }

  std::unique_ptr<stream_decoder> open_stream() override {
    return std::make_unique<openai_stream>(answers_.options());
  }

  rate_limit_report read_limits(const http_headers& headers, wall_time now) const override {
    return read_rate_limits(headers, now);
  }

  result<encoded_request> encode_embeddings(const embedding_request& request) override {
    return placed(write_embeddings(request, rules_), routes_.of_model("/embeddings", request.model));
  }

  decoded<embedding_answer> decode_embeddings(const http_outcome& outcome, wall_time now) override {
    auto body = answers_.read_body(outcome, now, "data");
    if (auto* failure = std::get_if<call_failure>(&body))
      return std::move(*failure);
    const auto root = std::get<dom::element>(body);
    const auto data = member(root, "data");
    auto vectors = data ? read_vectors(*data) : std::nullopt;
    if (!vectors)
      return malformed("the answer has no vector for each text", outcome);
    answer_facts facts;
    read_facts(root, facts, false);
    embedding_answer answer;
    answer.vectors = std::move(*vectors);
    answer.usage = facts.usage;
    answer.usage_present = facts.usage_present;
    // Vectors take no tokens to write, so some servers count the texts alone.
    if (const auto usage = member(root, "usage"); usage && !answer.usage_present)
      if (const auto prompt = count_member(*usage, "prompt_tokens")) {
        answer.usage.prompt_tokens = *prompt;
        answer.usage_present = true;
      }
    answer.served_model = std::move(facts.served_model);
    answer.request_id = request_id_of(outcome.headers);
    answer.simulated = facts.simulated;
    return answer;
  }

  bool counts_tokens() const noexcept override { return rules_.count != count_form::none; }

  result<encoded_request> encode_count(const chat_request& request) override {
    if (rules_.count == count_form::none)
      return fault{errc::unsupported, std::string(rules_.name) + " counts no tokens before a call",
                   "providers." + provider_, "anthropic, gemini, vLLM and llama.cpp do"};
    const bool beside = rules_.count == count_form::tokenize && base_url_.ends_with("/v1");
    auto encoded =
        placed(write_count(request, rules_),
               rules_.count == count_form::tokenize ? "/tokenize" : "/chat/completions/input_tokens");
    if (encoded)
      encoded->at_origin = beside;
    return encoded;
  }

  decoded<uint32_t> decode_count(const http_outcome& outcome, wall_time now) override {
    const auto* const key = rules_.count == count_form::tokenize ? "count" : "input_tokens";
    auto body = answers_.read_body(outcome, now, key);
    if (auto* failure = std::get_if<call_failure>(&body))
      return std::move(*failure);
    if (const auto count = count_member(std::get<dom::element>(body), key))
      return *count;
    return malformed(std::string("the answer has no number `") + key + "`", outcome);
  }

  result<encoded_request> encode_model_list(std::string_view page) override {
    if (!page.empty())
      return fault{errc::invalid_argument, "the list of models has one page only", "page", ""};
    auto target = routes_.of_all("/models");
    if (!target)
      return fault{errc::unsupported, "this address serves one deployment and no list of models",
                   "providers." + provider_ + ".base_url", "end it with /openai"};
    encoded_request out;
    out.target = std::move(*target);
    return out;
  }

  decoded<model_page> decode_model_list(const http_outcome& outcome, wall_time now) override {
    auto body = answers_.read_body(outcome, now, "data");
    if (auto* failure = std::get_if<call_failure>(&body))
      return std::move(*failure);
    auto models = read_models(std::get<dom::element>(body));
    if (!models)
      return malformed("the answer has no list of models", outcome);
    return model_page{std::move(*models), {}};
  }

private:
  static result<encoded_request> placed(result<written_body> body, std::string target) {
    if (!body)
      return body.error();
    encoded_request out;
    out.target = std::move(target);
    out.body = shared_text(body->text);
    out.dropped = std::move(body->dropped);
    return out;
  }

  const openai_rules& rules_;
  std::string provider_;
  std::string base_url_;
  bool azure_;
  openai_routes routes_;
  openai_answers answers_;
};

} // namespace

std::unique_ptr<wire_codec> make_openai_codec(const provider_profile& provider) {
  return std::make_unique<openai_codec>(provider);
}

} // namespace assay::codecs
