// Reads what Anthropic's Messages API is sent.
#include "mock/anthropic_api.hpp"
#include "mock/json_read.hpp"

#include <array>

namespace assay::mock {

namespace {

using namespace reading;

constexpr std::array<std::string_view, 20> known_members{
    "model", "max_tokens",    "messages",      "system",         "temperature",
    "top_p", "top_k",         "stream",        "metadata",       "thinking",
    "tools", "tool_choice",   "container",     "service_tier",   "mcp_servers",
    "speed", "inference_geo", "cache_control", "stop_sequences", "output_config"};

api_error invalid(std::string message) {
  return {400, std::move(message), "invalid_request_error", {}, {}, {}};
}

/// The text of one block; images are counted.
void read_block(const object& block, std::string& text, bool& tool_result, conversation& all) {
  const auto type = text_of(member(block, "type")).value_or("");
  if (type == "text") {
    text += text_of(member(block, "text")).value_or("");
  } else if (type == "image") {
    if (const auto source = object_of(member(block, "source")))
      all.image(text_of(member(*source, {"data", "url", "file_id"})).value_or(""));
  } else if (type == "tool_result") {
    tool_result = true;
  }
}

std::optional<api_error> read_content(const std::optional<element>& content, const std::string& where,
                                      std::string& text, bool& tool_result, conversation& all) {
  if (const auto simple = text_of(content)) {
    text = *simple;
    return {};
  }
  const auto blocks = array_of(content);
  if (!blocks)
    return invalid(where + ".content: Input should be a valid string or a list of content blocks");
  size_t index = 0;
  for (const auto item : *blocks) {
    const auto block = object_of(item);
    if (!block || !member(*block, "type"))
      return invalid(where + ".content." + std::to_string(index) + ".type: Field required");
    read_block(*block, text, tool_result, all);
    ++index;
  }
  return {};
}

std::optional<api_error> read_messages(const object& fields, chat_request& out) {
  conversation all(out);
  if (const auto system = member(fields, "system")) {
    std::string text;
    bool ignored = false;
    if (read_content(system, "system", text, ignored, all))
      return invalid("system: Input should be a valid string or a list of text blocks");
    all.message("system", text);
  }
  const auto messages = member(fields, "messages");
  if (!messages)
    return invalid("messages: Field required");
  const auto list = array_of(messages);
  if (!list)
    return invalid("messages: Input should be a valid list");
  size_t index = 0;
  for (const auto item : *list) {
    const auto where = "messages." + std::to_string(index++);
    const auto message = object_of(item);
    if (!message)
      return invalid(where + ": Input should be an object");
    const auto role = text_of(member(*message, "role"));
    if (!role)
      return invalid(where + ".role: Field required");
    if (*role == "system")
      return invalid("messages: Unexpected role \"system\". The Messages API accepts a top-level `system` "
                     "parameter, not \"system\" as an input message role.");
    if (*role != "user" && *role != "assistant")
      return invalid(where + ".role: Input should be 'user' or 'assistant'");
    std::string text;
    bool tool_result = false;
    const auto images = out.images;
    if (auto mistake = read_content(member(*message, "content"), where, text, tool_result, all))
      return mistake;
    const bool last_assistant = *role == "assistant" && index == list->size();
    if (text.empty() && !tool_result && out.images == images && *role == "user" && !last_assistant)
      return invalid(where
                     + ": all messages must have non-empty content except for the optional final assistant "
                       "message");
    all.message(*role, text);
    if (*role == "user")
      all.user(text);
    out.after_tool_result = tool_result;
  }
  if (index == 0)
    return invalid("messages: at least one message is required");
  all.finish();
  return {};
}

std::optional<api_error> read_tools(const object& fields, chat_request& out) {
  const auto value = member(fields, "tools");
  if (!value)
    return {};
  const auto list = array_of(value);
  if (!list)
    return invalid("tools: Input should be a valid list");
  std::string_view wanted;
  out.tools = tool_use::automatic;
  if (const auto choice = object_of(member(fields, "tool_choice"))) {
    const auto type = text_of(member(*choice, "type")).value_or("");
    if (type == "none")
      out.tools = tool_use::none;
    else if (type == "any" || type == "tool")
      out.tools = tool_use::required;
    else if (type != "auto")
      return invalid("tool_choice: Input tag '" + std::string(type)
                     + "' found using 'type' does not match any of the expected tags: 'auto', 'any', 'tool', "
                       "'none'");
    if (type == "tool")
      wanted = text_of(member(*choice, "name")).value_or("");
  }
  size_t index = 0;
  for (const auto item : *list) {
    const auto where = "tools." + std::to_string(index++);
    const auto tool = object_of(item);
    const auto name = tool ? text_of(member(*tool, "name")) : std::nullopt;
    if (!name)
      return invalid(where + ".name: Field required");
    const auto schema = member(*tool, "input_schema");
    // Tools of the provider's own have a type and no schema.
    if (!schema && text_of(member(*tool, "type")).value_or("custom") == "custom")
      return invalid(where + ".input_schema: Field required");
    const auto text = schema ? minified(*schema) : std::string();
    out.prompt_tokens += estimate_tokens(*name) + estimate_tokens(text);
    if (out.tool_name.empty() || *name == wanted) {
      out.tool_name = *name;
      out.tool_schema = text;
    }
  }
  if (!wanted.empty() && out.tool_name != wanted)
    return invalid("tool_choice.name: Tool '" + std::string(wanted) + "' not found in provided tools");
  return {};
}

std::optional<api_error> read_numbers(const object& fields, bool counting, chat_request& out) {
  const auto limit = member(fields, "max_tokens");
  if (!limit && !counting)
    return invalid("max_tokens: Field required");
  if (limit) {
    const auto number = integer_of(limit);
    if (!number)
      return invalid("max_tokens: Input should be a valid integer");
    if (*number < 1)
      return invalid("max_tokens: Input should be greater than or equal to 1");
    out.max_tokens = static_cast<uint64_t>(*number);
  }
  for (const auto* name : {"temperature", "top_p"})
    if (const auto value = member(fields, name)) {
      const auto number = number_of(value);
      if (!number)
        return invalid(std::string(name) + ": Input should be a valid number");
      if (*number < 0 || *number > 1)
        return invalid(std::string(name) + ": range: 0..1");
    }
  if (const auto stream = member(fields, "stream");
      stream && stream->get_bool().get(out.stream) != simdjson::SUCCESS)
    return invalid("stream: Input should be a valid boolean");
  return {};
}

std::optional<api_error> read_rest(const object& fields, chat_request& out) {
  if (const auto stops = array_of(member(fields, "stop_sequences")))
    for (const auto item : *stops) {
      const auto text = text_of(item).value_or("");
      if (text.find_first_not_of(" \t\r\n") == std::string_view::npos)
        return invalid("stop_sequences: each stop sequence must contain non-whitespace");
      out.stop.emplace_back(text);
    }
  if (const auto config = object_of(member(fields, "output_config")))
    if (const auto format = object_of(member(*config, "format"))) {
      if (text_of(member(*format, "type")).value_or("") != "json_schema")
        return invalid("output_config.format.type: Input should be 'json_schema'");
      const auto schema = member(*format, "schema");
      if (!schema)
        return invalid("output_config.format.schema: Field required");
      out.format = answer_format::json_schema;
      out.schema = minified(*schema);
    }
  return {};
}

} // namespace

api_result<chat_request> read_anthropic_messages(std::string_view body, bool counting) {
  simdjson::dom::parser parser;
  object fields;
  if (!parse_object(parser, body, fields))
    return invalid("The request body is not valid JSON: expected value at line 1 column 1");
  for (const auto field : fields)
    if (std::find(known_members.begin(), known_members.end(), field.key) == known_members.end())
      return invalid(std::string(field.key) + ": Extra inputs are not permitted");
  chat_request out;
  const auto model = text_of(member(fields, "model"));
  if (!model)
    return invalid("model: Field required");
  out.model = *model;
  out.include_usage = true;
  if (auto mistake = read_numbers(fields, counting, out))
    return *mistake;
  if (auto mistake = read_messages(fields, out))
    return *mistake;
  if (auto mistake = read_tools(fields, out))
    return *mistake;
  if (auto mistake = read_rest(fields, out))
    return *mistake;
  return out;
}

} // namespace assay::mock
