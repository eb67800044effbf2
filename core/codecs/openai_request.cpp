#include "core/codecs/openai_request.hpp"

#include "core/codecs/json_reader.hpp"
#include "core/codecs/json_text.hpp"
#include "core/codecs/openai_chat.hpp"
#include "core/codecs/openai_messages.hpp"

#include <algorithm>
#include <array>

namespace assay::codecs {

namespace {

constexpr size_t longest_schema_name = 64;

/// Members that the decoders rely on, or that this side alone knows.
constexpr std::array<std::string_view, 5> reserved{"model", "messages", "stream", "stream_options", "n"};

fault wrong(std::string message, std::string where, std::string hint = {}) {
  return {errc::invalid_argument, std::move(message), std::move(where), std::move(hint)};
}

bool is_schema_name(std::string_view name) noexcept {
  const auto good = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  };
  return name.size() <= longest_schema_name && std::all_of(name.begin(), name.end(), good);
}

class chat_writer {
public:
  chat_writer(const chat_request& request, const openai_rules& rules)
      : request_(request), rules_(rules),
        reasoning_(rules.has_reasoning_models && is_reasoning_model(request.model)) {
    out_.reserve(expected_size(request.messages));
  }

  result<written_body> write() {
    if (auto written = write_start(); !written)
      return written.error();
    write_length();
    write_sampling();
    if (request_.options != nullptr)
      if (auto written = write_options(*request_.options); !written)
        return written.error();
    write_stream();
    if (must_not_think())
      member("enable_thinking", "false");
    if (request_.options != nullptr && !request_.options->extra_json.empty())
      if (auto written = write_extras(request_.options->extra_json); !written)
        return written.error();
    return finish();
  }

  result<written_body> write_for_count() {
    if (auto written = write_start(); !written)
      return written.error();
    if (request_.options != nullptr)
      if (auto written = write_tools(*request_.options); !written)
        return written.error();
    return finish();
  }

private:
  result<written_body> finish() {
    out_ += '}';
    return written_body{std::move(out_), std::move(dropped_)};
  }

  // -- pieces ----------------------------------------------------------------------------------------------

  void key(std::string_view name) {
    out_.append(",\"").append(name).append("\":");
    if (request_.options != nullptr)
      written_.push_back(name);
  }

  void member(std::string_view name, std::string_view json) {
    key(name);
    out_ += json;
  }

  void text_member(std::string_view name, std::string_view text) {
    key(name);
    append_json_string(out_, text);
  }

  void drop(std::string_view name, std::string_view why = "takes none") {
    auto& line = dropped_.emplace_back(name);
    line.append(": ").append(reasoning_ ? request_.model : rules_.name).append(" ").append(why);
  }

  /// Appends @p json when it is an object. @returns whether it was.
  bool append_object(const std::string& json) {
    json_document document;
    const auto root = document.parse(json);
    if (!root || !root->is_object())
      return false;
    out_ += simdjson::minify(*root);
    return true;
  }

  // -- the parts of the body -------------------------------------------------------------------------------

  result<void> write_start() {
    out_ += "{\"model\":";
    append_json_string(out_, request_.model);
    out_ += ",\"messages\":";
    return append_messages(out_, request_.messages, rules_, reasoning_ && rules_.own_reasoning_models);
  }

  void write_length() {
    const auto& limit = request_.parameters.max_tokens;
    if (!limit)
      return;
    const bool completion =
        rules_.length == length_form::completion || (rules_.length == length_form::by_model && reasoning_);
    member(completion ? "max_completion_tokens" : "max_tokens", std::to_string(*limit));
  }

  void write_number(std::string_view name, const std::optional<double>& value, bool taken) {
    if (!value)
      return;
    if (!taken)
      return drop(name);
    key(name);
    append_json_number(out_, *value);
  }

