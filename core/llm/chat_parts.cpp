#include "core/llm/chat_parts.hpp"

#include "core/codecs/image_type.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <limits>

namespace assay::llm {

namespace {

using nlohmann::json;

constexpr double characters_per_token = 4;
constexpr uint32_t assumed_answer_tokens = 256;
/// What providers count for a picture of usual size.
constexpr double tokens_per_image = 800;

std::string place(const std::string& list, size_t index) { return list + "[" + std::to_string(index) + "]"; }

/// JSON text of a member that has to be an object.
std::string object_text(json_object& in, const char* name) {
  const auto* value = in.find(name);
  if (value == nullptr)
    return {};
  if (!value->is_object()) {
    in.refuse(name, "must be an object");
    return {};
  }
  return value->dump(-1, ' ', false, json::error_handler_t::replace);
}

class message_reader {
public:
  message_reader(const json& in, const std::string& path, std::optional<fault>& wrong)
      : in_(in, path, wrong), path_(path), wrong_(wrong) {}

  chat_message read() {
    std::string role;
    in_.needed_text("role", role);
    if (const auto known = chat_role_from_string(role))
      out_.role = *known;
    else
      in_.refuse("role", "`" + role + "` is no role", "system, developer, user, assistant or tool");
    read_content();
    in_.text("name", extras_.name);
    in_.text("tool_call_id", extras_.tool_call_id);
    read_calls();
    if (out_.role == chat_role::tool && extras_.tool_call_id.empty())
      in_.refuse("tool_call_id", "is missing", "say which of the assistant's calls this answers");
    if (!extras_.images.empty() && out_.role != chat_role::user)
      in_.refuse("content", "only a user's message can hold pictures");
    if (in_.find("function_call") != nullptr)
      in_.refuse("function_call", "the older form of tool calls is not understood", "use tool_calls",
                 errc::unsupported);
    if (!(extras_ == message_extras{}))
      out_.extras = std::make_shared<const message_extras>(std::move(extras_));
    return std::move(out_);
  }

private:
  void read_content() {
    const auto* content = in_.find("content");
    if (content == nullptr) {
      if (out_.role != chat_role::assistant)
        in_.refuse("content", "is missing");
    } else if (content->is_string()) {
      out_.content = shared_text(content->get_ref<const std::string&>());
    } else if (content->is_array()) {
      read_parts(*content);
    } else {
      in_.refuse("content", "must be a text or a list of parts");
    }
  }

  void read_parts(const json& parts) {
    std::string text;
    // Texts that follow one another stand on lines of their own; between others there is a picture.
    bool after_text = false;
    for (size_t i = 0; i < parts.size(); ++i) {
      json_object part(parts[i], place(in_.path_of("content"), i), wrong_);
      std::string type;
      part.needed_text("type", type);
      if (type == "text" || type == "refusal") {
        std::string piece;
        part.text(type.c_str(), piece);
        text += after_text && !piece.empty() ? "\n" : "";
        text += piece;
        after_text = after_text || !piece.empty();
      } else if (type == "image_url") {
        read_image_part(part, text.size());
        after_text = false;
      } else {
        part.refuse("type", "parts of the type `" + type + "` are not taken", "text or image_url",
                    errc::unsupported);
      }
    }
    out_.content = shared_text(text);
  }

  void read_image_part(json_object& part, size_t text_before) {
    const auto* image = part.find("image_url");
    if (image == nullptr)
      return part.refuse("image_url", "is missing");
    std::string url;
    std::string detail;
    const auto where = part.path_of("image_url");
    if (image->is_string()) {
      url = image->get<std::string>();
    } else {
      json_object inner(*image, where, wrong_);
      inner.needed_text("url", url);
      inner.text("detail", detail);
    }
    if (wrong_)
      return;
    auto& added = extras_.images.emplace_back(read_image(url, where + ".url", false, wrong_));
    added.detail = std::move(detail);
    added.text_before = static_cast<uint32_t>(text_before);
  }

  void read_calls() {
    const auto* calls = in_.find("tool_calls");
    if (calls == nullptr)
      return;
    if (!calls->is_array())
      return in_.refuse("tool_calls", "must be a list");
    if (out_.role != chat_role::assistant && !calls->empty())
      return in_.refuse("tool_calls", "only an assistant's message can hold tool calls");
    for (size_t i = 0; i < calls->size(); ++i) {
      json_object one((*calls)[i], place(in_.path_of("tool_calls"), i), wrong_);
      tool_call call;
      one.needed_text("id", call.id);
      const auto* function = one.find("function");
      if (function == nullptr)
        return one.refuse("function", "is missing");
      json_object inner(*function, one.path_of("function"), wrong_);
      inner.needed_text("name", call.name);
      inner.text("arguments", call.arguments);
      extras_.tool_calls.push_back(std::move(call));
    }
  }

