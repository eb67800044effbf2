#include "core/codecs/json_text.hpp"
#include "core/llm/chat_reply.hpp"

#include <algorithm>
#include <utility>

namespace assay::llm {

using codecs::append_json_string;

namespace {

constexpr uint32_t most_choices = 128;

void append_calls(std::string& out, const std::vector<tool_call_delta>& calls) {
  out += R"("tool_calls":[)";
  bool first = true;
  for (const auto& call : calls) {
    out.append(std::exchange(first, false) ? "{" : ",{")
        .append(R"("index":)")
        .append(std::to_string(call.index));
    if (!call.id.empty()) {
      out += R"(,"id":)";
      append_json_string(out, call.id);
      out += R"(,"type":"function")";
    }
    out += R"(,"function":{)";
    if (!call.name.empty()) {
      out += R"("name":)";
      append_json_string(out, call.name);
      out += ',';
    }
    out += R"("arguments":)";
    append_json_string(out, call.arguments);
    out += "}}";
  }
  out += ']';
}

} // namespace

chunk_writer::chunk_writer(reply_head head, bool include_usage, uint32_t choices)
    : head_(std::move(head)), include_usage_(include_usage), choices_(std::clamp(choices, 1U, most_choices)),
      introduced_(most_choices) {}

void chunk_writer::open(std::string& out) const {
  out += R"(data: {"id":)";
  append_json_string(out, head_.id);
  out.append(R"(,"object":"chat.completion.chunk","created":)").append(std::to_string(head_.created));
  out += R"(,"model":)";
  append_json_string(out, head_.model);
  out += R"(,"choices":[)";
}

void chunk_writer::close(std::string& out) const {
  out += include_usage_ ? "],\"usage\":null}\n\n" : "]}\n\n";
}

void chunk_writer::introduce(std::string& out, uint32_t choice) {
  if (introduced_[choice])
    return;
  introduced_[choice] = true;
  open(out);
  out.append(R"({"index":)").append(std::to_string(choice));
  out += R"(,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null})";
  close(out);
}

std::string chunk_writer::piece(const answer_delta& delta) {
  std::string out;
  if (delta.choice >= most_choices
      || (delta.text.empty() && delta.reasoning.empty() && delta.tool_calls.empty()))
    return out;
  out.reserve(delta.text.size() + delta.reasoning.size() + 256);
  introduce(out, delta.choice);
  has_text_ = true;
  open(out);
  out.append(R"({"index":)").append(std::to_string(delta.choice)).append(R"(,"delta":{)");
  const char* comma = "";
  if (!delta.text.empty()) {
    out += R"("content":)";
    append_json_string(out, delta.text);
    comma = ",";
  }
  if (!delta.reasoning.empty()) {
    out.append(comma).append(R"("reasoning_content":)");
    append_json_string(out, delta.reasoning);
    comma = ",";
  }
  if (!delta.tool_calls.empty()) {
    out += comma;
    append_calls(out, delta.tool_calls);
  }
  out += R"(},"logprobs":null,"finish_reason":null})";
  close(out);
  return out;
}

std::string chunk_writer::end(const model_answer& answer) {
  std::string out;
  if (!has_text_) {
    answer_delta whole;
    whole.text = answer.text;
    if (answer.extras != nullptr)
      for (const auto& call : answer.extras->tool_calls)
        whole.tool_calls.push_back({static_cast<uint32_t>(whole.tool_calls.size()), call.id, call.name,
                                    call.arguments, call.signature});
    out += piece(whole);
  }
  for (uint32_t choice = 0; choice < choices_; ++choice) {
    introduce(out, choice);
    open(out);
    out.append(R"({"index":)").append(std::to_string(choice)).append(R"(,"delta":{},"logprobs":)");
    const bool has_logprobs =
        choice == 0 && answer.extras != nullptr && !answer.extras->logprobs_json.empty();
    out += has_logprobs ? std::string_view(answer.extras->logprobs_json) : std::string_view("null");
    out.append(R"(,"finish_reason":")").append(finish_word(answer.finish)).append("\"}");
    close(out);
  }
  if (include_usage_) {
    open(out);
    out += R"(],"usage":)";
    append_usage(out, answer.usage);
    out += "}\n\n";
  }
  out += "data: [DONE]\n\n";
  return out;
}

std::string chunk_writer::failure(std::string_view body) {
  std::string out = "data: ";
  out.append(body).append("\n\n");
  return out;
}

} // namespace assay::llm
