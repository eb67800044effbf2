#include "core/codecs/openai_stream.hpp"

#include "core/codecs/json_text.hpp"

#include <algorithm>

namespace assay::codecs {

namespace {

// More than any server sends; a bound for what a broken one can make us keep.
constexpr size_t most_choices = 256;
constexpr size_t most_calls = 1024;
constexpr size_t largest_json = size_t{32} << 20;

void append_logprobs(dom::element choice, std::string& out) {
  const auto logprobs = member(choice, "logprobs");
  const auto content = logprobs ? member(*logprobs, "content") : std::nullopt;
  dom::array tokens;
  if (!content || content->get(tokens) != simdjson::SUCCESS)
    return;
  for (const auto token : tokens) {
    if (!out.empty())
      out += ',';
    out += simdjson::minify(token);
  }
}

} // namespace

bool openai_stream::feed(std::string_view bytes, std::vector<answer_delta>& out) {
  if (kind_ == body_kind::unknown) {
    const auto first = bytes.find_first_not_of(" \t\r\n");
    if (first != std::string_view::npos)
      kind_ = bytes[first] == '{' || bytes[first] == '[' ? body_kind::json : body_kind::events;
  }
  if (kind_ == body_kind::json) {
    if (json_.size() + bytes.size() <= largest_json)
      json_ += bytes;
    else
      defect_ = "the answer is larger than " + std::to_string(largest_json >> 20) + " MiB";
    return !defect_.empty();
  }
  reader_.feed(bytes);
  sse_event event;
  while (!done_ && !error_ && defect_.empty() && reader_.next(event))
    take_event(event, out);
  if (!done_ && reader_.overflowed())
    defect_ = "the stream has an event that is too large";
  return done_ || error_ || !defect_.empty();
}

void openai_stream::take_event(const sse_event& event, std::vector<answer_delta>& out) {
  if (event.data == "[DONE]") {
    done_ = true;
    return;
  }
  const auto root = document_.parse(event.data);
  if (!root && event.type == "error") {
    error_.emplace().message = event.data;
    return;
  }
  if (!root) {
    defect_ = "the stream has an event that is not JSON: " + excerpt(event.data, 120);
    return;
  }
  read_facts(*root, facts_, true);
  error_ = find_error(*root, "choices");
  if (error_)
    return;
  dom::array choices;
  // Azure's first frame and everybody's frame of usage have an empty list.
  if (const auto list = member(*root, "choices"); !list || list->get(choices) != simdjson::SUCCESS)
    return;
  for (const auto choice : choices) {
    error_ = error_of_choice(choice);
    if (error_)
      return;
    take_choice(choice, out);
  }
}

void openai_stream::take_choice(dom::element choice, std::vector<answer_delta>& out) {
  auto* state = choice_at(count_member(choice, "index").value_or(0));
  if (state == nullptr) {
    defect_ = "the stream has more answers than anybody asks for";
    return;
  }
  if (const auto finish = text_member(choice, "finish_reason"); !finish.empty())
    state->finish = excerpt(finish, 100);
  if (state->index == 0)
    append_logprobs(choice, state->logprobs);
  const auto piece = member(choice, "delta");
  if (!piece)
    return;
  answer_delta delta;
  delta.choice = state->index;
  if (const auto content = read_content(*piece))
    delta.text = content->view();
  state->text += delta.text;
  if (const auto refusal = text_member(*piece, "refusal"); !refusal.empty()) {
    state->refusal += refusal;
    delta.text += refusal;
  }
  delta.reasoning = reasoning_of(*piece);
  state->reasoning += delta.reasoning;
  dom::array calls;
  if (const auto list = member(*piece, "tool_calls"); list && list->get(calls) == simdjson::SUCCESS)
    for (const auto call : calls)
      take_call(call, *state, delta);
  if (!delta.text.empty() || !delta.reasoning.empty() || !delta.tool_calls.empty())
    out.push_back(std::move(delta));
}

void openai_stream::take_call(dom::element piece, choice_state& choice, answer_delta& delta) {
  const auto at = call_at(piece, choice);
  if (at >= most_calls) {
    defect_ = "the stream has more tool calls than anybody makes";
    return;
  }
  if (at == choice.calls.size()) {
    choice.calls.emplace_back();
    choice.call_indices.push_back(count_member(piece, "index").value_or(static_cast<uint32_t>(at)));
  }
  auto& call = choice.calls[at];
  auto& part = delta.tool_calls.emplace_back();
  part.index = choice.call_indices[at];
  // Some servers repeat id and name in every piece.
  if (call.id.empty())
    call.id = part.id = text_member(piece, "id");
  const auto function = member(piece, "function");
  if (!function)
    return;
  if (call.name.empty())
    call.name = part.name = text_member(*function, "name");
  if (const auto arguments = member(*function, "arguments"))
    part.arguments = text_or_json(*arguments);
  call.arguments += part.arguments;
}

/// @returns the place of the call that a piece belongs to; one past the last for a new call.
size_t openai_stream::call_at(dom::element piece, choice_state& choice) {
  if (const auto index = count_member(piece, "index")) {
    const auto found = std::find(choice.call_indices.begin(), choice.call_indices.end(), *index);
    return static_cast<size_t>(found - choice.call_indices.begin());
  }
  // Without an index a new id begins a new call.
  const auto id = text_member(piece, "id");
  const bool same = !choice.calls.empty() && (id.empty() || id == choice.calls.back().id);
  return same ? choice.calls.size() - 1 : choice.calls.size();
}

openai_stream::choice_state* openai_stream::choice_at(uint32_t index) {
  for (auto& choice : choices_)
    if (choice.index == index)
      return &choice;
  if (choices_.size() >= most_choices)
    return nullptr;
  choices_.emplace_back().index = index;
  return &choices_.back();
}

bool openai_stream::complete() const noexcept {
  const auto finished = [](const choice_state& choice) { return !choice.finish.empty(); };
  return done_ || (!choices_.empty() && std::all_of(choices_.begin(), choices_.end(), finished));
}

decoded_answer openai_stream::finish(const http_outcome& outcome, wall_time now) {
  const auto fail = [&](call_failure failure) -> decoded_answer {
    apply_facts(facts_, outcome.headers, failure);
    return failure;
  };
  if (outcome.status != 0 && !is_success(outcome.status))
    return answers_.read(outcome, now);
  if (error_)
    return fail(classify(error_->numeric_code, *error_, outcome.headers, now, answers_.options(), true));
  if (!defect_.empty())
    return fail(malformed(defect_, outcome));
  if (outcome.status != 0 && kind_ == body_kind::json)
    return whole_answer(outcome, now);
  if (complete())
    return joined_answer(outcome);
  if (outcome.status == 0)
    return fail(failed_transfer(outcome));
  call_failure failure;
  failure.code = errc::truncated_answer;
  failure.message = kind_ == body_kind::unknown ? "the stream ended before it began"
                                                : "the stream ended without saying that it is complete";
  failure.possibly_billed = true;
  return fail(std::move(failure));
}

decoded_answer openai_stream::whole_answer(const http_outcome& outcome, wall_time now) {
  auto whole = outcome;
  whole.body = shared_text(json_);
  return answers_.read(whole, now);
}

decoded_answer openai_stream::joined_answer(const http_outcome& outcome) {
  if (choices_.empty()) {
    auto failure = malformed("the stream held no answer", outcome);
    apply_facts(facts_, outcome.headers, failure);
    return failure;
  }
  std::sort(choices_.begin(), choices_.end(),
            [](const choice_state& a, const choice_state& b) { return a.index < b.index; });
  auto& first = choices_.front();
  chat_answer answer;
  answer.finish = finish_from(first.finish);
  answer.refused = first.text.empty() && first.calls.empty() && !first.refusal.empty();
  answer.text = shared_text(answer.refused ? first.refusal : first.text);
  if (answer.text.empty() && first.calls.empty() && answer.finish == finish_reason::content_filter) {
    auto failure = withheld_answer();
    apply_facts(facts_, outcome.headers, failure);
    return failure;
  }
  answer.reasoning = std::move(first.reasoning);
  answer.tool_calls = std::move(first.calls);
  if (!first.logprobs.empty())
    answer.logprobs_json = "{\"content\":[" + first.logprobs + "]}";
  for (size_t i = 1; i < choices_.size(); ++i)
    answer.more_choices.emplace_back(choices_[i].text);
  apply_facts(facts_, outcome.headers, answer);
  return answer;
}

} // namespace assay::codecs
