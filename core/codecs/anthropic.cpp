#include "core/codecs/anthropic.hpp"

#include "core/codecs/anthropic_parts.hpp"
#include "core/codecs/error_body.hpp"
#include "core/codecs/json_text.hpp"

namespace assay::codecs {

namespace {

/// The one version there is; the vendor has sent it since 2023.
constexpr std::string_view api_version = "2023-06-01";

class anthropic_codec final : public wire_codec {
public:
  explicit anthropic_codec(const provider_profile& provider)
      : prefix_(version_prefix(provider.base_url, "v1")) {}

  std::pair<std::string, secret> credential(const secret& key) const override { return {"x-api-key", key}; }
  http_headers fixed_headers() const override { return {{"anthropic-version", std::string(api_version)}}; }

  result<encoded_request> encode_chat(const chat_request& request) override {
    return anthropic::encode_chat(request, traits_of(request.model), document_, prefix_);
  }
  decoded_answer decode_chat(const http_outcome& outcome, wall_time now) override {
    return anthropic::decode_chat(outcome, document_, now);
  }
  std::unique_ptr<stream_decoder> open_stream() override { return anthropic::open_stream(); }
  rate_limit_report read_limits(const http_headers& headers, wall_time now) const override {
    return anthropic::read_limits(headers, now);
  }

  result<encoded_request> encode_embeddings(const embedding_request&) override {
    return fault{errc::unsupported, "Anthropic has no embeddings", "provider",
                 "openai, gemini, dashscope and hosted servers have them"};
  }
  decoded<embedding_answer> decode_embeddings(const http_outcome& outcome, wall_time) override {
    return malformed("Anthropic has no embeddings", outcome);
  }

  result<encoded_request> encode_count(const chat_request& request) override {
    return anthropic::encode_count(request, traits_of(request.model), document_, prefix_);
  }
  decoded<uint32_t> decode_count(const http_outcome& outcome, wall_time now) override;

  result<encoded_request> encode_model_list(std::string_view page) override;
  decoded<model_page> decode_model_list(const http_outcome& outcome, wall_time now) override;

private:
  /// A run asks one model over and over.
  const anthropic::model_traits& traits_of(std::string_view model) {
    if (model != known_model_ || known_model_.empty()) {
      known_traits_ = anthropic::traits_of(model);
      known_model_ = model;
    }
    return known_traits_;
  }

  /// @returns the body of a success, or why there is none.
  std::variant<dom::element, call_failure> read_body(const http_outcome& outcome, wall_time now);

  std::string prefix_;
  json_document document_;
  std::string known_model_;
  anthropic::model_traits known_traits_;
};

std::variant<dom::element, call_failure> anthropic_codec::read_body(const http_outcome& outcome,
                                                                    wall_time now) {
  if (outcome.status == 0)
    return failed_transfer(outcome);
  if (!is_success(outcome.status))
    return anthropic::read_failed_status(outcome, document_, now);
  const auto root = document_.parse(outcome.body);
  if (!root)
    return malformed(describe_broken_json(outcome.body), outcome);
  if (find_error(*root, "data"))
    return anthropic::read_failure(0, *root, outcome.headers, now);
  return *root;
}

decoded<uint32_t> anthropic_codec::decode_count(const http_outcome& outcome, wall_time now) {
  auto body = read_body(outcome, now);
  if (auto* failure = std::get_if<call_failure>(&body))
    return std::move(*failure);
  if (const auto count = count_member(std::get<dom::element>(body), "input_tokens"))
    return *count;
  return malformed("the answer has no number `input_tokens`", outcome);
}

result<encoded_request> anthropic_codec::encode_model_list(std::string_view page) {
  encoded_request request;
  request.target = prefix_ + "/models?limit=1000";
  if (!page.empty()) {
    request.target += "&after_id=";
    append_path_segment(request.target, page);
  }
  return request;
}

decoded<model_page> anthropic_codec::decode_model_list(const http_outcome& outcome, wall_time now) {
  auto body = read_body(outcome, now);
  if (auto* failure = std::get_if<call_failure>(&body))
    return std::move(*failure);
  const auto root = std::get<dom::element>(body);
  const auto data = member(root, "data");
  if (!data || !data->is_array())
    return malformed("the answer has no list `data`", outcome);
  model_page page;
  each_item(root, "data", [&](dom::element model) {
    const auto id = text_member(model, "id");
    if (!id.empty())
      page.models.push_back({std::string(id), std::string(text_member(model, "display_name")),
                             count_member(model, "max_input_tokens").value_or(0),
                             count_member(model, "max_tokens").value_or(0)});
  });
  if (flag_member(root, "has_more"))
    page.next_page = text_member(root, "last_id");
  return page;
}

} // namespace

std::unique_ptr<wire_codec> make_anthropic_codec(const provider_profile& provider) {
  return std::make_unique<anthropic_codec>(provider);
}

} // namespace assay::codecs
