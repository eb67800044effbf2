#include "core/codecs/gemini_parts.hpp"
#include "core/codecs/json_text.hpp"

#include <algorithm>
#include <charconv>

namespace assay::codecs::gemini {

namespace {

/// The usual four categories, none of them blocked.
constexpr std::string_view nothing_blocked =
    R"([{"category":"HARM_CATEGORY_HARASSMENT","threshold":"BLOCK_NONE"},)"
    R"({"category":"HARM_CATEGORY_HATE_SPEECH","threshold":"BLOCK_NONE"},)"
    R"({"category":"HARM_CATEGORY_SEXUALLY_EXPLICIT","threshold":"BLOCK_NONE"},)"
    R"({"category":"HARM_CATEGORY_DANGEROUS_CONTENT","threshold":"BLOCK_NONE"}])";

/// The vendor's limits.
constexpr uint32_t most_candidates = 8;
constexpr size_t most_stops = 5;
constexpr size_t most_embeddings = 100;
/// The least that 2.5 Pro thinks.
constexpr int least_thinking = 128;

/// @returns the budget for a word, as the vendor's endpoint that is compatible with OpenAI maps it, or for a
/// number of tokens.
std::optional<int> thinking_budget(std::string_view effort) {
  if (effort == "minimal" || effort == "low")
    return 1024;
  if (effort == "medium")
    return 8192;
  if (effort == "high" || effort == "xhigh" || effort == "max")
    return 24'576;
  int tokens = 0;
  const auto [end, error] = std::from_chars(effort.data(), effort.data() + effort.size(), tokens);
  if (error != std::errc{} || end != effort.data() + effort.size())
    return std::nullopt;
  return tokens;
}

std::string_view thinking_level(std::string_view effort, const model_traits& traits) {
  if (effort == "minimal" || effort == "none")
    return traits.minimal_level ? "MINIMAL" : "LOW";
  if (effort == "low")
    return "LOW";
  if (effort == "medium")
    return "MEDIUM";
  if (effort == "high" || effort == "xhigh" || effort == "max")
    return "HIGH";
  return {};
}

class request_writer {
public:
  request_writer(const chat_request& request, json_document& document)
      : request_(request), traits_(traits_of(request.model)), document_(document) {}

  result<encoded_request> write_chat(std::string_view prefix);
  result<encoded_request> write_count(std::string_view prefix);

private:
  void drop(std::string_view what, std::string_view why) {
    dropped_.push_back(std::string(what) + ": " + std::string(why));
  }

  result<void> check_options();
  void write_generation_config();
  void write_sampling();
  void write_seed();
  void write_answer_form();
  void write_thinking();
  void note_dropped();

  void member(std::string_view name, std::string_view json) {
    out_.append(out_.back() == '{' ? "\"" : ",\"").append(name).append("\":").append(json);
  }
  void number(std::string_view name, const std::optional<double>& value) {
    if (!value)
      return;
    std::string json;
    append_json_number(json, *value);
    member(name, json);
  }

