// Reads what OpenAI and those who follow it are sent.
#include "mock/hash.hpp"
#include "mock/json_read.hpp"
#include "mock/openai_api.hpp"

#include <cctype>

namespace assay::mock {

namespace {

using namespace reading;

api_error invalid(std::string message, std::string param = {}, std::string code = {}) {
  return {400, std::move(message), "invalid_request_error", std::move(param), std::move(code), {}};
}

api_error missing(const std::string& where) {
  return invalid("Missing required parameter: '" + where + "'.", where, "missing_required_parameter");
}

api_error wrong_type(const std::string& where, const char* expected) {
  return invalid("Invalid type for '" + where + "': expected " + expected + ".", where, "invalid_type");
}

api_error no_json() {
  return invalid(
      "We could not parse the JSON body of your request. (HINT: This likely means you aren't using your "
      "HTTP library correctly. The OpenAI API expects a JSON payload, but what was sent was not valid "
      "JSON.)");
}

/// Joins the text of a message's content and counts its images. @returns a message when the content has no
/// known form.
std::optional<api_error> read_content(const std::optional<element>& content, const std::string& where,
                                      std::string_view& simple, std::string& joined, conversation& all) {
  if (!content)
    return {}; // An assistant's turn with tool calls has none.
  if (content->get_string().get(simple) == simdjson::SUCCESS)
    return {};
  const auto parts = array_of(content);
  if (!parts)
    return wrong_type(where, "one of a string or array of objects");
  for (const auto part : *parts) {
    object fields;
    if (part.get_object().get(fields) != simdjson::SUCCESS)
      return wrong_type(where, "an array of objects");
    if (const auto text = text_of(member(fields, "text")))
      joined += *text;
    if (const auto image = object_of(member(fields, "image_url"))) {
      const auto url = text_of(member(*image, "url"));
      if (!url)
        return missing(where + ".image_url.url");
      all.image(*url);
    }
  }
  simple = joined;
  return {};
}

std::optional<api_error> read_messages(const object& fields, chat_request& out, bool& mentions_json) {
  const auto messages = member(fields, "messages");
  if (!messages)
    return missing("messages");
  const auto list = array_of(messages);
  if (!list)
    return wrong_type("messages", "an array of objects");
  conversation all(out);
  size_t index = 0;
  for (const auto item : *list) {
    const auto where = "messages[" + std::to_string(index++) + "]";
    object message;
    if (item.get_object().get(message) != simdjson::SUCCESS)
      return wrong_type(where, "an object");
    const auto role = text_of(member(message, "role"));
    if (!role)
      return missing(where + ".role");
    if (*role != "user" && *role != "system" && *role != "assistant" && *role != "developer"
        && *role != "tool")
      return invalid("Invalid value: '" + std::string(*role)
                         + "'. Supported values are: 'system', 'assistant', 'user', 'developer', and 'tool'.",
                     where + ".role", "invalid_value");
    std::string_view text;
    std::string joined;
    if (auto mistake = read_content(member(message, "content"), where + ".content", text, joined, all))
      return mistake;
    all.message(*role, text);
    if (*role == "user")
      all.user(text);
    out.after_tool_result = *role == "tool";
    const auto same = [](char a, char b) { return (a | 0x20) == b; };
    constexpr std::string_view word = "json";
    if (out.format == answer_format::json_object && !mentions_json)
      mentions_json = std::search(text.begin(), text.end(), word.begin(), word.end(), same) != text.end();
  }
  if (index == 0)
    return invalid(
        "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty "
        "array instead.",
        "messages", "empty_array");
  all.finish();
  return {};
}

std::optional<api_error> read_number(const object& fields, const char* name, double low, double high) {
  const auto value = member(fields, name);
  if (!value)
    return {};
  const auto number = number_of(value);
  if (!number)
    return wrong_type(name, "a decimal");
  if (*number < low || *number > high)
    return invalid(std::string("Invalid '") + name + "': decimal outside of the allowed range.", name,
                   *number < low ? "decimal_below_min_value" : "decimal_above_max_value");
  return {};
}

std::optional<api_error> read_count(const object& fields, const char* name, uint64_t high,
                                    std::optional<uint64_t>& out) {
  const auto value = member(fields, name);
  if (!value)
    return {};
  const auto number = integer_of(value);
  if (!number)
    return wrong_type(name, "an integer");
  if (*number < 1)
    return invalid(std::string("Invalid '") + name
                       + "': integer below minimum value. Expected a value >= 1, but got "
                       + std::to_string(*number) + " instead.",
                   name, "integer_below_min_value");
  if (static_cast<uint64_t>(*number) > high)
    return invalid(std::string("Invalid '") + name + "': integer above maximum value. Expected a value <= "
                       + std::to_string(high) + ", but got " + std::to_string(*number) + " instead.",
                   name, "integer_above_max_value");
  out = static_cast<uint64_t>(*number);
  return {};
}

std::optional<api_error> read_flag(const object& fields, const char* name, bool& out) {
  const auto value = member(fields, name);
  if (value && value->get_bool().get(out) != simdjson::SUCCESS)
    return wrong_type(name, "a boolean");
  return {};
}

std::optional<api_error> read_stop(const object& fields, std::vector<std::string>& out) {
  const auto value = member(fields, "stop");
  if (const auto text = text_of(value))
    out.emplace_back(*text);
  else if (const auto list = array_of(value))
    for (const auto item : *list)
      if (const auto one = text_of(item))
        out.emplace_back(*one);
  if (out.size() > 4)
    return invalid(
        "Invalid 'stop': array too long. Expected an array with maximum length 4, but got an array with "
        "length "
            + std::to_string(out.size()) + " instead.",
        "stop", "array_above_max_length");
  std::erase_if(out, [](const std::string& s) { return s.empty(); });
  return {};
}

std::optional<api_error> read_format(const object& fields, chat_request& out) {
  const auto value = member(fields, "response_format");
  if (!value)
    return {};
  const auto format = object_of(value);
  if (!format)
    return wrong_type("response_format", "an object");
  const auto type = text_of(member(*format, "type")).value_or("");
  if (type == "json_object") {
    out.format = answer_format::json_object;
  } else if (type == "json_schema") {
    out.format = answer_format::json_schema;
    const auto wrapped = object_of(member(*format, "json_schema"));
    if (!wrapped)
      return missing("response_format.json_schema");
    const auto name = text_of(member(*wrapped, "name"));
    if (!name)
      return missing("response_format.json_schema.name");
    const auto allowed = [](unsigned char c) { return std::isalnum(c) != 0 || c == '_' || c == '-'; };
    if (name->empty() || name->size() > 64 || !std::all_of(name->begin(), name->end(), allowed))
      return invalid("Invalid 'response_format.json_schema.name': string does not match pattern. Expected a "
                     "string that matches the pattern '^[a-zA-Z0-9_-]+$'.",
                     "response_format.json_schema.name", "invalid_value");
    if (const auto schema = member(*wrapped, "schema"))
      out.schema = minified(*schema);
  } else if (type != "text") {
    return invalid("Invalid value: '" + std::string(type)
                       + "'. Supported values are: 'text', 'json_object', and 'json_schema'.",
                   "response_format.type", "invalid_value");
  }
  return {};
}

std::optional<api_error> read_tools(const object& fields, chat_request& out) {
  const auto value = member(fields, "tools");
  if (!value)
    return {};
  const auto list = array_of(value);
  if (!list)
    return wrong_type("tools", "an array of objects");
  std::string_view wanted;
  out.tools = tool_use::automatic;
  const auto choice = member(fields, "tool_choice");
  if (const auto mode = text_of(choice))
    out.tools = *mode == "none"       ? tool_use::none
                : *mode == "required" ? tool_use::required
                                      : tool_use::automatic;
  else if (const auto named = object_of(choice)) {
    out.tools = tool_use::required;
    if (const auto function = object_of(member(*named, "function")))
      wanted = text_of(member(*function, "name")).value_or("");
  }
  size_t index = 0;
  for (const auto item : *list) {
    const auto where = "tools[" + std::to_string(index++) + "].function";
    const auto tool = object_of(item);
    const auto function = tool ? object_of(member(*tool, "function")) : std::nullopt;
    if (!function)
      return missing(where);
    const auto name = text_of(member(*function, "name"));
    if (!name)
      return missing(where + ".name");
    const auto schema = member(*function, "parameters");
    const auto text = schema ? minified(*schema) : std::string();
    out.prompt_tokens += estimate_tokens(*name) + estimate_tokens(text);
    if (out.tool_name.empty() || *name == wanted) {
      out.tool_name = *name;
      out.tool_schema = text;
    }
  }
  if (!wanted.empty() && out.tool_name != wanted)
    return invalid("Tool choice '" + std::string(wanted) + "' not found in 'tools' parameter.",
                   "tool_choice");
  return {};
}

std::optional<api_error> read_texts(const element& input, embedding_request& out) {
  const auto add = [&](std::string_view text) -> std::optional<api_error> {
    if (text.empty())
      return invalid("'$.input' is invalid. Please check the API reference: "
                     "https://platform.openai.com/docs/api-reference.");
    out.prompt_tokens += estimate_tokens(text);
    out.texts.emplace_back(text);
    return {};
  };
  // Token numbers are as good as a text: what matters is that equal ones give equal vectors.
  const auto add_tokens = [&](const array& tokens) {
    out.prompt_tokens += tokens.size();
    out.texts.push_back(simdjson::minify(tokens));
  };
  if (const auto text = text_of(input))
    return add(*text);
  const auto list = array_of(input);
  if (!list || list->size() == 0)
    return invalid("'$.input' is invalid. Please check the API reference: "
                   "https://platform.openai.com/docs/api-reference.");
  if (integer_of(list->at(0))) {
    add_tokens(*list);
    return {};
  }
  for (const auto item : *list) {
    if (const auto tokens = array_of(item))
      add_tokens(*tokens);
    else if (auto mistake = add(text_of(item).value_or("")))
      return mistake;
  }
  if (out.texts.size() > 2048)
    return invalid("Invalid 'input': array too long. Expected an array with maximum length 2048, but got an "
                   "array with length "
                       + std::to_string(out.texts.size()) + " instead.",
                   "input", "array_above_max_length");
  return {};
}

} // namespace

api_result<chat_request> read_openai_chat(std::string_view body, std::string_view deployment) {
  simdjson::dom::parser parser;
  object fields;
  if (!parse_object(parser, body, fields))
    return no_json();
  chat_request out;
  const auto model = deployment.empty() ? text_of(member(fields, "model")) : deployment;
  if (!model)
    return invalid("you must provide a model parameter");
  out.model = *model;
  if (auto mistake = read_format(fields, out))
    return *mistake;
  bool mentions_json = false;
  if (auto mistake = read_messages(fields, out, mentions_json))
    return *mistake;
  if (out.format == answer_format::json_object && !mentions_json)
    return invalid("'messages' must contain the word 'json' in some form, to use 'response_format' of type "
                   "'json_object'.",
                   "messages");
  std::optional<uint64_t> old_limit;
  std::optional<uint64_t> choices;
  if (auto mistake = read_count(fields, "max_tokens", INT32_MAX, old_limit))
    return *mistake;
  if (auto mistake = read_count(fields, "max_completion_tokens", INT32_MAX, out.max_tokens))
    return *mistake;
  if (auto mistake = read_count(fields, "n", 128, choices))
    return *mistake;
  for (const auto& [name, low, high] :
       {std::tuple{"temperature", 0.0, 2.0}, std::tuple{"top_p", 0.0, 1.0},
        std::tuple{"frequency_penalty", -2.0, 2.0}, std::tuple{"presence_penalty", -2.0, 2.0}})
    if (auto mistake = read_number(fields, name, low, high))
      return *mistake;
  if (auto mistake = read_flag(fields, "stream", out.stream))
    return *mistake;
  if (auto mistake = read_stop(fields, out.stop))
    return *mistake;
  if (auto mistake = read_tools(fields, out))
    return *mistake;
  if (const auto stream_options = member(fields, "stream_options")) {
    const auto inner = object_of(stream_options);
    if (!out.stream || !inner)
      return invalid("The 'stream_options' parameter is only allowed when 'stream' is enabled.",
                     "stream_options");
    if (auto mistake = read_flag(*inner, "include_usage", out.include_usage))
      return *mistake;
  }
  if (!out.max_tokens)
    out.max_tokens = old_limit;
  out.choices = static_cast<uint32_t>(choices.value_or(1));
  return out;
}

api_result<chat_request> read_openai_count(std::string_view body) {
  simdjson::dom::parser parser;
  object fields;
  if (!parse_object(parser, body, fields))
    return no_json();
  const auto prompt = text_of(member(fields, "prompt"));
  if (!prompt)
    return read_openai_chat(body);
  const auto model = text_of(member(fields, "model"));
  if (!model)
    return invalid("you must provide a model parameter");
  chat_request out;
  out.model = *model;
  out.user_text = *prompt;
  out.prompt_hash = hash_text(*prompt, 1) | 1;
  out.prompt_tokens = estimate_tokens(*prompt);
  return out;
}

api_result<embedding_request> read_openai_embedding(std::string_view body, std::string_view deployment) {
  simdjson::dom::parser parser;
  object fields;
  if (!parse_object(parser, body, fields))
    return no_json();
  embedding_request out;
  const auto model = deployment.empty() ? text_of(member(fields, "model")) : deployment;
  if (!model)
    return invalid("you must provide a model parameter");
  out.model = *model;
  const auto input = member(fields, "input");
  if (!input)
    return missing("input");
  if (auto mistake = read_texts(*input, out))
    return *mistake;
  std::optional<uint64_t> dimensions;
  if (auto mistake = read_count(fields, "dimensions", 16'384, dimensions))
    return *mistake;
  out.dimensions = static_cast<uint32_t>(dimensions.value_or(0));
  const auto encoding = text_of(member(fields, "encoding_format")).value_or("float");
  if (encoding != "float" && encoding != "base64")
    return invalid("Invalid value: '" + std::string(encoding)
                       + "'. Supported values are: 'float' and 'base64'.",
                   "encoding_format", "invalid_value");
  out.base64 = encoding == "base64";
  return out;
}

} // namespace assay::mock
