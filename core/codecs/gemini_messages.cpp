#include "core/codecs/gemini_parts.hpp"
#include "core/codecs/json_text.hpp"

#include <algorithm>

namespace assay::codecs::gemini {

namespace {

/// What the vendor documents for calls whose signature is not known.
constexpr std::string_view no_signature = "skip_thought_signature_validator";

class conversation_writer {
public:
  conversation_writer(std::string& out, std::span<const chat_message> messages, const model_traits& traits,
                      json_document& document)
      : out_(out), messages_(messages), traits_(traits), document_(document) {}

  result<void> write();

private:
  result<void> write_turn(size_t first, size_t last);
  result<void> write_parts(size_t index);
  result<void> write_shown(size_t index);
  void write_calls(const std::vector<tool_call>& calls);
  result<void> write_tool_result(size_t index);
  const tool_call* call_of(size_t index, size_t* place = nullptr) const;
  std::vector<size_t> turn_of(size_t first, size_t last) const;
  result<std::string> function_of(size_t index) const;
  void write_object(std::string_view text, std::string_view key);

  void write_text(std::string_view text) {
    begin_item();
    out_ += R"({"text":)";
    append_json_string(out_, text);
    out_ += '}';
  }

  void begin_item() {
    if (out_.back() != '[')
      out_ += ',';
  }

