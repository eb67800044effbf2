#include "core/codecs/openai_messages.hpp"

#include "core/codecs/base64.hpp"
#include "core/codecs/image_type.hpp"
#include "core/codecs/json_text.hpp"

namespace assay::codecs {

namespace {

constexpr std::string_view vision_hint =
    "openai, azure_openai, anthropic, gemini, dashscope and openrouter take "
    "pictures";

std::string place(size_t message, std::string_view what = {}, std::optional<size_t> index = {}) {
  auto text = "messages[" + std::to_string(message) + "]";
  if (!what.empty())
    text.append(".").append(what);
  return index ? text + "[" + std::to_string(*index) + "]" : text;
}

class message_writer {
public:
  message_writer(std::string& out, const openai_rules& rules, bool developer)
      : out_(out), rules_(rules), developer_(developer) {}

  result<void> write(size_t index, const chat_message& message) {
    out_ += R"({"role":")";
    out_ += message.role == chat_role::system && developer_ ? "developer" : to_string(message.role);
    if (!message.extras) {
      out_ += R"(","content":)";
      append_json_string(out_, message.content);
      out_ += '}';
      return {};
    }
    out_ += '"';
    return write_rare(index, message, *message.extras);
  }

private:
  result<void> write_rare(size_t index, const chat_message& message, const message_extras& extras) {
    if (!extras.images.empty() && message.role != chat_role::user)
      return fault{errc::invalid_argument, "only a user's message can hold pictures", place(index, "images"),
                   ""};
    if (!extras.tool_calls.empty() && message.role != chat_role::assistant)
      return fault{errc::invalid_argument, "only an assistant's message can hold tool calls",
                   place(index, "tool_calls"), ""};
    if (message.role == chat_role::tool && extras.tool_call_id.empty())
      return fault{errc::invalid_argument, "a tool's message must say which call it answers",
                   place(index, "tool_call_id"), "repeat the id of the assistant's tool call"};
    if (!extras.name.empty() && rules_.names)
      member("name", extras.name);
    if (message.role == chat_role::tool)
      member("tool_call_id", extras.tool_call_id);
    if (!extras.images.empty())
      return write_parts(index, message, extras);
    out_ += R"(,"content":)";
    if (message.content.empty() && !extras.tool_calls.empty())
      out_ += "null";
    else
      append_json_string(out_, message.content);
    if (!extras.tool_calls.empty())
      write_calls(extras.tool_calls);
    out_ += '}';
    return {};
  }

  result<void> write_parts(size_t index, const chat_message& message, const message_extras& extras) {
    if (!rules_.images)
      return lacking(rules_, "no pictures", place(index, "images"), std::string(vision_hint));
    out_ += R"(,"content":[)";
    for (const auto& part : parts_of(message)) {
      if (out_.back() != '[')
        out_ += ',';
      if (!part.image) {
        out_ += R"({"type":"text","text":)";
        append_json_string(out_, part.text);
        out_ += '}';
      } else if (auto written = write_image(extras.images[*part.image], place(index, "images", *part.image));
                 !written) {
        return written;
      }
    }
    out_ += "]}";
    return {};
  }

  result<void> write_image(const image_part& image, std::string where) {
    out_ += R"({"type":"image_url","image_url":{"url":)";
    if (image.base64.empty()) {
      // Anything else would have the server read its own files or speak to its neighbours.
      if (!image.url.starts_with("https://") && !image.url.starts_with("http://"))
        return fault{errc::invalid_argument, "a picture is an http or https address or bytes in base64",
                     std::move(where), ""};
      if (!rules_.image_urls)
        return lacking(rules_, "no addresses of pictures", std::move(where), "send the picture in base64");
      append_json_string(out_, image.url);
    } else {
      const auto type = sniff_image(image.base64);
      if (type.empty())
        return fault{errc::invalid_argument, "these bytes are no PNG, JPEG, WEBP or GIF", std::move(where),
                     "send base64 without a data: prefix"};
      if (type == "image/gif" && !rules_.gif)
        return lacking(rules_, "no GIF", std::move(where), "convert it to PNG");
      out_.append("\"data:").append(type).append(";base64,");
      if (!append_base64(out_, image.base64))
        return fault{errc::invalid_argument, "the picture is not base64", std::move(where), ""};
      out_ += '"';
    }
    if (!image.detail.empty())
      member("detail", image.detail);
    out_ += "}}";
    return {};
  }

  void write_calls(const std::vector<tool_call>& calls) {
    out_ += R"(,"tool_calls":[)";
    for (size_t i = 0; i < calls.size(); ++i) {
      out_ += i == 0 ? R"({"id":)" : R"(,{"id":)";
      append_json_string(out_, calls[i].id);
      out_ += R"(,"type":"function","function":{"name":)";
      append_json_string(out_, calls[i].name);
      member("arguments", calls[i].arguments);
      out_ += "}}";
    }
    out_ += ']';
  }

  void member(std::string_view name, std::string_view text) {
    out_.append(",\"").append(name).append("\":");
    append_json_string(out_, text);
  }

  std::string& out_;
  const openai_rules& rules_;
  bool developer_;
};

/// The system first if at all, then user (or tool) and assistant in turn, the user last.
result<void> check_turns(std::span<const chat_message> messages, const openai_rules& rules) {
  const size_t first = !messages.empty() && messages[0].role == chat_role::system ? 1 : 0;
  for (size_t i = first; i < messages.size(); ++i) {
    const bool asks = messages[i].role == chat_role::user || messages[i].role == chat_role::tool;
    const bool asked_now = (i - first) % 2 == 0;
    if (messages[i].role == chat_role::system || asks != asked_now)
      return lacking(rules, "no other order than user and assistant in turn, after one message of the system",
                     place(i), "join neighbouring messages of one role");
  }
  if ((messages.size() - first) % 2 == 0)
    return lacking(rules, "no conversation that ends without the user", place(messages.size() - 1), "");
  return {};
}

} // namespace

fault lacking(const openai_rules& rules, std::string_view what, std::string where, std::string hint) {
  return {errc::unsupported, std::string(rules.name).append(" takes ").append(what), std::move(where),
          std::move(hint)};
}

size_t expected_size(std::span<const chat_message> messages) noexcept {
  size_t size = 256;
  for (const auto& message : messages) {
    size += message.content.size() + message.content.size() / 16 + 40;
    if (!message.extras)
      continue;
    for (const auto& image : message.extras->images)
      size += image.base64.size() + image.url.size() + 100;
    for (const auto& call : message.extras->tool_calls)
      size += call.arguments.size() + call.arguments.size() / 8 + 150;
  }
  return size;
}

result<void> append_messages(std::string& out, std::span<const chat_message> messages,
                             const openai_rules& rules, bool developer) {
  if (messages.empty())
    return fault{errc::invalid_argument, "there is no message to answer", "messages", ""};
  if (rules.strict_turns)
    if (auto checked = check_turns(messages, rules); !checked)
      return checked;
  message_writer writer(out, rules, developer);
  for (size_t i = 0; i < messages.size(); ++i) {
    out += i == 0 ? '[' : ',';
    if (auto written = writer.write(i, messages[i]); !written)
      return written;
  }
  out += ']';
  return {};
}

} // namespace assay::codecs
