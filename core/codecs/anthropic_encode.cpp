#include "core/codecs/anthropic_parts.hpp"
#include "core/codecs/json_text.hpp"

#include <algorithm>
#include <charconv>

namespace assay::codecs::anthropic {

namespace {

/// An answer's length where neither the request nor the catalogue says one.
constexpr uint32_t usual_tokens = 4096;
/// Above this the vendor's SDK expects more than ten minutes and insists on a stream.
constexpr uint32_t most_unstreamed_tokens = 21'333;
/// The vendor's least budget, and what is kept for the answer itself.
constexpr uint32_t least_thinking = 1024;
constexpr uint32_t room_for_answer = 4096;

/// @returns the budget for a word as Google maps them, too (1K, 8K, 24K), or for a number of tokens.
std::optional<uint32_t> thinking_budget(std::string_view effort) {
  if (effort == "minimal" || effort == "low")
    return least_thinking;
  if (effort == "medium")
    return 8192;
  if (effort == "high")
    return 24'576;
  if (effort == "xhigh" || effort == "max")
    return 32'768;
  uint32_t tokens = 0;
  const auto [end, error] = std::from_chars(effort.data(), effort.data() + effort.size(), tokens);
  if (error != std::errc{} || end != effort.data() + effort.size())
    return std::nullopt;
  return std::max(tokens, least_thinking);
}

/// What is said about thinking.
struct thinking_plan {
  std::string_view type; ///< Empty: nothing is said.
  uint32_t budget = 0;
  std::string_view effort; ///< Of output_config.

  bool thinks() const { return type == "enabled" || type == "adaptive"; }
};

class request_writer {
public:
  request_writer(const chat_request& request, const model_traits& traits, json_document& document)
      : request_(request), traits_(traits), document_(document) {}

  result<encoded_request> write_chat(std::string_view prefix);
  result<encoded_request> write_count(std::string_view prefix);

private:
  void drop(std::string_view what, std::string_view why);
  void drop_for_model(std::string_view what) { drop(what, std::string(request_.model) + " takes none"); }

  result<void> check_options();
  uint32_t plan_tokens();
  void plan_thinking();
  void plan_budget(std::string_view effort);
  void write_thinking();
  void write_output_config();
  void write_sampling();
  void write_stops();
  void write_tools();
  void write_tool_choice();
  void note_dropped();

  bool ends_with(chat_role role) const;
  bool forces_a_tool() const;