  std::string& out_;
  std::span<const chat_message> messages_;
  const model_traits& traits_;
  json_document& document_;
};

/// Texts and pictures in their order.
result<void> conversation_writer::write_shown(size_t index) {
  const auto& images = messages_[index].extras->images;
  for (const auto& part : parts_of(messages_[index])) {
    if (!part.image) {
      write_text(part.text);
      continue;
    }
    const auto& image = images[*part.image];
    const auto where = where_in("messages", index, where_in(".images", *part.image));
    if (!image.url.empty())
      return fault{errc::unsupported, "Gemini takes pictures as bytes, not as an address", where,
                   "send the picture itself in base64, or use openai or anthropic"};
    const auto media_type = media_type_of(image, where);
    if (!media_type)
      return media_type.error();
    begin_item();
    out_.append(R"({"inlineData":{"mimeType":")").append(*media_type).append(R"(","data":)");
    append_json_string(out_, image.base64);
    out_ += "}}";
  }
  return {};
}

/// Writes @p text when it is an object, else an object that holds it under @p key.
void conversation_writer::write_object(std::string_view text, std::string_view key) {
  if (const auto object = as_json_object(document_, text)) {
    out_ += *object;
    return;
  }
  if (text.find_first_not_of(" \t\r\n") == std::string_view::npos) {
    out_ += "{}";
    return;
  }
  out_.append("{\"").append(key).append("\":");
  append_json_string(out_, text);
  out_ += '}';
}

void conversation_writer::write_calls(const std::vector<tool_call>& calls) {
  bool first = true;
  for (const auto& call : calls) {
    begin_item();
    out_ += R"({"functionCall":{"name":)";
    append_json_string(out_, call.name);
    if (!call.id.empty() && !call.id.starts_with(own_id)) {
      out_ += R"(,"id":)";
      append_json_string(out_, call.id);
    }
    out_ += R"(,"args":)";
    write_object(call.arguments, "arguments");
    out_ += '}';
    // Of calls made together only the first one is signed.
    const auto signature = call.signature.empty() && first && traits_.signatures
                               ? no_signature
                               : std::string_view(call.signature);
    if (!signature.empty()) {
      out_ += R"(,"thoughtSignature":)";
      append_json_string(out_, signature);
    }
    out_ += '}';
    first = false;
  }
}

/// @returns the call that message @p index answers: the last one before it with that id. Null when there is
/// none.
/// @param place gets which one of its turn the call is.
const tool_call* conversation_writer::call_of(size_t index, size_t* place) const {
  const auto* extras = messages_[index].extras.get();
  if (extras == nullptr || extras->tool_call_id.empty())
    return nullptr;
  for (size_t i = index; i > 0; --i)
    if (const auto* before = messages_[i - 1].extras.get())
      for (const auto& call : before->tool_calls)
        if (call.id == extras->tool_call_id) {
          if (place != nullptr)
            *place = static_cast<size_t>(&call - before->tool_calls.data());
          return &call;
        }
  return nullptr;
}

/// @returns the name of the function whose result message @p index brings: Gemini tells results by it.
result<std::string> conversation_writer::function_of(size_t index) const {
  const auto* extras = messages_[index].extras.get();
  if (extras != nullptr && !extras->name.empty())
    return extras->name;
  if (const auto* call = call_of(index))
    return call->name;
  return fault{errc::invalid_argument, "a tool's message answers no call that was made before it",
               where_in("messages", index, ".tool_call_id"), "name the call, or the tool"};
}

/// @returns the messages of a turn in the order in which they are told. Results come in the order of their
/// calls: where calls of one function have no id of Gemini's, nothing else tells their results apart.
std::vector<size_t> conversation_writer::turn_of(size_t first, size_t last) const {
  std::vector<size_t> out;
  for (size_t i = first; i <= last; ++i)
    if (messages_[i].role != chat_role::system)
      out.push_back(i);
  if (messages_[first].role != chat_role::tool)
    return out;
  const auto place_of = [this](size_t index) {
    size_t place = SIZE_MAX;
    call_of(index, &place);
    return place;
  };
  std::ranges::stable_sort(out, {}, place_of);
  return out;
}

result<void> conversation_writer::write_tool_result(size_t index) {
  const auto& message = messages_[index];
  const auto name = function_of(index);
  if (!name)
    return name.error();
  begin_item();
  out_ += R"({"functionResponse":{"name":)";
  append_json_string(out_, *name);
  const auto& id = message.extras->tool_call_id;
  if (!id.empty() && !id.starts_with(own_id)) {
    out_ += R"(,"id":)";
    append_json_string(out_, id);
  }
  out_ += R"(,"response":)";
  write_object(message.content, "output");
  out_ += "}}";
  return {};
}

result<void> conversation_writer::write_parts(size_t index) {
  const auto& message = messages_[index];
  if (message.role == chat_role::tool)
    return write_tool_result(index);
  if (message.role == chat_role::user && message.extras)
    return write_shown(index);
  if (!message.content.empty())
    write_text(message.content);
  if (message.role == chat_role::assistant && message.extras)
    write_calls(message.extras->tool_calls);
  return {};
}

result<void> conversation_writer::write_turn(size_t first, size_t last) {
  const auto role = messages_[first].role;
  const auto before = out_.size();
  begin_item();
  out_.append(R"({"role":")")
      .append(role == chat_role::assistant ? "model" : "user")
      .append(R"(","parts":[)");
  for (const auto i : turn_of(first, last))
    if (auto written = write_parts(i); !written)
      return written;
  if (out_.back() == '[' && role == chat_role::assistant) {
    // An empty turn of the model says nothing, and Gemini refuses a turn without parts.
    out_.resize(before);
    return {};
  }
  if (out_.back() == '[')
    write_text({});
  out_ += "]}";
  return {};
}

result<void> conversation_writer::write() {
  out_ += R"("contents":[)";
  for (size_t first = 0; first < messages_.size();) {
    if (messages_[first].role == chat_role::system) {
      ++first;
      continue;
    }
    // Results of tools keep a turn of their own: it must have as many parts as there were calls.
    size_t last = first;
    for (size_t i = first + 1; i < messages_.size(); ++i) {
      if (messages_[i].role == chat_role::system)
        continue;
      if (messages_[i].role != messages_[first].role)
        break;
      last = i;
    }
    if (auto written = write_turn(first, last); !written)
      return written;
    first = last + 1;
  }
  if (out_.back() == '[')
    return fault{errc::invalid_argument, "there is no message to answer", "messages", "add a user's message"};
  out_ += ']';
  if (const auto text = joined_system_text(messages_); !text.empty()) {
    out_ += R"(,"systemInstruction":{"parts":[{"text":)";
    append_json_string(out_, text);
    out_ += "}]}";
  }
  return {};
}

} // namespace

result<void> append_conversation(std::string& out, std::span<const chat_message> messages,
                                 const model_traits& traits, json_document& document) {
  return conversation_writer(out, messages, traits, document).write();
}

void append_tools(std::string& out, const answer_options& options, const prepared_options& prepared) {
  if (options.tools.empty())
    return;
  out += R"(,"tools":[{"functionDeclarations":[)";
  for (size_t i = 0; i < options.tools.size(); ++i) {
    const auto& tool = options.tools[i];
    out += i == 0 ? R"({"name":)" : R"(,{"name":)";
    append_json_string(out, tool.name);
    if (!tool.description.empty()) {
      out += R"(,"description":)";
      append_json_string(out, tool.description);
    }
    if (!prepared.tool_parameters[i].empty())
      out.append(R"(,"parametersJsonSchema":)").append(prepared.tool_parameters[i]);
    out += '}';
  }
  out += "]}]";
  const std::string_view choice = options.tool_choice;
  if (choice.empty())
    return;
  out += R"(,"toolConfig":{"functionCallingConfig":{"mode":)";
  if (choice == "auto" || choice == "none" || choice == "required") {
    out += choice == "auto" ? R"("AUTO")" : choice == "none" ? R"("NONE")" : R"("ANY")";
  } else {
    out += R"("ANY","allowedFunctionNames":[)";
    append_json_string(out, choice);
    out += ']';
  }
  out += "}}";
}

} // namespace assay::codecs::gemini