  void write_sampling() {
    const auto& parameters = request_.parameters;
    write_number("temperature", parameters.temperature, !reasoning_);
    write_number("top_p", parameters.top_p, !reasoning_);
    write_number("frequency_penalty", parameters.frequency_penalty, !reasoning_ && rules_.frequency_penalty);
    write_number("presence_penalty", parameters.presence_penalty, !reasoning_ && rules_.presence_penalty);
    if (!parameters.stop.empty() && reasoning_)
      drop("stop");
    else if (!parameters.stop.empty())
      write_stops(parameters.stop);
    if (parameters.seed && !rules_.seed)
      drop("seed");
    else if (parameters.seed)
      member("seed", std::to_string(*parameters.seed));
  }

  void write_stops(const std::vector<std::string>& stops) {
    const auto most = rules_.most_stops == 0 ? stops.size() : size_t{rules_.most_stops};
    if (stops.size() > most)
      drop("stop",
           "takes " + std::to_string(most) + " sequences, the first " + std::to_string(most) + " were sent");
    key("stop");
    for (size_t i = 0; i < std::min(stops.size(), most); ++i) {
      out_ += i == 0 ? '[' : ',';
      append_json_string(out_, stops[i]);
    }
    out_ += ']';
  }

  result<void> write_options(const answer_options& options) {
    if (options.top_k && (!rules_.top_k || reasoning_))
      drop("top_k");
    else if (options.top_k)
      member("top_k", std::to_string(*options.top_k));
    if (auto written = write_choices(options); !written)
      return written;
    if (auto written = write_logprobs(options); !written)
      return written;
    if (auto written = write_form(options); !written)
      return written;
    if (auto written = write_tools(options); !written)
      return written;
    if (!options.reasoning_effort.empty())
      write_effort(options.reasoning_effort);
    if (!options.user.empty() && !rules_.user)
      drop("user");
    else if (!options.user.empty())
      text_member(rules_.user_field, options.user);
    if (!options.safety_settings_json.empty())
      drop("safety_settings");
    return {};
  }

  result<void> write_choices(const answer_options& options) {
    if (options.choices == 0)
      return wrong("the number of answers must be at least 1", "n");
    if (options.choices == 1)
      return {};
    if (!rules_.choices || (request_.stream && !rules_.streams_choices))
      return lacking(rules_,
                     request_.stream ? "no wish for several streamed answers" : "no wish for several answers",
                     "n", "ask once for each answer");
    member("n", std::to_string(options.choices));
    return {};
  }

  result<void> write_logprobs(const answer_options& options) {
    if (!options.logprobs && !options.top_logprobs)
      return {};
    if (!rules_.logprobs)
      return lacking(rules_, "no wish for logprobs", "logprobs",
                     "openai, azure_openai, deepseek and vLLM give them");
    if (reasoning_)
      return fault{errc::unsupported, std::string(request_.model) + " gives no logprobs", "logprobs",
                   "ask a model that does not reason"};
    member("logprobs", "true");
    if (options.top_logprobs)
      member("top_logprobs", std::to_string(*options.top_logprobs));
    return {};
  }

  result<void> write_form(const answer_options& options) {
    if (options.form == answer_form::text)
      return {};
    if (options.form == answer_form::json_object) {
      if (!rules_.json_object)
        return lacking(rules_, "no response_format", "response_format", "ask for JSON in the prompt");
      member("response_format", R"({"type":"json_object"})");
      return {};
    }
    if (!rules_.json_schema)
      return lacking(rules_, "no JSON schema", "response_format",
                     rules_.json_object ? "use json_object and describe the form in the prompt"
                                        : "ask for JSON in the prompt");
    if (!is_schema_name(options.schema_name))
      return wrong("a schema's name has at most 64 letters, digits, _ and -",
                   "response_format.json_schema.name");
    key("response_format");
    out_ += R"({"type":"json_schema","json_schema":{"name":)";
    append_json_string(out_, options.schema_name.empty() ? "answer" : options.schema_name);
    if (options.schema_strict)
      out_ += *options.schema_strict ? R"(,"strict":true)" : R"(,"strict":false)";
    out_ += R"(,"schema":)";
    if (!append_object(options.schema_json))
      return wrong("the schema is not a JSON object", "response_format.json_schema.schema");
    out_ += "}}";
    return {};
  }