  json_object in_;
  const std::string& path_;
  std::optional<fault>& wrong_;
  chat_message out_;
  message_extras extras_;
};

tool_definition read_tool(const json& in, const std::string& path, std::optional<fault>& wrong) {
  json_object outer(in, path, wrong);
  tool_definition out;
  std::string type = "function";
  outer.text("type", type);
  if (type != "function") {
    outer.refuse("type", "tools of the type `" + type + "` are not taken", "function", errc::unsupported);
    return out;
  }
  const auto* function = outer.find("function");
  if (function == nullptr) {
    outer.refuse("function", "is missing");
    return out;
  }
  json_object inner(*function, outer.path_of("function"), wrong);
  inner.needed_text("name", out.name);
  inner.text("description", out.description);
  out.parameters_json = object_text(inner, "parameters");
  inner.flag("strict", out.strict);
  return out;
}

void read_tool_choice(json_object& in, answer_options& out) {
  const auto* choice = in.find("tool_choice");
  if (choice == nullptr)
    return;
  if (choice->is_string()) {
    out.tool_choice = choice->get<std::string>();
    if (out.tool_choice != "auto" && out.tool_choice != "none" && out.tool_choice != "required")
      in.refuse("tool_choice", "must be auto, none, required or {\"type\":\"function\",...}");
    return;
  }
  json_object outer(*choice, in.path_of("tool_choice"), in.wrong());
  std::string type;
  outer.needed_text("type", type);
  const auto* function = outer.find("function");
  if (type != "function" || function == nullptr)
    return outer.refuse("function", "must name a function");
  json_object inner(*function, outer.path_of("function"), in.wrong());
  inner.needed_text("name", out.tool_choice);
}

} // namespace

uint32_t estimated_tokens(const std::vector<chat_message>& messages, const sampling& parameters) noexcept {
  double characters = 0;
  double pictures = 0;
  for (const auto& message : messages) {
    characters += static_cast<double>(message.content.size());
    if (!message.extras)
      continue;
    pictures += static_cast<double>(message.extras->images.size());
    for (const auto& one : message.extras->tool_calls)
      characters += static_cast<double>(one.arguments.size());
  }
  const double sum = characters / characters_per_token + pictures * tokens_per_image + 1
                     + std::min(parameters.max_tokens.value_or(assumed_answer_tokens), assumed_answer_tokens);
  return static_cast<uint32_t>(std::min(sum, double{std::numeric_limits<uint32_t>::max()}));
}

std::vector<chat_message> read_messages(const json& list, const std::string& path,
                                        std::optional<fault>& wrong) {
  std::vector<chat_message> out;
  if (!list.is_array() || list.empty()) {
    if (!wrong)
      wrong = fault{errc::invalid_argument, "must be a list with at least one message", path, {}};
    return out;
  }
  out.reserve(list.size());
  for (size_t i = 0; i < list.size() && !wrong; ++i) {
    const auto where = place(path, i);
    out.push_back(message_reader(list[i], where, wrong).read());
  }
  return out;
}

image_part read_image(const std::string& text, const std::string& path, bool bare_base64,
                      std::optional<fault>& wrong) {
  image_part out;
  if (text.starts_with("https://") || text.starts_with("http://")) {
    out.url = text;
    return out;
  }
  std::string_view bytes = text;
  constexpr std::string_view mark = ";base64,";
  if (const auto end = text.find(mark); text.starts_with("data:") && end != std::string::npos)
    bytes.remove_prefix(end + mark.size());
  else if (!bare_base64)
    bytes = {};
  // By what the bytes are, whatever the address says that they are.
  out.media_type = codecs::sniff_image(bytes);
  if (out.media_type.empty() && !wrong)
    wrong = fault{errc::invalid_argument,
                  "is no picture: an http or https address, or PNG, JPEG, WEBP or GIF "
                  "in base64",
                  path, "write data:image/png;base64,..."};
  out.base64 = shared_text(bytes);
  return out;
}

void read_tools(json_object& in, answer_options& out) {
  if (const auto* tools = in.find("tools")) {
    if (!tools->is_array())
      return in.refuse("tools", "must be a list");
    for (size_t i = 0; i < tools->size(); ++i)
      out.tools.push_back(read_tool((*tools)[i], place(in.path_of("tools"), i), in.wrong()));
  }
  read_tool_choice(in, out);
  in.flag("parallel_tool_calls", out.parallel_tool_calls);
}

void read_answer_form(json_object& in, answer_options& out) {
  const auto* format = in.find("response_format");
  if (format == nullptr)
    return;
  json_object outer(*format, in.path_of("response_format"), in.wrong());
  std::string type;
  outer.needed_text("type", type);
  if (type == "text")
    return;
  if (type == "json_object") {
    out.form = answer_form::json_object;
    return;
  }
  if (type != "json_schema")
    return outer.refuse("type", "must be text, json_object or json_schema");
  const auto* schema = outer.find("json_schema");
  if (schema == nullptr)
    return outer.refuse("json_schema", "is missing");
  json_object inner(*schema, outer.path_of("json_schema"), in.wrong());
  out.form = answer_form::json_schema;
  inner.needed_text("name", out.schema_name);
  inner.flag("strict", out.schema_strict);
  out.schema_json = object_text(inner, "schema");
  if (out.schema_json.empty())
    inner.refuse("schema", "is missing");
}

void read_sampling(json_object& in, sampling& out) {
  in.number("temperature", out.temperature, 0, 2);
  in.number("top_p", out.top_p, 0, 1);
  in.number("frequency_penalty", out.frequency_penalty, -2, 2);
  in.number("presence_penalty", out.presence_penalty, -2, 2);
  in.integer("seed", out.seed);
}

std::shared_ptr<const answer_options> share(answer_options&& options) {
  if (options == answer_options{})
    return nullptr;
  return std::make_shared<const answer_options>(std::move(options));
}

} // namespace assay::llm
