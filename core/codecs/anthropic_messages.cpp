#include "core/codecs/anthropic_parts.hpp"
#include "core/codecs/json_text.hpp"

namespace assay::codecs::anthropic {

namespace {

constexpr std::string_view blanks = " \t\r\n\f\v";

std::string_view without_trailing_blanks(std::string_view text) noexcept {
  return text.substr(0, text.find_last_not_of(blanks) + 1);
}

std::string_view wire_role(chat_role role) noexcept {
  return role == chat_role::assistant ? "assistant" : "user";
}

void append_text_block(std::string& out, std::string_view text) {
  out += R"({"type":"text","text":)";
  append_json_string(out, text);
  out += '}';
}

class conversation_writer {
public:
  conversation_writer(std::string& out, std::span<const chat_message> messages, json_document& document,
                      std::vector<std::string>& dropped)
      : out_(out), messages_(messages), document_(document), dropped_(dropped),
        last_turn_(last_turn(messages)) {}

  result<void> write();

private:
  result<void> write_turn(size_t first, size_t last);
  result<void> write_blocks(size_t index);
  result<void> write_image(size_t index, size_t image);
  result<void> write_shown(size_t index);
  result<void> write_tool_result(size_t index);
  void write_tool_call(const tool_call& call);
  std::string_view text_to_send(size_t index);

  void begin_block() {
    if (out_.back() != '[')
      out_ += ',';
  }

  std::string& out_;
  std::span<const chat_message> messages_;
  json_document& document_;
  std::vector<std::string>& dropped_;
  size_t last_turn_;
};

result<void> conversation_writer::write_image(size_t index, size_t image) {
  const auto& shown = messages_[index].extras->images[image];
  if (!shown.url.empty()) {
    out_ += R"({"type":"image","source":{"type":"url","url":)";
    append_json_string(out_, shown.url);
    out_ += "}}";
    return {};
  }
  const auto media_type = media_type_of(shown, where_in("messages", index, where_in(".images", image)));
  if (!media_type)
    return media_type.error();
  out_.append(R"({"type":"image","source":{"type":"base64","media_type":")").append(*media_type);
  out_ += R"(","data":)";
  append_json_string(out_, shown.base64);
  out_ += "}}";
  return {};
}

/// Texts and pictures in their order.
result<void> conversation_writer::write_shown(size_t index) {
  for (const auto& part : parts_of(messages_[index])) {
    // Anthropic refuses texts of blanks alone.
    if (!part.image && only_blanks(part.text))
      continue;
    begin_block();
    if (!part.image)
      append_text_block(out_, part.text);
    else if (auto written = write_image(index, *part.image); !written)
      return written;
  }
  return {};
}

void conversation_writer::write_tool_call(const tool_call& call) {
  out_ += R"({"type":"tool_use","id":)";
  append_json_string(out_, call.id);
  out_ += R"(,"name":)";
  append_json_string(out_, call.name);
  out_ += R"(,"input":)";
  if (const auto input = as_json_object(document_, call.arguments)) {
    out_ += *input;
  } else if (only_blanks(call.arguments)) {
    out_ += "{}";
  } else {
    // The model wrote something else than an object, and the protocol has no place for it but an object.
    out_ += R"({"arguments":)";
    append_json_string(out_, call.arguments);
    out_ += '}';
  }
  out_ += '}';
}

result<void> conversation_writer::write_tool_result(size_t index) {
  const auto& message = messages_[index];
  if (!message.extras || message.extras->tool_call_id.empty())
    return fault{errc::invalid_argument, "a tool's message does not say which call it answers",
                 where_in("messages", index, ".tool_call_id"), ""};
  out_ += R"({"type":"tool_result","tool_use_id":)";
  append_json_string(out_, message.extras->tool_call_id);
  if (!message.extras->images.empty()) {
    out_ += R"(,"content":[)";
    if (auto written = write_shown(index); !written)
      return written;
    out_ += ']';
  } else if (!message.content.empty()) {
    out_ += R"(,"content":)";
    append_json_string(out_, message.content);
  }
  out_ += '}';
  return {};
}

std::string_view conversation_writer::text_to_send(size_t index) {
  const auto text = messages_[index].content.view();
  if (index != last_turn_ || messages_[index].role != chat_role::assistant)
    return text;
  const auto kept = without_trailing_blanks(text);
  if (kept.size() != text.size())
    dropped_.push_back(where_in("messages", index) + ": blanks at its end, which Anthropic refuses there");
  return kept;
}

result<void> conversation_writer::write_blocks(size_t index) {
  const auto& message = messages_[index];
  if (message.role == chat_role::tool) {
    begin_block();
    return write_tool_result(index);
  }
  if (message.role == chat_role::user && message.extras && !message.extras->images.empty())
    return write_shown(index);
  if (const auto text = text_to_send(index); !text.empty()) {
    begin_block();
    append_text_block(out_, text);
  }
  if (message.role == chat_role::assistant && message.extras)
    for (const auto& call : message.extras->tool_calls) {
      begin_block();
      write_tool_call(call);
    }
  return {};
}

result<void> conversation_writer::write_turn(size_t first, size_t last) {
  const auto& message = messages_[first];
  const auto before = out_.size();
  begin_block();
  out_.append(R"({"role":")").append(wire_role(message.role)).append(R"(","content":)");
  if (first == last && message.role == chat_role::user && !message.extras && !message.content.empty()) {
    append_json_string(out_, message.content);
    out_ += '}';
    return {};
  }
  out_ += '[';
  for (size_t i = first; i <= last; ++i)
    if (messages_[i].role != chat_role::system)
      if (auto written = write_blocks(i); !written)
        return written;
  if (out_.back() != '[') {
    out_ += "]}";
    return {};
  }
  if (message.role != chat_role::assistant)
    return fault{errc::unsupported, "Anthropic takes no empty message",
                 where_in("messages", first, ".content"), "leave the message out, or give it a text"};
  // An empty turn of the assistant says nothing, and Anthropic refuses it.
  out_.resize(before);
  return {};
}

result<void> conversation_writer::write() {
  const auto text = joined_system_text(messages_);
  if (!only_blanks(text)) {
    out_ += R"(,"system":)";
    append_json_string(out_, text);
  }
  out_ += R"(,"messages":[)";
  for (size_t first = 0; first < messages_.size();) {
    if (messages_[first].role == chat_role::system) {
      ++first;
      continue;
    }
    size_t last = first;
    for (size_t i = first + 1; i < messages_.size(); ++i) {
      if (messages_[i].role == chat_role::system)
        continue;
      if (wire_role(messages_[i].role) != wire_role(messages_[first].role))
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
  return {};
}

} // namespace

bool only_blanks(std::string_view text) noexcept {
  return text.find_first_not_of(blanks) == std::string_view::npos;
}

size_t last_turn(std::span<const chat_message> messages) noexcept {
  for (size_t i = messages.size(); i > 0; --i)
    if (messages[i - 1].role != chat_role::system)
      return i - 1;
  return messages.size();
}

result<void> append_conversation(std::string& out, std::span<const chat_message> messages,
                                 json_document& document, std::vector<std::string>& dropped) {
  return conversation_writer(out, messages, document, dropped).write();
}

} // namespace assay::codecs::anthropic
