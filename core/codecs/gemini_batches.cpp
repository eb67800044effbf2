// Batches as Gemini has them: the calls go inline, a batch is a long-running operation, and its results
// stand in it. Calls have no id but a key in their metadata.
#include "core/codecs/batch_parts.hpp"
#include "core/codecs/gemini_parts.hpp"
#include "core/codecs/json_text.hpp"

namespace assay::codecs {

namespace {

constexpr size_t most_calls = 10'000;
/// 20 MB with what stands around the lines.
constexpr size_t most_bytes = size_t{19} * 1000 * 1000;
constexpr std::string_view label_word = "assay/";
constexpr std::string_view batch_word = "batches/";
constexpr std::string_view file_word = "files/";

/// Operations carry gRPC's codes, answers carry HTTP's (google.rpc.Code).
int http_status_of(uint32_t code) noexcept {
  switch (code) {
  case 3:
  case 9:
  case 11:
    return 400;
  case 4:
    return 504;
  case 5:
    return 404;
  case 7:
    return 403;
  case 8:
    return 429;
  case 16:
    return 401;
  case 14:
    return 503;
  default:
    return code >= 400 && code <= 599 ? static_cast<int>(code) : 500;
  }
}

class gemini_batch_codec final : public batch_codec {
public:
  explicit gemini_batch_codec(const provider_profile& provider)
      : prefix_(version_prefix(provider.base_url, "v1beta")), calls_(make_codec(provider)) {}

  batch_limits limits() const noexcept override { return {most_calls, most_bytes}; }
  bool uploads() const noexcept override { return false; }
  bool labels() const noexcept override { return true; }

  result<void> append_line(std::string& lines, std::string_view custom_id,
                           const chat_request& request) override {
    const auto encoded = calls_->encode_chat(request);
    if (!encoded)
      return encoded.error();
    lines.append(lines.empty() ? "{\"request\":" : ",{\"request\":").append(encoded->body.view());
    lines += ",\"metadata\":{\"key\":";
    append_json_string(lines, custom_id);
    lines += "}}";
    return {};
  }

  batch_message encode_upload(std::string_view, const batch_label&) override { return {}; }
  batch_message encode_file(std::string_view) override { return {}; }
  decoded<batch_file> decode_file(const http_outcome& outcome, wall_time) override {
    return malformed("Gemini takes these batches without files", outcome);
  }

  batch_message encode_create(std::string_view input, std::string_view model,
                              const batch_label& label) override {
    std::string body = "{\"batch\":{\"displayName\":";
    append_json_string(body, std::string(label_word) + label.run + "/" + label.chunk);
    body.append(R"(,"inputConfig":{"requests":{"requests":[)").append(input).append("]}}}}");
    return {prefix_ + "/" + gemini::path_of(model) + ":batchGenerateContent", shared_text(body), {}};
  }

  batch_message encode_poll(std::string_view batch) override { return {of(batch), {}, {}}; }

  batch_message encode_cancel(std::string_view batch) override {
    return {of(batch) + ":cancel", shared_text("{}"), {}, http_method::post};
  }

  decoded<batch_status> decode_status(const http_outcome& outcome, wall_time now) override {
    return decode_batch_status(document_, outcome, now, {}, "the answer is no batch", read_status);
  }

  batch_message encode_list(std::string_view page) override {
    auto target = prefix_ + "/batches?pageSize=100";
    if (!page.empty()) {
      target += "&pageToken=";
      append_path_segment(target, page);
    }
    return {std::move(target), {}, {}};
  }

  decoded<batch_page> decode_list(const http_outcome& outcome, wall_time now) override {
    // An empty list is left out.
    auto found = decode_batch_list(document_, outcome, now, {}, "operations", false, read_status);
    auto* const seen = std::get_if<listed_batches>(&found);
    if (seen == nullptr)
      return std::get<call_failure>(std::move(found));
    seen->page.next = text_member(seen->root, "nextPageToken");
    return std::move(seen->page);
  }

  batch_message encode_results(std::string_view where) override {
    if (!where.starts_with(file_word))
      return {of(where), {}, {}};
    batch_message out;
    out.target = "/download" + (prefix_.empty() ? std::string("/v1beta") : prefix_) + "/files/";
    append_path_segment(out.target, where.substr(file_word.size()));
    out.target += ":download?alt=media";
    out.at_origin = true;
    return out;
  }

