// A call of a model from its body to its answer, and the lines of batches.
#include "mock/hash.hpp"
#include "mock/service.hpp"

namespace assay::mock {

namespace {

using cause = limit_verdict::cause;

int64_t unix_seconds() { return std::chrono::duration_cast<seconds>(wall_now().time_since_epoch()).count(); }

/// Text that came from outside and goes into records: ASCII only, so that it is always JSON.
std::string printable(std::string_view text) {
  std::string out(text.substr(0, 256));
  for (auto& c : out)
    if (static_cast<unsigned char>(c) >= 0x7F || static_cast<unsigned char>(c) < 0x20)
      c = '?';
  return out;
}

bool is_embedding(operation op) { return op == operation::embed || op == operation::embed_many; }

/// Spoils or marks what the models said, for faults that live in the text.
void spoil(std::vector<simulated_choice>& choices, fault_kind kind) {
  if (kind == fault_kind::invalid_utf8)
    for (auto& choice : choices)
      choice.text.insert(0, "\xFF\xFE\xC3( ");
  if (kind == fault_kind::huge_body) {
    for (auto& choice : choices)
      choice.text.clear();
    choices.front().text = filler_mark;
  }
}

} // namespace

std::optional<simulated_model> service::model_named(wire protocol, const std::string& name) const {
  if (auto model = simulator_.find(name))
    return model;
  // OpenRouter writes vendor/name:variant.
  const auto slash = name.rfind('/');
  if (protocol != wire::openrouter || slash == std::string::npos)
    return {};
  const auto plain = name.substr(slash + 1);
  return simulator_.find(plain.substr(0, plain.find(':')));
}

api_result<service::question> service::read_question(const dialect& speaker, const route& where,
                                                     std::string_view body) {
  question out;
  out.op = where.op;
  if (is_embedding(where.op)) {
    auto texts = speaker.read_embedding(where, body);
    if (!texts)
      return texts.error();
    out.texts = std::move(*texts);
    out.chat.model = out.texts.model;
    out.chat.prompt_tokens = out.texts.prompt_tokens;
    for (const auto& text : out.texts.texts)
      out.chat.prompt_hash = hash_text(text, out.chat.prompt_hash + 1);
    return out;
  }
  auto chat = is_count(where.op) ? speaker.read_count(where, body) : speaker.read_chat(where, body);
  if (!chat)
    return chat.error();
  out.chat = std::move(*chat);
  return out;
}

void service::receive(call_ticket& call, const api_result<question>& asked) {
  if (asked) {
    call.model = asked->chat.model;
    call.prompt_hash = asked->chat.prompt_hash;
    call.prompt_tokens = asked->chat.prompt_tokens;
    call.images = asked->chat.images;
    call.stream = asked->chat.stream && asked->op == operation::chat;
  }
  record_->received(call);
}

std::optional<api_error> service::error_of_fault(const dialect& speaker, const fault_rule& rule,
                                                 std::string_view model, head_fields& head) const {
  const bool told_in_head = rule.retry_after != retry_hint::none && rule.retry_after != retry_hint::body;
  switch (rule.kind) {
  case fault_kind::status:
    if (rule.ms && told_in_head) {
      head.retry_after = *rule.ms;
      head.hint = rule.retry_after;
    }
    return speaker.error_of_status(rule.status, model);
  case fault_kind::rate_limit: {
    limit_verdict verdict;
    verdict.refused = cause::requests;
    verdict.limit = verdict.used = 60;
    verdict.requested = 1;
    const nanoseconds wait = rule.ms.value_or(milliseconds(1200));
    if (rule.retry_after != retry_hint::none)
      verdict.retry_after = wait;
    if (told_in_head) {
      head.retry_after = wait;
      head.hint = rule.retry_after;
    }
    return speaker.error_of_limit(verdict, model);
  }
  case fault_kind::insufficient_quota:
    return speaker.error_of(trouble::no_credit, model);
  case fault_kind::daily_quota:
    return speaker.error_of(trouble::daily_quota, model);
  case fault_kind::content_filter: {
    auto error = speaker.error_of(trouble::filtered, model);
    // Status 200: this protocol answers such a prompt with an empty answer.
    return error.status == 200 ? std::nullopt : std::optional(std::move(error));
  }
  default:
    return {};
  }
}

std::optional<api_error> service::refuse(const dialect& speaker, question& asked, call_ticket& call,
                                         const fault_candidate& candidate, head_fields& head) {
  const auto& chat = asked.chat;
  asked.model = model_named(call.protocol, chat.model);
  if (!asked.model)
    return speaker.error_of(trouble::unknown_model, std::string_view(chat.model).substr(0, 128));
  if (asked.model->context_window != 0 && chat.prompt_tokens > asked.model->context_window)
    return speaker.too_long(asked.model->context_window, chat.prompt_tokens);
  asked.rule = faults_.pick(candidate);
  call.struck = asked.rule.kind;
  if (auto error = error_of_fault(speaker, asked.rule, chat.model, head))
    return error;
  if (simulator_.fails(*asked.model, chat, call.repetition))
    return speaker.error_of_status(500, chat.model);
  return {};
}

std::vector<simulated_choice> service::speak(const question& asked, call_ticket& call) const {
  std::vector<simulated_choice> choices;
  if (asked.op != operation::chat)
    return choices;
  for (uint32_t i = 0; i < asked.chat.choices; ++i) {
    if (asked.rule.kind == fault_kind::content_filter)
      choices.push_back({.text = {},
                         .end = choice_end::filtered,
                         .tool_name = {},
                         .tool_arguments = {},
                         .stop_sequence = {}});
    else
      choices.push_back(simulator_.answer(*asked.model, asked.chat, i));
    call.completion_tokens += choices.back().tokens;
  }
  return choices;
}

void service::fill_parts(answer_parts& parts, const incoming& in, const question& asked,
                         const call_ticket& call, const std::vector<simulated_choice>& choices) const {
  if (is_embedding(asked.op)) {
    parts.body = in.speaker.embedding_body(call, asked.texts, asked.op);
  } else if (is_count(asked.op)) {
    parts.body = in.speaker.count_body(asked.chat.prompt_tokens, asked.op);
  } else {
    const chat_answer answer{
        .call = call, .request = asked.chat, .choices = choices, .created = unix_seconds()};
    parts.streamed = asked.chat.stream;
    if (parts.streamed)
      parts.stream = in.speaker.stream(answer, in.query);
    else
      parts.body = in.speaker.chat_body(answer);
  }
}

reply service::model_call(const incoming& in) {
  reply out;
  auto& call = out.call;
  const auto key = in.speaker.key_of(in.request, in.query);
  auto asked = read_question(in.speaker, in.where, in.request.body);
  call.protocol = in.where.protocol;
  call.path = printable(in.path);
  call.key_hash = known_hash_of(key);
  call.custom_id = printable(in.request.header("x-client-request-id"));
  receive(call, asked);
  head_fields head;
  head.speaker = &in.speaker;
  head.call = &call;
  head.close = !in.request.keep_alive || !in.request.chunked_allowed;
  out.end = head.close ? reply_end::close : reply_end::keep;

  const auto refused = [&](const api_error& error) {
    write_error(out, head, error);
    return std::move(out);
  };
  if (const auto wrong = check_key(in.speaker, key))
    return refused(*wrong);
  if (const auto lacking = in.speaker.check(in.request, in.where, in.query))
    return refused(*lacking);
  if (!asked)
    return refused(asked.error());
  const auto drawn = draw_latency(options_.latency, simulator_.draw(call.n, 1), simulator_.draw(call.n, 2));
  const auto error = refuse(in.speaker, *asked, call, {in.path, call.model, call.key_hash}, head);
  if (!asked->model)
    return refused(*error);
  const auto& model = *asked->model;
  if (!error || call.struck != fault_kind::none) {
    out.delay = microseconds(static_cast<int64_t>(static_cast<double>(drawn.count()) * model.latency_factor));
    head.processing = out.delay;
  }
  if (error)
    return refused(*error);

  auto choices = speak(*asked, call);
  const token_demand demand{asked->chat.prompt_tokens
                                + asked->chat.max_tokens.value_or(call.completion_tokens),
                            asked->chat.prompt_tokens, call.completion_tokens};
  const auto verdict = limiter_.acquire(call.key_hash, call.model, demand, options_.clock());
  head.limits = &verdict;
  if (verdict.refused != cause::none) {
    if (verdict.refused != cause::request_too_large)
      head.retry_after = verdict.retry_after;
    // A fault that found no answer to damage did not strike.
    call.struck = fault_kind::none;
    call.completion_tokens = 0;
    out.delay = head.processing = microseconds(0);
    return refused(in.speaker.error_of_limit(verdict, call.model));
  }
  out.admitted = true;
  auto token_gap = options_.stream_gap;
  const auto speed = model.tokens_per_second > 0 ? model.tokens_per_second : options_.tokens_per_second;
  if (speed > 0) {
    const auto gap = 1e6 / speed;
    token_gap = microseconds(static_cast<int64_t>(gap));
    if (!asked->chat.stream)
      out.delay += microseconds(static_cast<int64_t>(gap * static_cast<double>(call.completion_tokens)));
    head.processing = out.delay;
  }
  call.status = 200;
  spoil(choices, choices.empty() ? fault_kind::none : asked->rule.kind);
  answer_parts parts{.speaker = in.speaker,
                     .head = head,
                     .body = {},
                     .stream = {},
                     .chunked = in.request.chunked_allowed,
                     .token_gap = token_gap};
  fill_parts(parts, in, *asked, call, choices);
  if (asked->rule.kind == fault_kind::none)
    write_answer(out, parts);
  else
    write_damaged(out, std::move(parts), asked->rule);
  return out;
}

line_outcome service::answer_line(const batch_job& job, const batch_line& line) {
  const auto& speaker = dialect_of(job.protocol);
  const route where{.protocol = job.protocol, .op = job.op, .subject = subject_of(job)};
  call_ticket call;
  call.protocol = job.protocol;
  call.path = "batch:" + job.path;
  call.key_hash = job.owner;
  call.custom_id = printable(line.custom_id);
  auto asked = read_question(speaker, where, line.body);
  if (asked)
    asked->chat.stream = false;
  receive(call, asked);
  head_fields unused;
  std::optional<api_error> error;
  if (!asked)
    error = asked.error();
  else
    error = refuse(speaker, *asked, call, {job.path, call.model, call.key_hash, true, true}, unused);
  line_outcome out;
  out.request_id = call.request_id;
  out.status = call.status = error ? error->status : 200;
  if (error) {
    out.body =
        speaker.error_body(*error, job.protocol == wire::anthropic ? std::string_view() : call.request_id);
  } else {
    const auto choices = speak(*asked, call);
    out.input_tokens = call.prompt_tokens;
    out.output_tokens = call.completion_tokens;
    out.body = is_embedding(job.op) ? speaker.embedding_body(call, asked->texts, job.op)
                                    : speaker.chat_body({call, asked->chat, choices, unix_seconds(), true});
  }
  record_->finished(call, true);
  return out;
}

} // namespace assay::mock
