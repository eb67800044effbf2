#include "core/codecs/openai_answer.hpp"
#include "core/codecs/openai_chat.hpp"
#include "core/codecs/openai_embeddings.hpp"
#include "core/codecs/openai_request.hpp"
#include "core/codecs/openai_stream.hpp"

#include <algorithm>

namespace assay::codecs {

namespace {

/// The last version of Azure's classic API that was made final.
constexpr std::string_view default_api_version = "2024-10-21";

/// Where the routes of a provider stand below its base URL.
class route_table {
public:
  explicit route_table(const provider_profile& provider) {
    const std::string_view base = provider.base_url;
    if (provider.protocol != wire_protocol::azure_openai || base.ends_with("/v1"))
      return;
    query_ = "?api-version=";
    append_path_segment(query_, provider.api_version.empty() ? default_api_version : provider.api_version);
    if (base.find("/deployments/") != std::string_view::npos) {
      deployment_fixed_ = true;
    } else if (base.ends_with("/deployments")) {
      deployments_ = "/";
    } else {
      others_ = base.ends_with("/openai") ? "" : "/openai";
      deployments_ = others_ + "/deployments/";
    }
  }

  /// A route that Azure has once for each deployment.
  std::string of_model(std::string_view route, std::string_view model) const {
    if (query_.empty())
      return std::string(route);
    std::string out = deployments_;
    if (!deployment_fixed_)
      append_path_segment(out, model);
    return out.append(route).append(query_);
  }

  /// A route beside the deployments, or nothing when the base URL is too deep for it.
  std::optional<std::string> of_all(std::string_view route) const {
    if (!query_.empty() && (deployment_fixed_ || deployments_ == "/"))
      return std::nullopt;
    return std::string(others_).append(route).append(query_);
  }

private:
  std::string query_; ///< Empty: everything stands right below the base URL.
  std::string others_;
  std::string deployments_;
  bool deployment_fixed_ = false; ///< The base URL names the deployment.
};

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
    answer.served_model = std::move(facts.served_model);
    return answer;
  }

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
  route_table routes_;
  openai_answers answers_;
};

} // namespace

std::unique_ptr<wire_codec> make_openai_codec(const provider_profile& provider) {
  return std::make_unique<openai_codec>(provider);
}

} // namespace assay::codecs