  const chat_request& request_;
  model_traits traits_;
  json_document& document_;
  prepared_options prepared_;
  std::string safety_;
  std::string out_;
  std::vector<std::string> dropped_;
};

result<void> request_writer::check_options() {
  safety_ = nothing_blocked;
  if (request_.options == nullptr)
    return {};
  const auto& options = *request_.options;
  if (options.choices > most_candidates)
    return fault{errc::unsupported, "Gemini gives at most 8 answers to a request", "n", "ask several times"};
  if (!options.safety_settings_json.empty()) {
    auto settings = as_json_list(document_, options.safety_settings_json);
    if (!settings)
      return fault{errc::invalid_argument, "the safety settings are not a JSON list", "safety_settings",
                   R"([{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}, ...])"};
    safety_ = std::move(*settings);
  }
  auto prepared = prepare(document_, options);
  if (!prepared)
    return prepared.error();
  prepared_ = std::move(*prepared);
  return {};
}

void request_writer::write_seed() {
  if (!request_.parameters.seed)
    return;
  // The wire has 31 bits for it. Folding keeps different seeds different, as far as that goes.
  const auto wide = static_cast<uint64_t>(*request_.parameters.seed);
  auto seed = static_cast<int64_t>(wide);
  if (seed < 0 || seed > INT32_MAX) {
    seed = static_cast<int64_t>((wide ^ (wide >> 32)) & 0x7FFF'FFFF);
    drop("seed", "Gemini takes 31 bits, " + std::to_string(seed) + " was sent");
  }
  member("seed", std::to_string(seed));
}

void request_writer::write_sampling() {
  const auto& wanted = request_.parameters;
  number("temperature", wanted.temperature);
  number("topP", wanted.top_p);
  // Zero is what the models do without being told, and some refuse to be told.
  if (wanted.presence_penalty.value_or(0) != 0)
    number("presencePenalty", wanted.presence_penalty);
  if (wanted.frequency_penalty.value_or(0) != 0)
    number("frequencyPenalty", wanted.frequency_penalty);
  if (wanted.max_tokens)
    member("maxOutputTokens", std::to_string(*wanted.max_tokens));
  write_seed();
  if (wanted.stop.empty())
    return;
  const std::span<const std::string> stops = wanted.stop;
  if (stops.size() > most_stops)
    drop("stop", "Gemini takes 5 sequences, the first 5 were sent");
  std::string list;
  append_list(list, stops.first(std::min(stops.size(), most_stops)));
  member("stopSequences", list);
}

void request_writer::write_answer_form() {
  const auto& options = *request_.options;
  if (options.top_k)
    member("topK", std::to_string(*options.top_k));
  if (options.choices > 1)
    member("candidateCount", std::to_string(options.choices));
  if (options.logprobs || options.top_logprobs) {
    member("responseLogprobs", "true");
    if (options.top_logprobs)
      member("logprobs", std::to_string(*options.top_logprobs));
  }
  if (options.form != answer_form::text)
    member("responseMimeType", "\"application/json\"");
  if (!prepared_.schema.empty())
    member("responseJsonSchema", prepared_.schema);
}

void request_writer::write_thinking() {
  const std::string_view effort = request_.options->reasoning_effort;
  if (effort.empty())
    return;
  if (traits_.thinking == thinking_mode::none) {
    if (effort != "none")
      drop("reasoning_effort", std::string(request_.model) + " takes none");
    return;
  }
  if (effort == "none" && !traits_.can_stop_thinking)
    drop("reasoning_effort", std::string(request_.model) + " always thinks, the least was sent");
  const auto level =
      traits_.thinking == thinking_mode::level ? thinking_level(effort, traits_) : std::string_view{};
  if (!level.empty())
    return member("thinkingConfig", R"({"thinkingLevel":")" + std::string(level) + "\"}");
  const auto budget = effort == "none" ? std::optional<int>(traits_.can_stop_thinking ? 0 : least_thinking)
                                       : thinking_budget(effort);
  if (!budget)
    return drop("reasoning_effort",
                std::string(request_.model) + " does not know `" + std::string(effort) + "`");
  member("thinkingConfig", R"({"thinkingBudget":)" + std::to_string(*budget) + "}");
}

void request_writer::write_generation_config() {
  const auto before = out_.size();
  out_ += R"(,"generationConfig":{)";
  const auto empty = out_.size();
  write_sampling();
  if (request_.options != nullptr) {
    write_answer_form();
    write_thinking();
  }
  if (out_.size() == empty)
    out_.resize(before);
  else
    out_ += '}';
}

void request_writer::note_dropped() {
  for (const auto& message : request_.messages)
    if (message.extras && !message.extras->name.empty() && message.role != chat_role::tool) {
      drop("name", "Gemini knows no names of speakers");
      break;
    }
  if (request_.options == nullptr)
    return;
  const auto& options = *request_.options;
  if (std::any_of(options.tools.begin(), options.tools.end(),
                  [](const tool_definition& tool) { return tool.strict.value_or(false); }))
    drop("strict", "Gemini takes none for tools");
  if (!options.parallel_tool_calls.value_or(true))
    drop("parallel_tool_calls", "Gemini cannot be kept from calling several tools at once");
  if (!options.user.empty())
    drop("user", "Gemini takes none");
  if (!options.extra_json.empty())
    drop("extra", "only providers compatible with OpenAI take further parameters");
}

result<encoded_request> request_writer::write_chat(std::string_view prefix) {
  if (auto checked = check_options(); !checked)
    return checked.error();
  out_.reserve(expected_body_size(request_.messages));
  out_ += '{';
  if (auto written = append_conversation(out_, request_.messages, traits_, document_); !written)
    return written.error();
  write_generation_config();
  out_.append(R"(,"safetySettings":)").append(safety_);
  if (request_.options != nullptr)
    append_tools(out_, *request_.options, prepared_);
  out_ += '}';
  note_dropped();
  auto target = std::string(prefix) + "/" + path_of(request_.model);
  // Without alt=sse the stream is one JSON list in pieces.
  target += request_.stream ? ":streamGenerateContent?alt=sse" : ":generateContent";
  return encoded_request{std::move(target), shared_text(out_), std::move(dropped_)};
}

result<encoded_request> request_writer::write_count(std::string_view prefix) {
  if (auto checked = check_options(); !checked)
    return checked.error();
  out_.reserve(expected_body_size(request_.messages));
  const bool tools = !tools_of(request_.options).empty();
  const bool whole = tools || !joined_system_text(request_.messages).empty();
  out_ += '{';
  if (whole) {
    // The short form counts the turns only.
    out_ += R"("generateContentRequest":{"model":)";
    append_json_string(out_, resource_of(request_.model));
    out_ += ',';
  }
  if (auto written = append_conversation(out_, request_.messages, traits_, document_); !written)
    return written.error();
  if (tools)
    append_tools(out_, *request_.options, prepared_);
  out_ += whole ? "}}" : "}";
  return encoded_request{
      std::string(prefix) + "/" + path_of(request_.model) + ":countTokens", shared_text(out_), {}};
}

} // namespace

result<encoded_request> encode_chat(const chat_request& request, json_document& document,
                                    std::string_view prefix) {
  return request_writer(request, document).write_chat(prefix);
}

result<encoded_request> encode_count(const chat_request& request, json_document& document,
                                     std::string_view prefix) {
  return request_writer(request, document).write_count(prefix);
}

result<encoded_request> encode_embeddings(const embedding_request& request, std::string_view prefix) {
  if (request.inputs.empty())
    return fault{errc::invalid_argument, "there is no text to embed", "input", ""};
  if (request.inputs.size() > most_embeddings)
    return fault{errc::too_large, "Gemini embeds at most 100 texts at once", "input",
                 "send them in several requests"};
  std::string out = R"({"requests":[)";
  std::string head = R"({"model":)";
  append_json_string(head, resource_of(request.model));
  head += R"(,"content":{"parts":[{"text":)";
  for (const auto& text : request.inputs) {
    out += out.back() == '[' ? "" : ",";
    out += head;
    append_json_string(out, text);
    out += "}]}";
    if (request.dimensions)
      out.append(R"(,"outputDimensionality":)").append(std::to_string(*request.dimensions));
    out += '}';
  }
  out += "]}";
  return encoded_request{
      std::string(prefix) + "/" + path_of(request.model) + ":batchEmbedContents", shared_text(out), {}};
}

} // namespace assay::codecs::gemini
