#include "core/codecs/anthropic_parts.hpp"
#include "core/codecs/error_body.hpp"
#include "core/codecs/json_text.hpp"
#include "core/codecs/sse.hpp"

#include <map>

namespace assay::codecs::anthropic {

namespace {

class message_stream final : public stream_decoder {
public:
  bool feed(std::string_view bytes, std::vector<answer_delta>& out) override {
    reader_.feed(bytes);
    sse_event event;
    while (reader_.next(event))
      take(event, out);
    return complete_ || !error_.empty() || !garbled_.empty() || reader_.overflowed();
  }

  decoded_answer finish(const http_outcome& outcome, wall_time now) override;
  std::optional<token_usage> usage_so_far() const override {
    return parts_.usage.present() ? std::optional{parts_.usage.total()} : std::nullopt;
  }

private:
  void take(const sse_event& event, std::vector<answer_delta>& out);
  void start_block(dom::element event, std::vector<answer_delta>& out);
  void add_to_block(dom::element event, std::vector<answer_delta>& out);
  void add_text(std::string_view text, std::vector<answer_delta>& out);
  void add_reasoning(std::string_view text, std::vector<answer_delta>& out);
  void add_arguments(uint32_t block, std::string_view json, std::vector<answer_delta>& out);
  decoded_answer failed(call_failure failure) const;

  sse_reader reader_;
  json_document document_;
  answer_parts parts_;
  std::string text_;
  std::map<uint32_t, uint32_t> calls_; ///< Block to index in parts_.tool_calls.
  std::string error_;                  ///< The event `error` as it came.
  std::string garbled_;                ///< An event that is not JSON.
  bool complete_ = false;
};

void message_stream::add_text(std::string_view text, std::vector<answer_delta>& out) {
  if (text.empty())
    return;
  text_ += text;
  out.emplace_back().text = text;
}

void message_stream::add_reasoning(std::string_view text, std::vector<answer_delta>& out) {
  if (text.empty())
    return;
  parts_.reasoning += text;
  out.emplace_back().reasoning = text;
}

void message_stream::add_arguments(uint32_t block, std::string_view json, std::vector<answer_delta>& out) {
  const auto call = calls_.find(block);
  if (json.empty() || call == calls_.end())
    return;
  parts_.tool_calls[call->second].arguments += json;
  out.emplace_back().tool_calls.push_back({call->second, {}, {}, std::string(json)});
}

void message_stream::start_block(dom::element event, std::vector<answer_delta>& out) {
  const auto block = object_member(event, "content_block");
  if (!block)
    return;
  const auto type = text_member(*block, "type");
  if (type == "text")
    return add_text(text_member(*block, "text"), out);
  if (type == "thinking")
    return add_reasoning(text_member(*block, "thinking"), out);
  if (type != "tool_use")
    return;
  const auto index = static_cast<uint32_t>(parts_.tool_calls.size());
  const auto at = count_member(event, "index").value_or(index);
  calls_[at] = index;
  tool_call call{std::string(text_member(*block, "id")), std::string(text_member(*block, "name")), {}};
  out.emplace_back().tool_calls.push_back({index, call.id, call.name, {}});
  parts_.tool_calls.push_back(std::move(call));
  // The arguments follow in pieces, but a server may send them whole.
  dom::object input;
  if (const auto found = member(*block, "input");
      found && found->get(input) == simdjson::SUCCESS && input.size() > 0)
    add_arguments(at, simdjson::minify(*found), out);
}

void message_stream::add_to_block(dom::element event, std::vector<answer_delta>& out) {
  const auto delta = object_member(event, "delta");
  if (!delta)
    return;
  const auto type = text_member(*delta, "type");
  if (type == "text_delta")
    add_text(text_member(*delta, "text"), out);
  else if (type == "thinking_delta")
    add_reasoning(text_member(*delta, "thinking"), out);
  else if (type == "input_json_delta")
    add_arguments(count_member(event, "index").value_or(0), text_member(*delta, "partial_json"), out);
}

void message_stream::take(const sse_event& event, std::vector<answer_delta>& out) {
  // Some gateways end every stream as OpenAI does.
  if (complete_ || event.data == "[DONE]")
    return;
  const auto root = document_.parse(event.data);
  if (!root) {
    garbled_ = excerpt(event.data, 120);
    return;
  }
  const auto type = text_member(*root, "type");
  if (type == "content_block_delta") {
    add_to_block(*root, out);
  } else if (type == "content_block_start") {
    start_block(*root, out);
  } else if (type == "message_start") {
    if (const auto message = object_member(*root, "message"))
      parts_.take_envelope(*message);
  } else if (type == "message_delta") {
    if (const auto delta = object_member(*root, "delta"))
      parts_.take_stop(*delta);
    if (const auto usage = object_member(*root, "usage"))
      parts_.usage.take(*usage);
  } else if (type == "message_stop") {
    complete_ = true;
  } else if (type == "error" || member(*root, "error")) {
    error_ = event.data;
  }
}

decoded_answer message_stream::failed(call_failure failure) const {
  if (failure.request_id.empty())
    failure.request_id = parts_.id;
  failure.usage = parts_.usage.total();
  failure.usage_present = parts_.usage.present();
  failure.simulated = failure.simulated || parts_.simulated;
  return failure;
}

decoded_answer message_stream::finish(const http_outcome& outcome, wall_time now) {
  if (!error_.empty())
    if (const auto root = document_.parse(error_))
      return failed(read_failure(0, *root, outcome.headers, now));
  if (outcome.status != 0 && !is_success(outcome.status))
    return read_failed_status(outcome, document_, now);
  if (!garbled_.empty())
    return failed(malformed("an event of the stream is not JSON: " + garbled_, outcome));
  if (complete_) {
    for (auto& call : parts_.tool_calls)
      if (call.arguments.empty())
        call.arguments = "{}";
    return compose(std::move(parts_), shared_text(text_), outcome.headers);
  }
  if (reader_.overflowed())
    return failed(malformed("an event of the stream is too large", outcome));
  if (outcome.status == 0)
    return failed(failed_transfer(outcome));
  auto failure = malformed("the stream ended without message_stop", outcome);
  failure.code = errc::truncated_answer;
  return failed(std::move(failure));
}

} // namespace

std::unique_ptr<stream_decoder> open_stream() { return std::make_unique<message_stream>(); }

} // namespace assay::codecs::anthropic
