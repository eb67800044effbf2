// Batches as OpenAI has them, and Azure: a file of lines is uploaded, a batch names it, results are files.
#include "core/codecs/batch_parts.hpp"
#include "core/codecs/json_text.hpp"
#include "core/codecs/openai_routes.hpp"
#include "core/codecs/protocol_parts.hpp"

namespace assay::codecs {

namespace {

constexpr size_t most_calls = 50'000;
constexpr size_t most_bytes = size_t{200} * 1000 * 1000;
constexpr std::string_view run_key = "assay_run";
constexpr std::string_view chunk_key = "assay_chunk";
constexpr size_t problem_limit = 500;

class openai_batch_codec final : public batch_codec {
public:
  explicit openai_batch_codec(const provider_profile& provider)
      : routes_(provider), calls_(make_codec(provider)),
        // The lines of Azure's classic API are named without the version that its address lacks.
        endpoint_(provider.protocol == wire_protocol::azure_openai && !provider.base_url.ends_with("/v1")
                      ? "/chat/completions"
                      : "/v1/chat/completions"),
        options_({provider.quota_429_is_throttle}) {}

  batch_limits limits() const noexcept override { return {most_calls, most_bytes}; }
  bool uploads() const noexcept override { return true; }
  bool labels() const noexcept override { return true; }

  result<void> append_line(std::string& lines, std::string_view custom_id,
                           const chat_request& request) override {
    const auto encoded = calls_->encode_chat(request);
    if (!encoded)
      return encoded.error();
    lines += "{\"custom_id\":";
    append_json_string(lines, custom_id);
    lines.append(R"(,"method":"POST","url":)");
    append_json_string(lines, endpoint_);
    lines.append(",\"body\":").append(encoded->body.view()).append("}\n");
    return {};
  }

  batch_message encode_upload(std::string_view lines, const batch_label& label) override {
    auto boundary = "assay-" + label.chunk;
    while (lines.find(boundary) != std::string_view::npos)
      boundary += "-";
    std::string body = "--" + boundary + "\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nbatch";
    body += "\r\n--" + boundary + "\r\nContent-Disposition: form-data; name=\"file\"; filename=\""
            + label.chunk + ".jsonl\"\r\nContent-Type: application/jsonl\r\n\r\n";
    body.append(lines).append("\r\n--" + boundary + "--\r\n");
    batch_message out;
    out.target = place("/files");
    out.body = shared_text(body);
    out.content_type = "multipart/form-data; boundary=" + boundary;
    return out;
  }

  batch_message encode_file(std::string_view file) override { return {place(path("/files/", file)), {}, {}}; }

  decoded<batch_file> decode_file(const http_outcome& outcome, wall_time now) override {
    auto body = read_batch_body(document_, outcome, now, options_);
    if (auto* failure = std::get_if<call_failure>(&body))
      return std::move(*failure);
    const auto root = std::get<dom::element>(body);
    batch_file out;
    out.id = text_member(root, "id");
    if (!is_plain_id(out.id))
      return malformed("the file has no id", outcome);
    // The field is going out of use at OpenAI; at Azure a batch may name a file only once it is processed.
    const auto status = text_member(root, "status");
    if (status == "error") {
      auto failure = malformed("the provider cannot read the file: " + text("status_details", root), outcome);
      failure.code = errc::provider_rejected;
      return failure;
    }
    out.ready = status.empty() || status == "processed" || status == "uploaded";
    return out;
  }

  batch_message encode_create(std::string_view input, std::string_view, const batch_label& label) override {
    std::string body = "{\"input_file_id\":";
    append_json_string(body, input);
    body += ",\"endpoint\":";
    append_json_string(body, endpoint_);
    body += R"(,"completion_window":"24h","metadata":{)";
    append_json_string(body, run_key);
    body += ":";
    append_json_string(body, label.run);
    body += ",";
    append_json_string(body, chunk_key);
    body += ":";
    append_json_string(body, label.chunk);
    body += "}}";
    return {place("/batches"), shared_text(body), {}};
  }

  batch_message encode_poll(std::string_view batch) override {
    return {place(path("/batches/", batch)), {}, {}};
  }

