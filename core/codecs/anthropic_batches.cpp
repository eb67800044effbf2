// Message batches as Anthropic has them: the calls go in the body, the results are one download. A batch
// shows no label, so only the names of its calls tell whose it is.
#include "core/codecs/batch_parts.hpp"
#include "core/codecs/json_text.hpp"
#include "core/codecs/protocol_parts.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace assay::codecs {

namespace {

constexpr size_t most_calls = 100'000;
constexpr size_t most_bytes = size_t{256} * 1000 * 1000;

/// What an error would have been online.
int status_of(std::string_view type) noexcept {
  static constexpr std::array<std::pair<std::string_view, int>, 9> known{{{"invalid_request_error", 400},
                                                                          {"authentication_error", 401},
                                                                          {"billing_error", 402},
                                                                          {"permission_error", 403},
                                                                          {"not_found_error", 404},
                                                                          {"request_too_large", 413},
                                                                          {"rate_limit_error", 429},
                                                                          {"timeout_error", 504},
                                                                          {"overloaded_error", 529}}};
  const auto* const found = std::ranges::find(known, type, &std::pair<std::string_view, int>::first);
  return found == known.end() ? 500 : found->second;
}

class anthropic_batch_codec final : public batch_codec {
public:
  explicit anthropic_batch_codec(const provider_profile& provider)
      : base_(version_prefix(provider.base_url, "v1") + "/messages/batches"), calls_(make_codec(provider)) {}

  batch_limits limits() const noexcept override { return {most_calls, most_bytes}; }
  bool uploads() const noexcept override { return false; }
  bool labels() const noexcept override { return false; }

  result<void> append_line(std::string& lines, std::string_view custom_id,
                           const chat_request& request) override {
    const auto encoded = calls_->encode_chat(request);
    if (!encoded)
      return encoded.error();
    lines += lines.empty() ? "{\"custom_id\":" : ",{\"custom_id\":";
    append_json_string(lines, custom_id);
    lines.append(",\"params\":").append(encoded->body.view()).append("}");
    return {};
  }

  batch_message encode_upload(std::string_view, const batch_label&) override { return {}; }
  batch_message encode_file(std::string_view) override { return {}; }
  decoded<batch_file> decode_file(const http_outcome& outcome, wall_time) override {
    return malformed("Anthropic takes batches without files", outcome);
  }

  batch_message encode_create(std::string_view input, std::string_view, const batch_label&) override {
    std::string body = "{\"requests\":[";
    body.append(input).append("]}");
    return {base_, shared_text(body), {}};
  }

  batch_message encode_poll(std::string_view batch) override { return {of(batch), {}, {}}; }

  batch_message encode_cancel(std::string_view batch) override {
    return {of(batch) + "/cancel", {}, {}, http_method::post};
  }

  decoded<batch_status> decode_status(const http_outcome& outcome, wall_time now) override {
    return decode_batch_status(document_, outcome, now, {}, "the answer is no message batch", read_status);
  }

  batch_message encode_list(std::string_view page) override {
    auto target = base_ + "?limit=100";
    if (!page.empty()) {
      target += "&after_id=";
      append_path_segment(target, page);
    }
    return {std::move(target), {}, {}};
  }

  decoded<batch_page> decode_list(const http_outcome& outcome, wall_time now) override {
    auto found = decode_batch_list(document_, outcome, now, {}, "data", true, read_status);
    auto* const seen = std::get_if<listed_batches>(&found);
    if (seen == nullptr)
      return std::get<call_failure>(std::move(found));
    if (flag_member(seen->root, "has_more"))
      seen->page.next = text_member(seen->root, "last_id");
    return std::move(seen->page);
  }

  // results_url may name any host, and the key goes only to the configured one.
  batch_message encode_results(std::string_view where) override { return {of(where) + "/results", {}, {}}; }

  void decode_rows(std::string_view body, wall_time now, std::vector<batch_row>& rows) override {
    each_line(document_, body, [&](dom::element line) {
      const auto id = text_member(line, "custom_id");
      const auto result = object_member(line, "result");
      if (id.empty() || !result)
        return;
      const auto type = text_member(*result, "type");
      if (type == "succeeded") {
        if (const auto message = object_member(*result, "message"))
          return add(rows, id, read_batched_answer(*calls_, 200, *message, now));
      } else if (type == "errored") {
        if (const auto error = object_member(*result, "error")) {
          const auto inner = object_member(*error, "error");
          const auto status = status_of(inner ? text_member(*inner, "type") : std::string_view{});
          return add(rows, id, read_batched_answer(*calls_, status, *error, now));
        }
      }
      rows.push_back(untried_row(id, type == "expired"    ? "the batch expired before this call"
                                     : type == "canceled" ? "the batch was cancelled before this call"
                                                          : "the batch has no answer to this call"));
    });
  }

private:
  static void add(std::vector<batch_row>& rows, std::string_view id, decoded_answer answer) {
    rows.push_back({std::string(id), true, std::move(answer)});
  }

  std::string of(std::string_view batch) const {
    auto out = base_ + "/";
    append_path_segment(out, batch);
    return out;
  }

  static std::optional<batch_status> read_status(dom::element root) {
    batch_status out;
    out.id = text_member(root, "id");
    if (!is_plain_id(out.id))
      return std::nullopt;
    out.created_at = from_rfc3339(text_member(root, "created_at"));
    if (const auto counts = object_member(root, "request_counts"))
      for (const auto* name : {"processing", "succeeded", "errored", "canceled", "expired"})
        out.calls += count_member(*counts, name).value_or(0);
    if (text_member(root, "processing_status") == "ended") {
      out.stage = batch_stage::ended;
      out.results.push_back(out.id);
    }
    return out;
  }

  std::string base_;
  std::unique_ptr<wire_codec> calls_;
  json_document document_;
};

} // namespace

std::unique_ptr<batch_codec> make_anthropic_batch_codec(const provider_profile& provider) {
  return std::make_unique<anthropic_batch_codec>(provider);
}

} // namespace assay::codecs