  result<void> write_tools(const answer_options& options) {
    const bool chooses =
        !options.tool_choice.empty() && options.tool_choice != "auto" && options.tool_choice != "none";
    if (options.tools.empty())
      return chooses ? result<void>{wrong("there are no tools to choose from", "tool_choice")}
                     : result<void>{};
    if (request_.stream && !rules_.streams_tools)
      return lacking(rules_, "no tools while streaming", "tools", "ask without stream");
    // Whoever cannot be told not to call is not told what there is.
    if (!rules_.tool_choice && options.tool_choice == "none")
      return {};
    key("tools");
    for (size_t i = 0; i < options.tools.size(); ++i) {
      out_ += i == 0 ? '[' : ',';
      if (auto written = write_tool(options.tools[i], i); !written)
        return written;
    }
    out_ += ']';
    if (auto written = write_tool_choice(options, chooses); !written)
      return written;
    if (options.parallel_tool_calls && !rules_.parallel_tool_calls)
      drop("parallel_tool_calls");
    else if (options.parallel_tool_calls)
      member("parallel_tool_calls", *options.parallel_tool_calls ? "true" : "false");
    return {};
  }

  result<void> write_tool(const tool_definition& tool, size_t index) {
    const auto where = "tools[" + std::to_string(index) + "]";
    if (tool.name.empty())
      return wrong("a tool needs a name", where + ".name");
    out_ += R"({"type":"function","function":{"name":)";
    append_json_string(out_, tool.name);
    if (!tool.description.empty()) {
      out_ += R"(,"description":)";
      append_json_string(out_, tool.description);
    }
    if (!tool.parameters_json.empty()) {
      out_ += R"(,"parameters":)";
      if (!append_object(tool.parameters_json))
        return wrong("the parameters are not a JSON object", where + ".parameters");
    }
    if (tool.strict)
      out_ += *tool.strict ? R"(,"strict":true)" : R"(,"strict":false)";
    out_ += "}}";
    return {};
  }

  result<void> write_tool_choice(const answer_options& options, bool chooses) {
    const auto& choice = options.tool_choice;
    const bool named = chooses && choice != "required";
    const auto known = [&](const tool_definition& tool) { return tool.name == choice; };
    if (named && std::none_of(options.tools.begin(), options.tools.end(), known))
      return wrong("`" + choice + "` is none of the tools", "tool_choice",
                   "auto, none, required or a tool's name");
    if (choice.empty())
      return {};
    if (!rules_.tool_choice) {
      if (chooses)
        drop("tool_choice");
      return {};
    }
    if (!named) {
      text_member("tool_choice", choice);
      return {};
    }
    key("tool_choice");
    out_ += R"({"type":"function","function":{"name":)";
    append_json_string(out_, choice);
    out_ += "}}";
    return {};
  }

  void write_effort(std::string_view effort) {
    switch (rules_.effort) {
    case effort_form::word:
      return write_effort_word(effort);
    case effort_form::reasoning_object:
      key("reasoning");
      out_ += "{\"effort\":";
      append_json_string(out_, effort);
      out_ += '}';
      return;
    case effort_form::thinking_object:
      member("thinking", effort == "none" ? R"({"type":"disabled"})" : R"({"type":"enabled"})");
      if (effort != "none")
        text_member("reasoning_effort", effort);
      return;
    case effort_form::thinking_flag:
      if (effort != "none" && rules_.qwen3_thinks_streamed && !request_.stream
          && is_open_qwen3(request_.model))
        return drop("reasoning_effort", "lets " + std::string(request_.model) + " think only when streamed");
      member("enable_thinking", effort == "none" ? "false" : "true");
      return;
    case effort_form::unknown:
      return drop("reasoning_effort");
    }
  }

