#include "core/codecs/openai_answer.hpp"

#include "core/codecs/json_text.hpp"

#include <algorithm>

namespace assay::codecs {

namespace {

constexpr size_t longest_name = 200;
/// Dollars that no answer costs; more is a defect of the provider's, or of our reading.
constexpr double impossible_cost = 1e6;

bool read_usage(dom::element usage, token_usage& out) {
  const auto prompt = count_member(usage, "prompt_tokens");
  auto completion = count_member(usage, "completion_tokens");
  const auto total = count_member(usage, "total_tokens");
  if (!completion && prompt && total && *total >= *prompt)
    completion = *total - *prompt;
  if (!prompt || !completion)
    return false;
  out.prompt_tokens = *prompt;
  out.completion_tokens = *completion;
  out.cached_tokens = 0;
  out.reasoning_tokens = 0;
  if (const auto details = member(usage, "prompt_tokens_details"))
    out.cached_tokens = count_member(*details, "cached_tokens").value_or(0);
  if (out.cached_tokens == 0)
    out.cached_tokens = count_member(usage, "prompt_cache_hit_tokens").value_or(0);
  if (const auto details = member(usage, "completion_tokens_details"))
    out.reasoning_tokens = count_member(*details, "reasoning_tokens").value_or(0);
  out.cached_tokens = std::min(out.cached_tokens, out.prompt_tokens);
  out.reasoning_tokens = std::min(out.reasoning_tokens, out.completion_tokens);
  return true;
}

template <class Result>
void apply(answer_facts& facts, const http_headers& headers, Result& out) {
  out.request_id = request_id_of(headers);
  if (out.request_id.empty())
    out.request_id = std::move(facts.body_id);
  out.usage = facts.usage;
  out.usage_present = facts.usage_present;
  out.simulated = facts.simulated;
}

void read_tool_calls(dom::element message, std::vector<tool_call>& out) {
  const auto read_function = [&](dom::element function, std::string_view id) {
    auto& call = out.emplace_back();
    call.id = id;
    call.name = text_member(function, "name");
    if (const auto arguments = member(function, "arguments"))
      call.arguments = text_or_json(*arguments);
  };
  dom::array calls;
  const auto list = member(message, "tool_calls");
  if (list && list->get(calls) == simdjson::SUCCESS) {
    for (const auto call : calls)
      if (const auto function = member(call, "function"))
        read_function(*function, text_member(call, "id"));
  } else if (const auto function = member(message, "function_call")) {
    // The older form, for one call.
    read_function(*function, {});
  }
}

bool is_blank(std::string_view body) noexcept {
  return body.find_first_not_of(" \t\r\n") == std::string_view::npos;
}

} // namespace

void read_facts(dom::element root, answer_facts& facts, bool wants_id) {
  if (const auto usage = member(root, "usage"); usage && usage->is_object()) {
    facts.usage_present = read_usage(*usage, facts.usage) || facts.usage_present;
    if (const auto cost = number_member(*usage, "cost"); cost && *cost >= 0 && *cost < impossible_cost)
      facts.cost = from_dollars(*cost);
  }
  if (facts.served_model.empty())
    facts.served_model = excerpt(text_member(root, "model"), longest_name);
  if (wants_id && facts.body_id.empty())
    facts.body_id = excerpt(text_member(root, "request_id"), longest_name);
  if (wants_id && facts.body_id.empty())
    facts.body_id = excerpt(text_member(root, "id"), longest_name);
  facts.simulated = facts.simulated || flag_member(root, "simulated");
}

void apply_facts(answer_facts facts, const http_headers& headers, chat_answer& out) {
  apply(facts, headers, out);
  out.served_model = std::move(facts.served_model);
  out.cost = facts.cost;
}

void apply_facts(answer_facts facts, const http_headers& headers, call_failure& out) {
  apply(facts, headers, out);
}

finish_reason finish_from(std::string_view word) noexcept {
  if (word == "stop" || word == "eos" || word == "end_turn")
    return finish_reason::stop;
  if (word == "length" || word == "max_tokens")
    return finish_reason::length;
  if (word == "content_filter")
    return finish_reason::content_filter;
  if (word == "tool_calls" || word == "function_call")
    return finish_reason::tool_calls;
  return finish_reason::unknown;
}

std::optional<provider_error> error_of_choice(dom::element choice) {
  const auto error = member(choice, "error");
  if (error && error->is_object())
    return read_error_object(*error);
  const auto finish = text_member(choice, "finish_reason");
  if (finish != "error" && finish != "insufficient_system_resource")
    return std::nullopt;
  provider_error result;
  result.message = "the provider stopped generating (finish_reason " + std::string(finish) + ")";
  return result;
}

call_failure withheld_answer() {
  call_failure failure;
  failure.code = errc::content_filtered;
  failure.message = "the provider withheld the answer (finish_reason content_filter)";
  failure.possibly_billed = true;
  return failure;
}

std::string_view reasoning_of(dom::element message) {
  const auto text = text_member(message, "reasoning_content");
  return text.empty() ? text_member(message, "reasoning") : text;
}

std::optional<shared_text> read_content(dom::element message) {
  const auto content = member(message, "content");
  if (!content)
    return std::nullopt;
  if (content->is_string())
    return shared_text(text_of(content));
  dom::array parts;
  if (content->get(parts) != simdjson::SUCCESS)
    return std::nullopt;
  std::string joined;
  for (const auto part : parts)
    joined += text_member(part, "text");
  return shared_text(joined);
}

decoded_answer openai_answers::read(const http_outcome& outcome, wall_time now) {
  auto body = read_body(outcome, now, "choices");
  if (auto* failure = std::get_if<call_failure>(&body))
    return std::move(*failure);
  const auto root = std::get<dom::element>(body);
  const auto list = member(root, "choices");
  if (!list || !list->is_array())
    return malformed("the answer has no list `choices`", outcome);
  return read_choices(root, *list, outcome, now);
}

decoded<dom::element> openai_answers::read_body(const http_outcome& outcome, wall_time now,
                                                const char* answer_key) {
  if (outcome.status == 0)
    return failed_transfer(outcome);
  const bool success = is_success(outcome.status);
  if (success && is_blank(outcome.body))
    return malformed("HTTP " + std::to_string(outcome.status) + " with an empty body", outcome);
  const auto root = document_.parse(outcome.body);
  if (success && !root)
    return malformed(describe_broken_json(outcome.body), outcome);
  call_failure failure;
  if (!success) {
    failure = failed_status(outcome, root, now, options_);
  } else if (const auto error = find_error(*root, answer_key)) {
    failure = classify(error->numeric_code, *error, outcome.headers, now, options_, true);
  } else {
    return *root;
  }
  answer_facts facts;
  if (root)
    read_facts(*root, facts, true);
  apply_facts(std::move(facts), outcome.headers, failure);
  return failure;
}

decoded_answer openai_answers::read_choices(dom::element root, dom::element list, const http_outcome& outcome,
                                            wall_time now) {
  answer_facts facts;
  read_facts(root, facts, request_id_of(outcome.headers).empty());
  const auto fail = [&](call_failure failure) {
    apply_facts(facts, outcome.headers, failure);
    return failure;
  };
  bool first = true;
  chat_answer answer;
  for (const auto choice : dom::array(list)) {
    const auto message = member(choice, "message");
    if (!first) {
      answer.more_choices.push_back(message ? read_content(*message).value_or(shared_text{}) : shared_text{});
      continue;
    }
    first = false;
    if (const auto error = error_of_choice(choice))
      return fail(classify(error->numeric_code, *error, outcome.headers, now, options_, true));
    if (!message || !message->is_object())
      return malformed("choices[0] has no message", outcome);
    const auto finish = text_member(choice, "finish_reason");
    answer.finish = finish_from(finish);
    const auto content = read_content(*message);
    if (content)
      answer.text = *content;
    read_tool_calls(*message, answer.tool_calls);
    if (answer.text.empty() && answer.tool_calls.empty()) {
      if (const auto refusal = text_member(*message, "refusal"); !refusal.empty()) {
        answer.text = shared_text(refusal);
        answer.refused = true;
      } else if (answer.finish == finish_reason::content_filter) {
        return fail(withheld_answer());
      } else if (!content && finish.empty()) {
        return malformed("choices[0].message has neither content nor a reason why", outcome);
      }
    }
    answer.reasoning = reasoning_of(*message);
    if (const auto logprobs = member(choice, "logprobs"))
      answer.logprobs_json = simdjson::minify(*logprobs);
  }
  if (first)
    return malformed("the answer's list `choices` is empty", outcome);
  apply_facts(std::move(facts), outcome.headers, answer);
  return answer;
}

} // namespace assay::codecs