  const chat_request& request_;
  const model_traits& traits_;
  json_document& document_;
  prepared_options prepared_;
  thinking_plan thinking_;
  uint32_t max_tokens_ = 0;
  std::string out_;
  std::vector<std::string> dropped_;
};

void request_writer::drop(std::string_view what, std::string_view why) {
  dropped_.push_back(std::string(what) + ": " + std::string(why));
}

result<void> request_writer::check_options() {
  if (request_.options == nullptr)
    return {};
  const auto& options = *request_.options;
  if (options.choices > 1)
    return fault{errc::unsupported, "Anthropic gives one answer to a request, not several", "n",
                 "ask several times, or use openai or gemini"};
  if (options.logprobs || options.top_logprobs)
    return fault{errc::unsupported, "Anthropic gives no log probabilities", "logprobs",
                 "openai, deepseek, gemini and vLLM give them"};
  if (options.form == answer_form::json_schema && !traits_.schemas)
    return fault{errc::unsupported, std::string(request_.model) + " takes no schema for its answer",
                 "response_format", "models from claude-opus-4-1 on do"};
  auto prepared = prepare(document_, options);
  if (!prepared)
    return prepared.error();
  prepared_ = std::move(*prepared);
  return {};
}

// -- thinking and sampling
// -------------------------------------------------------------------------------------

bool request_writer::ends_with(chat_role role) const {
  const auto last = last_turn(request_.messages);
  return last < request_.messages.size() && request_.messages[last].role == role;
}

bool request_writer::forces_a_tool() const {
  if (tools_of(request_.options).empty())
    return false;
  const auto& choice = request_.options->tool_choice;
  return !choice.empty() && choice != "auto" && choice != "none";
}

uint32_t request_writer::plan_tokens() {
  if (request_.parameters.max_tokens)
    return std::max(1U, *request_.parameters.max_tokens);
  if (traits_.most_tokens == 0)
    return usual_tokens;
  return request_.stream ? traits_.most_tokens : std::min(traits_.most_tokens, most_unstreamed_tokens);
}

void request_writer::plan_budget(std::string_view effort) {
  const auto wanted = thinking_budget(effort);
  if (!wanted)
    return drop("reasoning_effort",
                std::string(request_.model) + " does not know `" + std::string(effort) + "`");
  if (ends_with(chat_role::tool))
    return drop("reasoning_effort",
                "the model would have to be shown its thoughts before the tool call again");
  if (!request_.parameters.max_tokens && max_tokens_ < *wanted + room_for_answer)
    max_tokens_ = *wanted + room_for_answer;
  // A limit of the caller's is shared out; ours has room for both.
  const auto for_answer = request_.parameters.max_tokens ? max_tokens_ / 4 : room_for_answer;
  const auto budget = std::min(*wanted, max_tokens_ - std::min(max_tokens_, for_answer));
  if (budget < least_thinking)
    return drop("reasoning_effort", "max_tokens leaves no room for it");
  thinking_.type = "enabled";
  thinking_.budget = budget;
}

void request_writer::plan_thinking() {
  max_tokens_ = plan_tokens();
  if (request_.options == nullptr || request_.options->reasoning_effort.empty())
    return;
  const std::string_view effort = request_.options->reasoning_effort;
  const auto mode = traits_.thinking;
  if (effort == "none") {
    if (mode == thinking_mode::on)
      thinking_.type = "disabled";
    if (mode != thinking_mode::always)
      return;
    thinking_.effort = "low";
    return drop("reasoning_effort", std::string(request_.model) + " always thinks, low was sent");
  }
  if (mode == thinking_mode::none)
    return drop_for_model("reasoning_effort");
  if (mode != thinking_mode::budget)
    thinking_.effort = effort == "minimal" ? "low" : effort;
  if (forces_a_tool() && traits_.forced_tools) {
    if (mode == thinking_mode::budget)
      drop("reasoning_effort", "not together with a forced tool");
    return;
  }
  if (ends_with(chat_role::assistant))
    return drop("reasoning_effort", "not together with the beginning of an answer");
  if (mode == thinking_mode::budget)
    return plan_budget(effort);
  thinking_.type = "adaptive";
}

void request_writer::write_thinking() {
  if (thinking_.type.empty())
    return;
  out_.append(R"(,"thinking":{"type":")").append(thinking_.type).append("\"");
  if (thinking_.budget != 0)
    out_.append(R"(,"budget_tokens":)").append(std::to_string(thinking_.budget));
  out_ += '}';
}

void request_writer::write_output_config() {
  const bool schema = !prepared_.schema.empty();
  if (thinking_.effort.empty() && !schema)
    return;
  out_ += R"(,"output_config":{)";
  if (!thinking_.effort.empty()) {
    out_ += R"("effort":)";
    append_json_string(out_, thinking_.effort);
  }
  if (schema)
    out_.append(thinking_.effort.empty() ? "" : ",")
        .append(R"("format":{"type":"json_schema","schema":)")
        .append(prepared_.schema)
        .append("}");
  out_ += '}';
}

void request_writer::write_sampling() {
  const auto& wanted = request_.parameters;
  auto temperature = wanted.temperature;
  auto top_p = wanted.top_p;
  auto top_k = request_.options == nullptr ? std::optional<uint32_t>{} : request_.options->top_k;
  const auto give_up = [&](auto& value, std::string_view name, std::string_view why) {
    if (value)
      drop(name, why);
    value.reset();
  };
  if (!traits_.sampling) {
    const auto why = std::string(request_.model) + " takes none";
    give_up(temperature, "temperature", why);
    give_up(top_p, "top_p", why);
    give_up(top_k, "top_k", why);
    return;
  }
  if (thinking_.thinks()) {
    if (temperature != 1.0)
      give_up(temperature, "temperature", "only 1 while the model thinks");
    if (top_p && *top_p < 0.95)
      give_up(top_p, "top_p", "at least 0.95 while the model thinks");
    give_up(top_k, "top_k", "none while the model thinks");
  }
  if (temperature && *temperature > 1.0) {
    drop("temperature", "Anthropic takes at most 1, which was sent");
    temperature = 1.0;
  }
  if (temperature && !traits_.temperature_with_top_p)
    give_up(top_p, "top_p", std::string(request_.model) + " takes temperature or top_p, not both");
  append_number(out_, "temperature", temperature);
  append_number(out_, "top_p", top_p);
  if (top_k)
    out_.append(R"(,"top_k":)").append(std::to_string(*top_k));
}

void request_writer::write_stops() {
  const auto& stops = request_.parameters.stop;
  if (stops.empty())
    return;
  if (std::none_of(stops.begin(), stops.end(), only_blanks)) {
    out_ += R"(,"stop_sequences":)";
    append_list(out_, stops);
    return;
  }
  drop("stop", "Anthropic takes no sequence of blanks only");
  std::vector<std::string> taken;
  std::remove_copy_if(stops.begin(), stops.end(), std::back_inserter(taken), only_blanks);
  if (taken.empty())
    return;
  out_ += R"(,"stop_sequences":)";
  append_list(out_, taken);
}

// -- tools
// -----------------------------------------------------------------------------------------------------

void request_writer::write_tools() {
  const auto tools = tools_of(request_.options);
  if (tools.empty())
    return;
  out_ += R"(,"tools":[)";
  for (size_t i = 0; i < tools.size(); ++i) {
    out_ += i == 0 ? R"({"name":)" : R"(,{"name":)";
    append_json_string(out_, tools[i].name);
    if (!tools[i].description.empty()) {
      out_ += R"(,"description":)";
      append_json_string(out_, tools[i].description);
    }
    const auto& parameters = prepared_.tool_parameters[i];
    out_ += R"(,"input_schema":)";
    out_ += parameters.empty() ? R"({"type":"object","properties":{}})" : parameters;
    if (tools[i].strict.value_or(false) && traits_.schemas)
      out_ += R"(,"strict":true)";
    else if (tools[i].strict.value_or(false))
      drop_for_model(where_in("tools", i, ".strict"));
    out_ += '}';
  }
  out_ += ']';
  write_tool_choice();
}

void request_writer::write_tool_choice() {
  const auto& options = *request_.options;
  const bool one_at_a_time = !options.parallel_tool_calls.value_or(true);
  std::string_view choice = options.tool_choice;
  if (choice.empty() && !one_at_a_time)
    return;
  if (forces_a_tool() && !traits_.forced_tools) {
    drop("tool_choice", std::string(request_.model) + " cannot be forced to use a tool, auto was sent");
    choice = "auto";
  }
  out_ += R"(,"tool_choice":{"type":)";
  if (choice.empty() || choice == "auto") {
    out_ += R"("auto")";
  } else if (choice == "none") {
    out_ += R"("none"})";
    return;
  } else if (choice == "required") {
    out_ += R"("any")";
  } else {
    out_ += R"("tool","name":)";
    append_json_string(out_, choice);
  }
  if (one_at_a_time)
    out_ += R"(,"disable_parallel_tool_use":true)";
  out_ += '}';
}

// -- the whole
// -------------------------------------------------------------------------------------------------

void request_writer::note_dropped() {
  if (request_.parameters.seed)
    drop("seed", "Anthropic takes none");
  if (request_.parameters.frequency_penalty.value_or(0) != 0)
    drop("frequency_penalty", "Anthropic takes none");
  if (request_.parameters.presence_penalty.value_or(0) != 0)
    drop("presence_penalty", "Anthropic takes none");
  for (const auto& message : request_.messages)
    if (message.extras && !message.extras->name.empty() && message.role != chat_role::tool) {
      drop("name", "Anthropic knows no names of speakers");
      break;
    }
  if (request_.options == nullptr)
    return;
  const auto& options = *request_.options;
  if (options.form == answer_form::json_object)
    drop("response_format", "Anthropic knows schemas, but no form json_object");
  if (!options.safety_settings_json.empty())
    drop("safety_settings", "Anthropic takes none");
  if (!options.extra_json.empty())
    drop("extra", "only providers compatible with OpenAI take further parameters");
}

result<encoded_request> request_writer::write_chat(std::string_view prefix) {
  if (auto checked = check_options(); !checked)
    return checked.error();
  if (!traits_.prefill && ends_with(chat_role::assistant))
    return fault{errc::unsupported,
                 std::string(request_.model) + " does not go on with the beginning of an answer",
                 where_in("messages", last_turn(request_.messages)),
                 "end with a user's message, or use a model up to claude-opus-4-5"};
  plan_thinking();
  out_.reserve(expected_body_size(request_.messages));
  out_ += R"({"model":)";
  append_json_string(out_, request_.model);
  out_.append(R"(,"max_tokens":)").append(std::to_string(max_tokens_));
  if (auto written = append_conversation(out_, request_.messages, document_, dropped_); !written)
    return written.error();
  write_sampling();
  write_stops();
  write_tools();
  write_thinking();
  write_output_config();
  if (request_.options != nullptr && !request_.options->user.empty()) {
    out_ += R"(,"metadata":{"user_id":)";
    append_json_string(out_, request_.options->user);
    out_ += '}';
  }
  if (request_.stream)
    out_ += R"(,"stream":true)";
  out_ += '}';
  note_dropped();
  return encoded_request{std::string(prefix) + "/messages", shared_text(out_), std::move(dropped_)};
}

result<encoded_request> request_writer::write_count(std::string_view prefix) {
  if (request_.options != nullptr) {
    auto prepared = prepare(document_, *request_.options);
    if (!prepared)
      return prepared.error();
    prepared_ = std::move(*prepared);
  }
  out_.reserve(expected_body_size(request_.messages));
  out_ += R"({"model":)";
  append_json_string(out_, request_.model);
  if (auto written = append_conversation(out_, request_.messages, document_, dropped_); !written)
    return written.error();
  write_tools();
  if (traits_.schemas)
    write_output_config();
  out_ += '}';
  return encoded_request{std::string(prefix) + "/messages/count_tokens", shared_text(out_),
                         std::move(dropped_)};
}

} // namespace

result<encoded_request> encode_chat(const chat_request& request, const model_traits& traits,
                                    json_document& document, std::string_view prefix) {
  return request_writer(request, traits, document).write_chat(prefix);
}

result<encoded_request> encode_count(const chat_request& request, const model_traits& traits,
                                     json_document& document, std::string_view prefix) {
  return request_writer(request, traits, document).write_count(prefix);
}

} // namespace assay::codecs::anthropic