  void write_effort_word(std::string_view effort) {
    if (rules_.own_reasoning_models && !reasoning_) {
      dropped_.push_back("reasoning_effort: " + std::string(request_.model) + " takes none");
      return;
    }
    // Seen in answers of these models to others.
    if (reasoning_ && request_.model.find("gpt-6.2") != std::string_view::npos
        && (effort == "none" || effort == "minimal")) {
      drop("reasoning_effort", "takes no `" + std::string(effort) + "`; low is its least");
      effort = "low";
    }
    text_member("reasoning_effort", effort);
  }

  /// The model would refuse to answer, and nobody has said whether it should think.
  bool must_not_think() const {
    if (!rules_.qwen3_thinks_streamed || request_.stream || !is_open_qwen3(request_.model))
      return false;
    return std::find(written_.begin(), written_.end(), "enable_thinking") == written_.end()
           && (request_.options == nullptr
               || request_.options->extra_json.find("\"enable_thinking\"") == std::string::npos);
  }

  void write_stream() {
    if (!request_.stream)
      return;
    member("stream", "true");
    if (rules_.stream_usage)
      member("stream_options", R"({"include_usage":true})");
  }

  result<void> write_extras(const std::string& json) {
    json_document document;
    const auto root = document.parse(json);
    dom::object object;
    if (!root || root->get(object) != simdjson::SUCCESS)
      return wrong("the extra parameters are not a JSON object", "extra");
    for (const auto& field : object) {
      const bool taken = std::find(reserved.begin(), reserved.end(), field.key) != reserved.end()
                         || std::find(written_.begin(), written_.end(), field.key) != written_.end();
      if (taken)
        return wrong("`" + std::string(field.key) + "` has a place of its own in the request",
                     "extra." + std::string(field.key), "give it there, or leave it out here");
      out_ += ',';
      append_json_string(out_, field.key);
      out_ += ':';
      out_ += simdjson::minify(field.value);
    }
    return {};
  }

  const chat_request& request_;
  const openai_rules& rules_;
  bool reasoning_;
  std::string out_;
  std::vector<std::string> dropped_;
  std::vector<std::string_view> written_; ///< Only kept where extra parameters could repeat one.
};

} // namespace

result<written_body> write_chat(const chat_request& request, const openai_rules& rules) {
  return chat_writer(request, rules).write();
}

result<written_body> write_count(const chat_request& request, const openai_rules& rules) {
  return chat_writer(request, rules).write_for_count();
}

result<written_body> write_embeddings(const embedding_request& request, const openai_rules& rules) {
  if (!rules.embeddings)
    return lacking(rules, "no request for embeddings", "model",
                   "openai, azure_openai, gemini and dashscope have them");
  if (request.inputs.empty())
    return wrong("there is no text to embed", "input");
  if (rules.most_inputs != 0 && request.inputs.size() > rules.most_inputs)
    return wrong("at most " + std::to_string(rules.most_inputs) + " texts fit one request", "input",
                 "split the list");
  size_t size = 128;
  for (size_t i = 0; i < request.inputs.size(); ++i) {
    if (request.inputs[i].empty())
      return wrong("an empty text has no embedding", "input[" + std::to_string(i) + "]", "leave it out");
    size += request.inputs[i].size() + request.inputs[i].size() / 16 + 4;
  }
  std::string out;
  out.reserve(size);
  out += "{\"model\":";
  append_json_string(out, request.model);
  out += ",\"input\":";
  for (size_t i = 0; i < request.inputs.size(); ++i) {
    out += i == 0 ? '[' : ',';
    append_json_string(out, request.inputs[i]);
  }
  out += ']';
  if (rules.base64_embeddings)
    out += R"(,"encoding_format":"base64")";
  if (request.dimensions)
    out += ",\"dimensions\":" + std::to_string(*request.dimensions);
  out += '}';
  return written_body{std::move(out), {}};
}

} // namespace assay::codecs
