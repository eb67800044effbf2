#include "core/codecs/gemini.hpp"

#include "core/codecs/error_body.hpp"
#include "core/codecs/gemini_parts.hpp"
#include "core/codecs/json_text.hpp"

namespace assay::codecs {

namespace {

class gemini_codec final : public wire_codec {
public:
  explicit gemini_codec(const provider_profile& provider)
      : prefix_(version_prefix(provider.base_url, "v1beta")) {}

  std::pair<std::string, secret> credential(const secret& key) const override {
    return {"x-goog-api-key", key};
  }
  http_headers fixed_headers() const override { return {}; }

  result<encoded_request> encode_chat(const chat_request& request) override {
    return gemini::encode_chat(request, document_, prefix_);
  }
  decoded_answer decode_chat(const http_outcome& outcome, wall_time now) override {
    return gemini::decode_chat(outcome, document_, now);
  }
  std::unique_ptr<stream_decoder> open_stream() override { return gemini::open_stream(); }

  /// Gemini itself sends no such headers; a proxy may.
  rate_limit_report read_limits(const http_headers& headers, wall_time now) const override {
    return read_rate_limits(headers, now);
  }

  result<encoded_request> encode_embeddings(const embedding_request& request) override {
    return gemini::encode_embeddings(request, prefix_);
  }
  decoded<embedding_answer> decode_embeddings(const http_outcome& outcome, wall_time now) override;

  result<encoded_request> encode_count(const chat_request& request) override {
    return gemini::encode_count(request, document_, prefix_);
  }
  decoded<uint32_t> decode_count(const http_outcome& outcome, wall_time now) override;

  result<encoded_request> encode_model_list(std::string_view page) override;
  decoded<model_page> decode_model_list(const http_outcome& outcome, wall_time now) override;

private:
  /// @returns the body of a success, or why there is none.
  std::variant<dom::element, call_failure> read_body(const http_outcome& outcome, wall_time now);

  std::string prefix_;
  json_document document_;
};

std::variant<dom::element, call_failure> gemini_codec::read_body(const http_outcome& outcome, wall_time now) {
  if (outcome.status == 0)
    return failed_transfer(outcome);
  if (!is_success(outcome.status))
    return gemini::read_failed_status(outcome, document_, now);
  const auto root = document_.parse(outcome.body);
  if (!root)
    return malformed(describe_broken_json(outcome.body), outcome);
  if (find_error(*root, "models"))
    return gemini::read_failure(0, *root, outcome.headers, now);
  return *root;
}

decoded<embedding_answer> gemini_codec::decode_embeddings(const http_outcome& outcome, wall_time now) {
  auto body = read_body(outcome, now);
  if (auto* failure = std::get_if<call_failure>(&body))
    return std::move(*failure);
  const auto root = std::get<dom::element>(body);
  embedding_answer answer;
  bool whole = true;
  each_item(root, "embeddings", [&](dom::element embedding) {
    auto& vector = answer.vectors.emplace_back();
    each_item(embedding, "values", [&](dom::element item) {
      double value = 0;
      whole = item.get(value) == simdjson::SUCCESS && whole;
      vector.push_back(static_cast<float>(value));
    });
    whole = whole && !vector.empty();
  });
  if (answer.vectors.empty() || !whole)
    return malformed("the answer has no list `embeddings` of lists of numbers", outcome);
  if (const auto usage = object_member(root, "usageMetadata"))
    if (const auto tokens = count_member(*usage, "promptTokenCount")) {
      answer.usage.prompt_tokens = *tokens;
      answer.usage_present = true;
    }
  answer.served_model = excerpt(text_member(root, "modelVersion"), 200);
  answer.request_id = request_id_of(outcome.headers);
  answer.simulated = flag_member(root, "simulated");
  return answer;
}

decoded<uint32_t> gemini_codec::decode_count(const http_outcome& outcome, wall_time now) {
  auto body = read_body(outcome, now);
  if (auto* failure = std::get_if<call_failure>(&body))
    return std::move(*failure);
  if (const auto count = count_member(std::get<dom::element>(body), "totalTokens"))
    return *count;
  return malformed("the answer has no number `totalTokens`", outcome);
}

result<encoded_request> gemini_codec::encode_model_list(std::string_view page) {
  encoded_request request;
  request.target = prefix_ + "/models?pageSize=1000";
  if (!page.empty()) {
    request.target += "&pageToken=";
    append_path_segment(request.target, page);
  }
  return request;
}

decoded<model_page> gemini_codec::decode_model_list(const http_outcome& outcome, wall_time now) {
  auto body = read_body(outcome, now);
  if (auto* failure = std::get_if<call_failure>(&body))
    return std::move(*failure);
  const auto root = std::get<dom::element>(body);
  const auto models = member(root, "models");
  if (!models || !models->is_array())
    return malformed("the answer has no list `models`", outcome);
  model_page page;
  each_item(root, "models", [&](dom::element model) {
    auto id = text_member(model, "name");
    if (id.starts_with("models/"))
      id.remove_prefix(std::string_view("models/").size());
    if (!id.empty())
      page.models.push_back({std::string(id), std::string(text_member(model, "displayName")),
                             count_member(model, "inputTokenLimit").value_or(0),
                             count_member(model, "outputTokenLimit").value_or(0)});
  });
  page.next_page = text_member(root, "nextPageToken");
  return page;
}

} // namespace

std::unique_ptr<wire_codec> make_gemini_codec(const provider_profile& provider) {
  return std::make_unique<gemini_codec>(provider);
}

} // namespace assay::codecs