  void decode_rows(std::string_view body, wall_time now, std::vector<batch_row>& rows) override {
    const auto whole = document_.parse(body);
    // A file of results is a list of lines, of which one alone is JSON too.
    if (!whole || text_member(*whole, "name").empty())
      return each_line(document_, body, [&](dom::element line) { add(line, line, now, rows); });
    const auto output = output_of(*whole);
    // The list stands in an object of the same name.
    const auto responses = output ? object_member(*output, "inlinedResponses") : std::nullopt;
    each_item(responses ? *responses : output.value_or(*whole), "inlinedResponses", [&](dom::element one) {
      if (const auto metadata = object_member(one, "metadata"))
        add(one, *metadata, now, rows);
    });
  }

private:
  /// @param named holds the key.
  void add(dom::element one, dom::element named, wall_time now, std::vector<batch_row>& rows) {
    const auto key = text_member(named, "key");
    if (key.empty())
      return;
    if (const auto response = object_member(one, "response")) {
      rows.push_back({std::string(key), true, read_batched_answer(*calls_, 200, *response, now)});
      return;
    }
    const auto error = object_member(one, "error");
    if (!error) {
      rows.push_back(untried_row(key, "the batch has no answer to this call"));
      return;
    }
    const auto code = count_member(*error, "code").value_or(0);
    // 1 is "cancelled": the batch ended first.
    if (code == 1) {
      rows.push_back(untried_row(key, excerpt(text_member(*error, "message"), 500)));
      return;
    }
    batch_row row;
    row.custom_id = key;
    http_outcome online;
    online.status = http_status_of(code);
    online.body = shared_text("{\"error\":" + text_or_json(*error) + "}");
    row.answer = calls_->decode_chat(online, now);
    if (auto* failure = std::get_if<call_failure>(&row.answer))
      failure->possibly_billed = false;
    rows.push_back(std::move(row));
  }

  static std::optional<dom::element> output_of(dom::element operation) {
    if (const auto response = object_member(operation, "response"))
      return response;
    const auto metadata = object_member(operation, "metadata");
    return metadata ? object_member(*metadata, "output") : std::nullopt;
  }

  std::string of(std::string_view batch) const {
    auto out = prefix_ + "/" + std::string(batch_word);
    append_path_segment(out, batch.starts_with(batch_word) ? batch.substr(batch_word.size()) : batch);
    return out;
  }

  static void read_label(std::string_view name, batch_label& label) {
    if (!name.starts_with(label_word))
      return;
    name.remove_prefix(label_word.size());
    const auto slash = name.find('/');
    if (slash == std::string_view::npos)
      return;
    label.run = excerpt(name.substr(0, slash), 100);
    label.chunk = excerpt(name.substr(slash + 1), 100);
  }

  static std::optional<batch_status> read_status(dom::element root) {
    batch_status out;
    out.id = text_member(root, "name");
    if (!out.id.starts_with(batch_word) || !is_plain_id(std::string_view(out.id).substr(batch_word.size())))
      return std::nullopt;
    if (const auto metadata = object_member(root, "metadata")) {
      auto state = text_member(*metadata, "state");
      if (const auto at = state.find("STATE_"); at != std::string_view::npos)
        state.remove_prefix(at + std::string_view("STATE_").size());
      if (state == "FAILED")
        out.stage = batch_stage::failed;
      else if (state == "SUCCEEDED" || state == "CANCELLED" || state == "EXPIRED")
        out.stage = batch_stage::ended;
      out.created_at = from_rfc3339(text_member(*metadata, "createTime"));
      if (const auto stats = object_member(*metadata, "batchStats"))
        out.calls = number_or_text_member(*stats, "requestCount");
      read_label(text_member(*metadata, "displayName"), out.label);
    }
    if (const auto error = object_member(root, "error")) {
      out.problem = excerpt(text_member(*error, "message"), 500);
      out.crowded = count_member(*error, "code").value_or(0) == 8;
      if (flag_member(root, "done"))
        out.stage = batch_stage::failed;
    }
    if (out.stage == batch_stage::ended) {
      const auto output = output_of(root);
      const auto file = output ? text_member(*output, "responsesFile") : std::string_view{};
      if (file.starts_with(file_word) && is_plain_id(file.substr(file_word.size())))
        out.results.emplace_back(file);
      else
        out.results.push_back(out.id);
    }
    return out;
  }

  std::string prefix_;
  std::unique_ptr<wire_codec> calls_;
  json_document document_;
};

} // namespace

std::unique_ptr<batch_codec> make_gemini_batch_codec(const provider_profile& provider) {
  return std::make_unique<gemini_batch_codec>(provider);
}

} // namespace assay::codecs