  batch_message encode_cancel(std::string_view batch) override {
    return {place(path("/batches/", batch) + "/cancel"), {}, {}, http_method::post};
  }

  decoded<batch_status> decode_status(const http_outcome& outcome, wall_time now) override {
    return decode_batch_status(document_, outcome, now, options_, "the answer is no batch", read_status);
  }

  batch_message encode_list(std::string_view page) override {
    auto target = place("/batches");
    target += target.find('?') == std::string::npos ? "?limit=100" : "&limit=100";
    if (!page.empty()) {
      target += "&after=";
      append_path_segment(target, page);
    }
    return {std::move(target), {}, {}};
  }

  decoded<batch_page> decode_list(const http_outcome& outcome, wall_time now) override {
    auto found = decode_batch_list(document_, outcome, now, options_, "data", true, read_status);
    auto* const seen = std::get_if<listed_batches>(&found);
    if (seen == nullptr)
      return std::get<call_failure>(std::move(found));
    if (flag_member(seen->root, "has_more") && !seen->page.batches.empty())
      seen->page.next = seen->page.batches.back().id;
    return std::move(seen->page);
  }

  batch_message encode_results(std::string_view where) override {
    return {place(path("/files/", where) + "/content"), {}, {}};
  }

  void decode_rows(std::string_view body, wall_time now, std::vector<batch_row>& rows) override {
    each_line(document_, body, [&](dom::element line) {
      const auto id = text_member(line, "custom_id");
      if (id.empty())
        return;
      const auto response = object_member(line, "response");
      const auto answer = response ? member(*response, "body") : std::nullopt;
      if (!answer) {
        const auto error = object_member(line, "error");
        const auto words = error ? text("message", *error) : std::string{};
        rows.push_back(untried_row(id, words.empty() ? "the batch has no answer to this call" : words));
        return;
      }
      batch_row row;
      row.custom_id = id;
      const auto status = static_cast<int>(count_member(*response, "status_code").value_or(200));
      row.answer = read_batched_answer(*calls_, status == 0 ? 500 : status, *answer, now);
      if (auto* good = std::get_if<chat_answer>(&row.answer); good != nullptr && good->request_id.empty())
        good->request_id = text("request_id", *response);
      rows.push_back(std::move(row));
    });
  }

private:
  static std::string text(const char* name, dom::element from) {
    return excerpt(text_member(from, name), problem_limit);
  }

  static std::string path(std::string_view route, std::string_view id) {
    std::string out(route);
    append_path_segment(out, id);
    return out;
  }

  std::string place(const std::string& route) const { return routes_.of_all(route).value_or(route); }

  static std::optional<batch_status> read_status(dom::element root) {
    batch_status out;
    out.id = text_member(root, "id");
    if (!is_plain_id(out.id))
      return std::nullopt;
    const auto status = text_member(root, "status");
    if (status == "failed")
      out.stage = batch_stage::failed;
    else if (status == "completed" || status == "expired" || status == "cancelled")
      out.stage = batch_stage::ended;
    if (const auto errors = object_member(root, "errors"))
      each_item(*errors, "data", [&](dom::element one) {
        if (out.problem.empty())
          out.problem = text("message", one);
        // The key's share of tokens in line is used up.
        out.crowded = out.crowded || text_member(one, "code") == "token_limit_exceeded";
      });
    out.created_at = unix_time_member(root, "created_at");
    if (const auto counts = object_member(root, "request_counts"))
      out.calls = count_member(*counts, "total").value_or(0);
    if (const auto metadata = object_member(root, "metadata")) {
      out.label.run = text("assay_run", *metadata);
      out.label.chunk = text("assay_chunk", *metadata);
    }
    for (const auto* name : {"output_file_id", "error_file_id"})
      if (const auto file = text_member(root, name); is_plain_id(file))
        out.results.emplace_back(file);
    return out;
  }

  openai_routes routes_;
  std::unique_ptr<wire_codec> calls_;
  std::string endpoint_;
  decode_options options_;
  json_document document_;
};

} // namespace

std::unique_ptr<batch_codec> make_openai_batch_codec(const provider_profile& provider) {
  if (!openai_routes(provider).of_all("/batches"))
    return nullptr;
  return std::make_unique<openai_batch_codec>(provider);
}

} // namespace assay::codecs
