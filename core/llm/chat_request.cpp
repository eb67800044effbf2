#include "core/llm/chat_request.hpp"

#include "core/llm/chat_parts.hpp"

#include <nlohmann/json.hpp>

namespace assay::llm {

namespace {

using nlohmann::json;

constexpr uint32_t most_tokens = 100'000'000;
constexpr uint32_t most_choices = 128;
constexpr size_t most_stops = 16;
constexpr size_t most_inputs = 2048;

void read_length(json_object& in, sampling& out) {
  std::optional<uint32_t> older;
  in.count("max_tokens", older, 1, most_tokens);
  in.count("max_completion_tokens", out.max_tokens, 1, most_tokens);
  if (older && out.max_tokens && *older != *out.max_tokens)
    in.refuse("max_tokens", "says something else than max_completion_tokens", "give one of them");
  if (!out.max_tokens)
    out.max_tokens = older;
}

void read_stream(json_object& in, chat_question& out) {
  in.flag("stream", out.stream);
  const auto* options = in.find("stream_options");
  if (options == nullptr)
    return;
  if (!out.stream)
    return in.refuse("stream_options", "is only for streams", "set stream to true");
  json_object inner(*options, in.path_of("stream_options"), in.wrong());
  inner.flag("include_usage", out.include_usage);
}

answer_options read_options(json_object& in) {
  answer_options out;
  std::optional<uint32_t> choices;
  in.count("n", choices, 1, most_choices);
  out.choices = choices.value_or(1);
  in.count("top_k", out.top_k, 1, 1'000'000);
  in.flag("logprobs", out.logprobs);
  in.count("top_logprobs", out.top_logprobs, 0, 20);
  if (out.top_logprobs && !out.logprobs)
    in.refuse("top_logprobs", "is only for answers with logprobs", "set logprobs to true");
  read_answer_form(in, out);
  read_tools(in, out);
  in.text("reasoning_effort", out.reasoning_effort);
  in.text("user", out.user);
  return out;
}

} // namespace

result<chat_question> read_chat_request(const json& body) {
  std::optional<fault> wrong;
  json_object in(body, {}, wrong);
  chat_question out;
  in.needed_text("model", out.model);
  if (const auto* messages = in.find("messages"))
    out.messages = read_messages(*messages, "messages", wrong);
  else
    in.refuse("messages", "is missing");
  read_sampling(in, out.parameters);
  read_length(in, out.parameters);
  in.texts("stop", out.parameters.stop, most_stops);
  read_stream(in, out);
  auto options = read_options(in);
  options.extra_json = in.rest();
  if (wrong)
    return *wrong;
  out.options = share(std::move(options));
  return out;
}

result<embedding_question> read_embedding_request(const json& body) {
  std::optional<fault> wrong;
  json_object in(body, {}, wrong);
  embedding_question out;
  in.needed_text("model", out.model);
  in.texts("input", out.texts, most_inputs);
  if (out.texts.empty())
    in.refuse("input", "must be a text or a list of texts", "lists of token numbers are not taken");
  in.count("dimensions", out.dimensions, 1, 65'536);
  std::string format = "float";
  in.text("encoding_format", format);
  if (format != "float" && format != "base64")
    in.refuse("encoding_format", "must be float or base64");
  out.as_base64 = format == "base64";
  if (wrong)
    return *wrong;
  return out;
}

} // namespace assay::llm
