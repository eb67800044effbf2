#include "core/codecs/durations.hpp"
#include "core/codecs/error_body.hpp"
#include "core/codecs/gemini_parts.hpp"
#include "core/codecs/json_text.hpp"

#include <algorithm>
#include <array>
#include <cstdio>

namespace assay::codecs::gemini {

namespace {

constexpr size_t id_limit = 200;
/// A request for more answers than this is refused, so an index beyond it is nonsense.
constexpr uint32_t most_candidates = 8;

bool one_of(std::string_view word, std::span<const std::string_view> words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

/// The provider's policy ended the answer.
bool is_filtered(std::string_view word) {
  static constexpr std::array<std::string_view, 11> words{"SAFETY",
                                                          "RECITATION",
                                                          "LANGUAGE",
                                                          "BLOCKLIST",
                                                          "SPII",
                                                          "IMAGE_SAFETY",
                                                          "MODEL_ARMOR",
                                                          "PROHIBITED_CONTENT",
                                                          "JAILBREAK",
                                                          "IMAGE_RECITATION",
                                                          "IMAGE_PROHIBITED_CONTENT"};
  return one_of(word, words);
}

finish_reason finish_from(const candidate_parts& candidate) {
  const std::string_view word = candidate.finish_word;
  if (word == "STOP")
    return candidate.tool_calls.empty() ? finish_reason::stop : finish_reason::tool_calls;
  // Google says STOP; servers that copy its protocol say that there are calls.
  if (word == "FUNCTION_CALL" && !candidate.tool_calls.empty())
    return finish_reason::tool_calls;
  if (word == "MAX_TOKENS")
    return finish_reason::length;
  return is_filtered(word) ? finish_reason::content_filter : finish_reason::unknown;
}

void append_token(std::string& out, dom::element token) {
  out += R"({"token":)";
  append_json_string(out, text_member(token, "token"));
  out += R"(,"logprob":)";
  append_json_number(out, number_member(token, "logProbability").value_or(0));
  out += R"(,"bytes":null)";
}

/// Appends what Gemini says of each token as items of OpenAI's list.
void append_logprobs(std::string& out, dom::element result) {
  std::vector<dom::element> tops;
  each_item(result, "topCandidates", [&](dom::element top) { tops.push_back(top); });
  size_t index = 0;
  each_item(result, "chosenCandidates", [&](dom::element chosen) {
    if (!out.empty())
      out += ',';
    append_token(out, chosen);
    out += R"(,"top_logprobs":[)";
    if (index < tops.size())
      each_item(tops[index], "candidates", [&](dom::element token) {
        if (out.back() != '[')
          out += ',';
        append_token(out, token);
        out += '}';
      });
    out += "]}";
    ++index;
  });
}

constexpr uint64_t fnv_start = 0xcbf29ce484222325;

/// FNV-1a, RFC 9923.
uint64_t fnv_1a(uint64_t hash, std::string_view bytes) {
  for (const unsigned char byte : bytes)
    hash = (hash ^ byte) * 0x100000001b3;
  return hash;
}

uint32_t sum(uint32_t a, uint32_t b) { return a > UINT32_MAX - b ? UINT32_MAX : a + b; }

/// "limit: 0": the key's tier has none of this model, whatever one waits.
bool says_no_quota(std::string_view message) {
  constexpr std::string_view phrase = "limit: 0";
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  for (auto at = message.find(phrase); at != std::string_view::npos; at = message.find(phrase, at + 1)) {
    const auto rest = message.substr(at + phrase.size());
    const bool longer =
        !rest.empty() && (is_digit(rest[0]) || (rest[0] == '.' && rest.size() > 1 && is_digit(rest[1])));
    if (!longer)
      return true;
  }
  return false;
}

/// What the list `details` of an error says, see google.rpc.
struct error_details {
  std::string_view reason;
  std::optional<milliseconds> retry_delay;
  bool daily = false; ///< A quota of the day is used up.
};

error_details read_details(dom::element error) {
  error_details details;
  each_item(error, "details", [&](dom::element detail) {
    if (const auto reason = text_member(detail, "reason"); !reason.empty())
      details.reason = reason;
    if (const auto delay = parse_go_duration(text_member(detail, "retryDelay")))
      details.retry_delay = delay;
    each_item(detail, "violations", [&](dom::element violation) {
      details.daily =
          details.daily || text_member(violation, "quotaId").find("PerDay") != std::string_view::npos;
    });
  });
  return details;
}

bool has_retry_header(const http_headers& headers) {
  return !find_header(headers, "retry-after").empty() || !find_header(headers, "retry-after-ms").empty();
}

dom::element unwrapped(dom::element root) {
  dom::element first;
  return root.at(0).get(first) == simdjson::SUCCESS ? first : root;
}

decoded_answer read_success(const http_outcome& outcome, json_document& document, wall_time now) {
  if (outcome.body.view().find_first_not_of(" \t\r\n") == std::string_view::npos)
    return malformed("HTTP " + std::to_string(outcome.status) + " with an empty body", outcome);
  const auto root = document.parse(outcome.body);
  if (!root)
    return malformed(describe_broken_json(outcome.body), outcome);
  response_parts response;
  if (find_error(*root, "candidates")) {
    response.take(unwrapped(*root), nullptr);
    return response.completed(read_failure(0, *root, outcome.headers, now));
  }
  response.take(unwrapped(*root), nullptr);
  return std::move(response).compose(outcome);
}

} // namespace

// -- responses
// -------------------------------------------------------------------------------------------------

/// Clients tell calls apart by their ids, over a whole conversation; Gemini gives most of its calls none. The
/// id of the answer makes them different, and where it has none, what is called.
std::string response_parts::id_for(const tool_call& call, uint32_t index) const {
  uint64_t hash = fnv_start;
  if (id_.empty()) {
    hash = fnv_1a(hash, call.name);
    hash = fnv_1a(hash, {"\0", 1});
    hash = fnv_1a(hash, call.arguments);
    hash = fnv_1a(hash, {"\0", 1});
    hash = fnv_1a(hash, call.signature);
  } else {
    hash = fnv_1a(hash, id_);
  }
  std::array<char, 17> digits{};
  std::snprintf(digits.data(), digits.size(), "%016llx", static_cast<unsigned long long>(hash));
  return std::string(own_id) + digits.data() + "_" + std::to_string(index);
}

void response_parts::take_part(dom::element part, candidate_parts& into, answer_delta& delta) {
  if (const auto call = object_member(part, "functionCall")) {
    const auto args = member(*call, "args");
    tool_call made{std::string(text_member(*call, "id")), std::string(text_member(*call, "name")),
                   args ? text_or_json(*args) : "{}", std::string(text_member(part, "thoughtSignature"))};
    const auto index = static_cast<uint32_t>(into.tool_calls.size());
    const bool taken =
        std::ranges::any_of(into.tool_calls, [&](const auto& one) { return one.id == made.id; });
    if (made.id.empty() || taken)
      made.id = id_for(made, index);
    delta.tool_calls.push_back({index, made.id, made.name, made.arguments, made.signature});
    into.tool_calls.push_back(std::move(made));
    return;
  }
  const auto text = text_member(part, "text");
  if (flag_member(part, "thought")) {
    into.reasoning += text;
    delta.reasoning += text;
  } else {
    into.text += text;
    delta.text += text;
  }
}

void response_parts::take_candidate(dom::element candidate, std::vector<answer_delta>* out) {
  const auto index = count_member(candidate, "index").value_or(0);
  if (index >= most_candidates)
    return;
  auto& into = candidates_[index];
  answer_delta delta;
  delta.choice = index;
  if (const auto content = object_member(candidate, "content"))
    each_item(*content, "parts", [&](dom::element part) { take_part(part, into, delta); });
  if (const auto word = text_member(candidate, "finishReason"); !word.empty())
    into.finish_word = excerpt(word, 100);
  if (const auto logprobs = object_member(candidate, "logprobsResult"))
    append_logprobs(into.logprobs, *logprobs);
  if (out != nullptr && !(delta.text.empty() && delta.reasoning.empty() && delta.tool_calls.empty()))
    out->push_back(std::move(delta));
}

void response_parts::take_usage(dom::element usage) {
  const auto prompt = count_member(usage, "promptTokenCount");
  const auto total = count_member(usage, "totalTokenCount");
  if (!prompt && !total)
    return;
  const auto thoughts = count_member(usage, "thoughtsTokenCount").value_or(0);
  // The provider counts thoughts apart from the answer, and bills both as output.
  usage_.completion_tokens = sum(count_member(usage, "candidatesTokenCount").value_or(0), thoughts);
  usage_.reasoning_tokens = thoughts;
  usage_.prompt_tokens = prompt ? sum(*prompt, count_member(usage, "toolUsePromptTokenCount").value_or(0))
                                : *total - std::min(*total, usage_.completion_tokens);
  usage_.cached_tokens =
      std::min(count_member(usage, "cachedContentTokenCount").value_or(0), usage_.prompt_tokens);
  usage_present_ = true;
}

void response_parts::take(dom::element response, std::vector<answer_delta>* out) {
  // Before the calls, which are named after it.
  if (const auto id = text_member(response, "responseId"); !id.empty())
    id_ = excerpt(id, id_limit);
  each_item(response, "candidates", [&](dom::element candidate) { take_candidate(candidate, out); });
  if (const auto usage = object_member(response, "usageMetadata"))
    take_usage(*usage);
  if (const auto feedback = object_member(response, "promptFeedback"))
    if (const auto reason = text_member(*feedback, "blockReason"); !reason.empty())
      block_reason_ = excerpt(reason, 100);
  if (const auto model = text_member(response, "modelVersion"); !model.empty())
    model_ = excerpt(model, id_limit);
  simulated_ = simulated_ || flag_member(response, "simulated");
}

bool response_parts::complete() const noexcept {
  if (candidates_.empty())
    return !block_reason_.empty();
  return std::all_of(candidates_.begin(), candidates_.end(),
                     [](const auto& entry) { return !entry.second.finish_word.empty(); });
}

call_failure response_parts::completed(call_failure failure) const {
  if (failure.request_id.empty())
    failure.request_id = id_;
  failure.usage = usage_;
  failure.usage_present = usage_present_;
  failure.simulated = failure.simulated || simulated_;
  return failure;
}

decoded_answer response_parts::compose(const http_outcome& outcome) && {
  const auto withheld = [&](std::string message, std::string_view word) {
    auto failure = malformed(std::move(message), outcome);
    failure.code = errc::content_filtered;
    failure.provider_code = word;
    return completed(std::move(failure));
  };
  if (candidates_.empty()) {
    if (!block_reason_.empty())
      return withheld("the provider blocked the prompt (blockReason " + block_reason_ + ")", block_reason_);
    return completed(malformed("the answer has no candidates", outcome));
  }
  auto& first = candidates_.begin()->second;
  const auto finish = finish_from(first);
  if (first.text.empty() && first.tool_calls.empty()) {
    if (finish == finish_reason::content_filter)
      return withheld("the provider withheld the answer (finishReason " + first.finish_word + ")",
                      first.finish_word);
    if (finish == finish_reason::unknown)
      return completed(malformed(first.finish_word.empty()
                                     ? "the answer has neither a text nor a finishReason"
                                     : "the model gave no answer (finishReason " + first.finish_word + ")",
                                 outcome));
  }
  chat_answer answer;
  answer.text = shared_text(first.text);
  answer.finish = finish;
  answer.usage = usage_;
  answer.usage_present = usage_present_;
  answer.served_model = std::move(model_);
  answer.request_id = request_id_of(outcome.headers);
  if (answer.request_id.empty())
    answer.request_id = std::move(id_);
  answer.simulated = simulated_;
  answer.reasoning = std::move(first.reasoning);
  answer.tool_calls = std::move(first.tool_calls);
  if (!first.logprobs.empty())
    answer.logprobs_json = R"({"content":[)" + first.logprobs + "]}";
  for (auto it = std::next(candidates_.begin()); it != candidates_.end(); ++it)
    answer.more_choices.emplace_back(it->second.text);
  return answer;
}

// -- errors
// ----------------------------------------------------------------------------------------------------

call_failure read_failure(int status, dom::element root, const http_headers& headers, wall_time now) {
  auto error = find_error(root, "candidates").value_or(provider_error{});
  error_details details;
  if (const auto object = object_member(unwrapped(root), "error"))
    details = read_details(*object);
  // The code repeats the status; the reason, or the status in words, says more.
  error.code = details.reason.empty() ? error.type : std::string(details.reason);
  const bool began = status == 0;
  const int effective = began ? error.numeric_code : status;
  auto failure = classify(effective, error, headers, now, {}, began);
  if (details.retry_delay && !has_retry_header(headers))
    failure.retry_after = details.retry_delay;
  if (failure.code == errc::rate_limited && (details.daily || says_no_quota(error.message)))
    failure.code = errc::quota_exhausted;
  failure.request_id = request_id_of(headers);
  failure.simulated = flag_member(unwrapped(root), "simulated");
  return failure;
}

call_failure read_failed_status(const http_outcome& outcome, json_document& document, wall_time now) {
  const auto root = document.parse(outcome.body);
  if (root && find_error(*root, "candidates"))
    return read_failure(outcome.status, *root, outcome.headers, now);
  return failed_status(outcome, std::nullopt, now, {});
}

decoded_answer decode_chat(const http_outcome& outcome, json_document& document, wall_time now) {
  if (outcome.status == 0)
    return failed_transfer(outcome);
  if (is_success(outcome.status))
    return read_success(outcome, document, now);
  return read_failed_status(outcome, document, now);
}

} // namespace assay::codecs::gemini
