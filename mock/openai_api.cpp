// How OpenAI and those who follow it answer; the errors are in openai_errors.cpp.
#include "mock/openai_api.hpp"

#include "mock/embeddings.hpp"
#include "mock/json_text.hpp"
#include "mock/reply.hpp"
#include "mock/streams.hpp"

namespace assay::mock {

namespace {

std::string_view finish_of(choice_end end) noexcept {
  switch (end) {
  case choice_end::length:
    return "length";
  case choice_end::tool_call:
    return "tool_calls";
  case choice_end::filtered:
    return "content_filter";
  case choice_end::stop:
  case choice_end::stop_sequence:
    break;
  }
  return "stop";
}

/// `{"id":..,"type":"function","function":{"name":..,"arguments":` and so far no more.
std::string tool_call_start(const chat_answer& answer, const simulated_choice& choice, size_t index) {
  auto out = "\"id\":\"call_" + id_digits(answer.call).substr(0, 23) + std::to_string(index)
             + R"(","type":"function","function":{"name":)";
  append_json_string(out, choice.tool_name);
  return out += ",\"arguments\":";
}

void append_message(std::string& out, const chat_answer& answer, size_t index, std::string_view members) {
  const auto& choice = answer.choices[index];
  out += "{\"role\":\"assistant\",\"content\":";
  if (choice.end == choice_end::tool_call)
    out += "null";
  else
    append_json_string(out, choice.text);
  out += members;
  if (choice.end == choice_end::tool_call) {
    out.append(",\"tool_calls\":[{").append(tool_call_start(answer, choice, index));
    append_json_string(out, choice.tool_arguments);
    out += "}}]";
  }
  out += '}';
}

/// The deltas of one choice, from the role to the last piece of text.
template <class Add>
void add_deltas(const chat_answer& answer, size_t index, Add&& add) {
  const auto& choice = answer.choices[index];
  if (choice.end == choice_end::tool_call) {
    add(R"({"role":"assistant","content":null,"tool_calls":[{"index":0,)"
        + tool_call_start(answer, choice, index) + "\"\"}}]}");
    for_each_piece(choice.tool_arguments, [&](std::string_view piece) {
      std::string delta = R"({"tool_calls":[{"index":0,"function":{"arguments":)";
      append_json_string(delta, piece);
      add(delta + "}}]}");
    });
    return;
  }
  add(R"({"role":"assistant","content":"","refusal":null})");
  for_each_piece(choice.text, [&](std::string_view piece) {
    std::string delta = "{\"content\":";
    append_json_string(delta, piece);
    add(delta + "}");
  });
}

} // namespace

std::string_view openai_dialect::key_of(const request_view& request, std::string_view) const {
  return bearer_of(request.authorization);
}

api_result<chat_request> openai_dialect::read_chat(const route& where, std::string_view body) const {
  return read_openai_chat(body, where.subject);
}

api_result<chat_request> openai_dialect::read_count(const route&, std::string_view body) const {
  return read_openai_count(body);
}

api_result<embedding_request> openai_dialect::read_embedding(const route& where,
                                                             std::string_view body) const {
  return read_openai_embedding(body, where.subject);
}

std::string openai_dialect::answer_id(const call_ticket& call) const {
  return "chatcmpl-" + id_digits(call).substr(0, 29);
}

std::string_view openai_dialect::common_members() const {
  return R"("service_tier":"default","system_fingerprint":"fp_simulated","simulated":true,)";
}

void openai_dialect::append_usage(std::string& out, const call_ticket& call) const {
  out += "{\"prompt_tokens\":";
  append_number(out, call.prompt_tokens);
  out += ",\"completion_tokens\":";
  append_number(out, call.completion_tokens);
  out += ",\"total_tokens\":";
  append_number(out, call.prompt_tokens + call.completion_tokens);
  out += ",\"prompt_tokens_details\":{\"cached_tokens\":0,\"audio_tokens\":0},\"completion_tokens_details\":"
         "{\"reasoning_tokens\":0,\"audio_tokens\":0,\"accepted_prediction_tokens\":0,"
         "\"rejected_prediction_tokens\":0}}";
}

std::string openai_dialect::chat_body(const chat_answer& answer) const {
  std::string out;
  size_t text = 0;
  for (const auto& choice : answer.choices)
    text += choice.text.size() + choice.tool_arguments.size() + 256;
  out.reserve(640 + text);
  out.append("{\"id\":\"")
      .append(answer_id(answer.call))
      .append("\",\"object\":\"chat.completion\",\"created\":");
  append_number(out, answer.created);
  out += ",\"model\":";
  append_json_string(out, answer.call.model);
  out.append(",").append(common_members()).append("\"choices\":[");
  for (size_t i = 0; i < answer.choices.size(); ++i) {
    out += i == 0 ? "{\"index\":" : ",{\"index\":";
    append_number(out, i);
    out += ",\"message\":";
    append_message(out, answer, i, message_members());
    out.append(",\"logprobs\":null,\"finish_reason\":\"")
        .append(finish_of(answer.choices[i].end))
        .append("\"")
        .append(choice_members(answer.choices[i].end))
        .append("}");
  }
  out += "],\"usage\":";
  append_usage(out, answer.call);
  return out.append(answer_members()).append("}");
}

std::string openai_dialect::frame_start(const chat_answer& answer) const {
  std::string start = "{\"id\":\"";
  start.append(answer_id(answer.call)).append("\",\"object\":\"chat.completion.chunk\",\"created\":");
  append_number(start, answer.created);
  start += ",\"model\":";
  append_json_string(start, answer.call.model);
  return start.append(",").append(common_members()).append("\"choices\":[");
}

event_stream openai_dialect::stream(const chat_answer& answer, std::string_view) const {
  const auto start = frame_start(answer);
  const auto usage = answer.request.include_usage || always_tells_usage();
  const std::string_view end = answer.request.include_usage ? "],\"usage\":null}" : "]}";
  event_stream out;
  open_stream(out.events, start);
  for (size_t i = 0; i < answer.choices.size(); ++i) {
    const auto finish = answer.choices[i].end;
    const auto add = [&](std::string_view delta, std::string_view reason, std::string_view more = {}) {
      auto frame = start + "{\"index\":";
      append_number(frame, i);
      frame.append(",\"delta\":")
          .append(delta)
          .append(",\"logprobs\":null,\"finish_reason\":")
          .append(reason)
          .append(more)
          .append("}")
          .append(end);
      out.events.push_back(data_event(frame, crlf()));
    };
    add_deltas(answer, i, [&](std::string_view delta) { add(delta, "null"); });
    add("{}", "\"" + std::string(finish_of(finish)) + "\"", choice_members(finish));
  }
  if (usage) {
    auto frame = start + "],\"usage\":";
    append_usage(frame, answer.call);
    out.events.push_back(data_event(frame + "}", crlf()));
  }
  out.events.push_back(data_event("[DONE]", crlf()));
  out.closing = usage ? 3 : 2;
  return out;
}

std::string openai_dialect::count_body(uint64_t tokens, operation op) const {
  const auto count = std::to_string(tokens);
  if (op == operation::count_tokens)
    return R"({"object":"response.input_tokens","input_tokens":)" + count + ",\"simulated\":true}";
  // vLLM lists the tokens; nobody here knows them, so they are numbered.
  std::string out = "{\"count\":" + count + R"(,"max_model_len":1048576,"tokens":[)";
  for (uint64_t i = 0; i < tokens; ++i) {
    if (i != 0)
      out += ',';
    append_number(out, i);
  }
  return out += R"(],"token_strs":null,"simulated":true})";
}

std::string openai_dialect::embedding_body(const call_ticket& call, const embedding_request& request,
                                           operation) const {
  constexpr uint32_t usual_dimensions = 1536;
  const auto dimensions = request.dimensions == 0 ? usual_dimensions : request.dimensions;
  std::string out = R"({"object":"list","data":[)";
  for (size_t i = 0; i < request.texts.size(); ++i) {
    out += i == 0 ? R"({"object":"embedding","index":)" : R"(,{"object":"embedding","index":)";
    append_number(out, i);
    out += ",\"embedding\":";
    const auto vector = embed(call.model, request.texts[i], dimensions);
    if (request.base64)
      append_json_string(out, base64_of(vector));
    else
      append_vector(out, vector);
    out += '}';
  }
  out += "],\"model\":";
  append_json_string(out, call.model);
  out += ",\"usage\":{\"prompt_tokens\":";
  append_number(out, call.prompt_tokens);
  out += ",\"total_tokens\":";
  append_number(out, call.prompt_tokens);
  return out += "},\"simulated\":true}";
}

std::string openai_dialect::model_body(const simulated_model& model) const {
  std::string out = "{\"id\":";
  append_json_string(out, model.name);
  return out += R"(,"object":"model","created":1700000000,"owned_by":"assay-simulated"})";
}

std::string openai_dialect::models_body(const std::vector<simulated_model>& models) const {
  std::string out = R"({"object":"list","data":[)";
  for (size_t i = 0; i < models.size(); ++i)
    out.append(i == 0 ? "" : ",").append(model_body(models[i]));
  return out += "],\"simulated\":true}";
}

std::string openai_dialect::error_event(const api_error& error, std::string_view request_id) const {
  return data_event(error_body(error, request_id), crlf());
}

namespace {

void append_limit(std::string& out, std::string_view name, const limit_view& limit) {
  if (limit.limit == 0)
    return;
  out.append("x-ratelimit-limit-").append(name).append(": ");
  append_number(out, limit.limit);
  out.append("\r\nx-ratelimit-remaining-").append(name).append(": ");
  append_number(out, limit.remaining);
  out.append("\r\nx-ratelimit-reset-")
      .append(name)
      .append(": ")
      .append(go_duration(limit.reset))
      .append("\r\n");
}

} // namespace

void openai_dialect::append_headers(std::string& out, const head_fields& head) const {
  out.append("x-request-id: ").append(head.call->request_id).append("\r\n");
  out += "openai-organization: org-simulated\r\nopenai-version: 2020-10-01\r\nopenai-processing-ms: ";
  append_number(out, std::chrono::duration_cast<milliseconds>(head.processing).count());
  out += "\r\n";
  if (head.limits != nullptr) {
    append_limit(out, "requests", head.limits->requests);
    append_limit(out, "tokens", head.limits->tokens);
  }
  if (head.retry_after) {
    append_retry_seconds(out, *head.retry_after);
    append_retry_ms(out, *head.retry_after);
  }
}

} // namespace assay::mock
