#include "core/llm/chat_reply.hpp"

#include "core/codecs/json_text.hpp"

namespace assay::llm {

using codecs::append_json_string;

namespace {

void append_calls(std::string& out, const std::vector<tool_call>& calls) {
  out += R"(,"tool_calls":[)";
  for (size_t i = 0; i < calls.size(); ++i) {
    out += i == 0 ? R"({"id":)" : R"(,{"id":)";
    append_json_string(out, calls[i].id);
    out += R"(,"type":"function","function":{"name":)";
    append_json_string(out, calls[i].name);
    out += R"(,"arguments":)";
    append_json_string(out, calls[i].arguments);
    out += "}}";
  }
  out += ']';
}

/// The first choice may have more than its text.
void append_message(std::string& out, const model_answer& answer) {
  const auto* extras = answer.extras;
  const bool refused = extras != nullptr && extras->refused;
  const bool calls = extras != nullptr && !extras->tool_calls.empty();
  out += R"("message":{"role":"assistant","content":)";
  if (refused || (calls && answer.text.empty()))
    out += "null";
  else
    append_json_string(out, answer.text);
  out += R"(,"refusal":)";
  if (refused)
    append_json_string(out, answer.text);
  else
    out += "null";
  if (extras != nullptr && !extras->reasoning.empty()) {
    out += R"(,"reasoning_content":)";
    append_json_string(out, extras->reasoning);
  }
  if (calls)
    append_calls(out, extras->tool_calls);
  out += '}';
}

void append_choice_end(std::string& out, std::string_view logprobs, finish_reason finish) {
  out += R"(,"logprobs":)";
  out += logprobs.empty() ? "null" : logprobs;
  out.append(R"(,"finish_reason":")").append(finish_word(finish)).append("\"}");
}

} // namespace

std::string_view finish_word(finish_reason reason) noexcept {
  switch (reason) {
  case finish_reason::length:
    return "length";
  case finish_reason::content_filter:
    return "content_filter";
  case finish_reason::tool_calls:
    return "tool_calls";
  case finish_reason::stop:
  case finish_reason::unknown:
    break;
  }
  return "stop";
}

void append_usage(std::string& out, const token_usage& usage) {
  const auto number = [&](const char* name, uint64_t value) {
    out.append("\"").append(name).append("\":").append(std::to_string(value));
  };
  out += '{';
  number("prompt_tokens", usage.prompt_tokens);
  out += ',';
  number("completion_tokens", usage.completion_tokens);
  out += ',';
  number("total_tokens", uint64_t{usage.prompt_tokens} + usage.completion_tokens);
  out += R"(,"prompt_tokens_details":{)";
  number("cached_tokens", usage.cached_tokens);
  out += R"(},"completion_tokens_details":{)";
  number("reasoning_tokens", usage.reasoning_tokens);
  out += "}}";
}

std::string chat_completion(const reply_head& head, const model_answer& answer) {
  std::string out;
  out.reserve(answer.text.size() + answer.text.size() / 16 + 512);
  out += R"({"id":)";
  append_json_string(out, head.id);
  out.append(R"(,"object":"chat.completion","created":)").append(std::to_string(head.created));
  out += R"(,"model":)";
  append_json_string(out, answer.served_model.empty() ? std::string_view(head.model) : answer.served_model);
  out += R"(,"choices":[{"index":0,)";
  append_message(out, answer);
  append_choice_end(
      out, answer.extras != nullptr ? std::string_view(answer.extras->logprobs_json) : std::string_view(),
      answer.finish);
  if (answer.extras != nullptr) {
    size_t index = 1;
    for (const auto& text : answer.extras->more_choices) {
      out.append(R"(,{"index":)").append(std::to_string(index++)).append(",");
      model_answer other;
      other.text = text.view();
      append_message(out, other);
      append_choice_end(out, {}, answer.finish);
    }
  }
  out += R"(],"usage":)";
  append_usage(out, answer.usage);
  out += '}';
  return out;
}

} // namespace assay::llm
