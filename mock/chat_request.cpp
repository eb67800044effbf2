#include "mock/chat_request.hpp"

#include "mock/hash.hpp"

#include <simdjson.h>

namespace assay::mock {

namespace {

using simdjson::dom::element;
using simdjson::dom::element_type;
using simdjson::dom::object;

api_error invalid(std::string message, std::string param = {}, std::string code = {}) {
  return {400, std::move(message), "invalid_request_error", std::move(param), std::move(code)};
}

std::optional<element> member(const object& in, std::string_view name) {
  element found;
  if (in.at_key(name).get(found) != simdjson::SUCCESS || found.is_null())
    return {};
  return found;
}

/// The code point's first byte tells its length; malformed bytes count as one character each.
struct character {
  char32_t code = 0;
  size_t length = 1;
};

character character_at(std::string_view text, size_t i) noexcept {
  const auto byte = [&](size_t k) { return static_cast<unsigned char>(text[i + k]); };
  const auto first = byte(0);
  const size_t length = first < 0xC0 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
  if (length == 1 || i + length > text.size())
    return {first, 1};
  char32_t code = first & (0x7F >> length);
  for (size_t k = 1; k < length; ++k)
    code = (code << 6) | (byte(k) & 0x3F);
  return {code, length};
}

constexpr bool is_cjk(char32_t c) noexcept {
  return (c >= 0x2E80 && c <= 0x9FFF) || (c >= 0xAC00 && c <= 0xD7AF) || (c >= 0xF900 && c <= 0xFAFF)
         || (c >= 0xFF00 && c <= 0xFFEF) || (c >= 0x20000 && c <= 0x3FFFF);
}

/// Joins the text of a message's content. @returns a message when the content has no known form.
std::optional<api_error> read_content(const std::optional<element>& content, const std::string& where,
                                      std::string_view& simple, std::string& joined) {
  if (!content)
    return {}; // An assistant's turn with tool calls has none.
  if (content->get_string().get(simple) == simdjson::SUCCESS)
    return {};
  simdjson::dom::array parts;
  if (content->get_array().get(parts) != simdjson::SUCCESS)
    return invalid("Invalid type for '" + where + "': expected one of a string or array of objects.", where,
                   "invalid_type");
  for (const auto part : parts) {
    object fields;
    if (part.get_object().get(fields) != simdjson::SUCCESS)
      return invalid("Invalid type for '" + where + "': expected an array of objects.", where,
                     "invalid_type");
    std::string_view text;
    if (const auto found = member(fields, "text");
        found && found->get_string().get(text) == simdjson::SUCCESS)
      joined += text;
  }
  simple = joined;
  return {};
}

std::optional<api_error> read_messages(const object& fields, chat_request& out) {
  const auto messages = member(fields, "messages");
  if (!messages)
    return invalid("Missing required parameter: 'messages'.", "messages", "missing_required_parameter");
  simdjson::dom::array list;
  if (messages->get_array().get(list) != simdjson::SUCCESS)
    return invalid("Invalid type for 'messages': expected an array of objects.", "messages", "invalid_type");
  uint64_t hash = 0;
  size_t index = 0;
  for (const auto item : list) {
    const auto where = "messages[" + std::to_string(index++) + "]";
    object message;
    if (item.get_object().get(message) != simdjson::SUCCESS)
      return invalid("Invalid type for '" + where + "': expected an object.", where, "invalid_type");
    std::string_view role;
    if (const auto found = member(message, "role");
        !found || found->get_string().get(role) != simdjson::SUCCESS)
      return invalid("Missing required parameter: '" + where + ".role'.", where + ".role",
                     "missing_required_parameter");
    if (role != "user" && role != "system" && role != "assistant" && role != "developer" && role != "tool")
      return invalid("Invalid value: '" + std::string(role)
                         + "'. Supported values are: 'system', 'assistant', 'user', 'developer', and 'tool'.",
                     where + ".role", "invalid_value");
    std::string_view text;
    std::string joined;
    if (auto mistake = read_content(member(message, "content"), where + ".content", text, joined))
      return mistake;
    hash = hash_text(text, hash_text(role, hash));
    out.prompt_tokens += estimate_tokens(text) + 3;
    if (role == "user")
      out.user_text = text;
  }
  if (index == 0)
    return invalid(
        "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty "
        "array instead.",
        "messages", "empty_array");
  out.prompt_tokens += 3;
  out.prompt_hash = hash == 0 ? 1 : hash;
  return {};
}

std::optional<api_error> read_number(const object& fields, const char* name, double low, double high) {
  const auto value = member(fields, name);
  if (!value)
    return {};
  double number = 0;
  if (value->get_double().get(number) != simdjson::SUCCESS)
    return invalid(std::string("Invalid type for '") + name + "': expected a decimal.", name, "invalid_type");
  if (number < low || number > high)
    return invalid(std::string("Invalid '") + name + "': decimal outside of the allowed range.", name,
                   number < low ? "decimal_below_min_value" : "decimal_above_max_value");
  return {};
}

std::optional<api_error> read_count(const object& fields, const char* name, uint64_t high,
                                    std::optional<uint64_t>& out) {
  const auto value = member(fields, name);
  if (!value)
    return {};
  int64_t number = 0;
  if (value->get_int64().get(number) != simdjson::SUCCESS)
    return invalid(std::string("Invalid type for '") + name + "': expected an integer.", name,
                   "invalid_type");
  if (number < 1)
    return invalid(std::string("Invalid '") + name
                       + "': integer below minimum value. Expected a value >= 1, but got "
                       + std::to_string(number) + " instead.",
                   name, "integer_below_min_value");
  if (static_cast<uint64_t>(number) > high)
    return invalid(std::string("Invalid '") + name + "': integer above maximum value. Expected a value <= "
                       + std::to_string(high) + ", but got " + std::to_string(number) + " instead.",
                   name, "integer_above_max_value");
  out = static_cast<uint64_t>(number);
  return {};
}

std::optional<api_error> read_flag(const object& fields, const char* name, bool& out) {
  const auto value = member(fields, name);
  if (value && value->get_bool().get(out) != simdjson::SUCCESS)
    return invalid(std::string("Invalid type for '") + name + "': expected a boolean.", name, "invalid_type");
  return {};
}

std::optional<api_error> read_stop(const object& fields, std::vector<std::string>& out) {
  const auto value = member(fields, "stop");
  if (!value)
    return {};
  std::string_view text;
  simdjson::dom::array list;
  if (value->get_string().get(text) == simdjson::SUCCESS)
    out.emplace_back(text);
  else if (value->get_array().get(list) == simdjson::SUCCESS)
    for (const auto item : list)
      if (item.get_string().get(text) == simdjson::SUCCESS)
        out.emplace_back(text);
  if (out.size() > 4)
    return invalid(
        "Invalid 'stop': array too long. Expected an array with maximum length 4, but got an array with "
        "length "
            + std::to_string(out.size()) + " instead.",
        "stop", "array_above_max_length");
  std::erase_if(out, [](const std::string& s) { return s.empty(); });
  return {};
}

} // namespace

boost::system::result<chat_request, api_error> read_chat_request(std::string_view body) {
  simdjson::dom::parser parser;
  element document;
  object fields;
  if (parser.parse(body.data(), body.size()).get(document) != simdjson::SUCCESS
      || document.get_object().get(fields) != simdjson::SUCCESS)
    return invalid(
        "We could not parse the JSON body of your request. (HINT: This likely means you aren't using your "
        "HTTP library correctly. The OpenAI API expects a JSON payload, but what was sent was not valid "
        "JSON.)");
  chat_request out;
  std::string_view model;
  if (const auto found = member(fields, "model");
      !found || found->get_string().get(model) != simdjson::SUCCESS)
    return invalid("you must provide a model parameter");
  out.model = model;
  if (auto mistake = read_messages(fields, out))
    return *mistake;
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
  if (const auto stream_options = member(fields, "stream_options")) {
    object inner;
    if (!out.stream || stream_options->get_object().get(inner) != simdjson::SUCCESS)
      return invalid("The 'stream_options' parameter is only allowed when 'stream' is enabled.",
                     "stream_options");
    if (auto mistake = read_flag(inner, "include_usage", out.include_usage))
      return *mistake;
  }
  if (!out.max_tokens)
    out.max_tokens = old_limit;
  out.choices = static_cast<uint32_t>(choices.value_or(1));
  return out;
}

uint64_t estimate_tokens(std::string_view text) noexcept {
  uint64_t cjk = 0;
  uint64_t others = 0;
  for (size_t i = 0; i < text.size();) {
    if (static_cast<unsigned char>(text[i]) < 0x80) {
      ++others;
      ++i;
      continue;
    }
    const auto c = character_at(text, i);
    ++(is_cjk(c.code) ? cjk : others);
    i += c.length;
  }
  return cjk + (others + 3) / 4;
}

size_t bytes_of_tokens(std::string_view text, uint64_t tokens) noexcept {
  uint64_t cjk = 0;
  uint64_t others = 0;
  size_t i = 0;
  while (i < text.size()) {
    const auto c = character_at(text, i);
    ++(is_cjk(c.code) ? cjk : others);
    if (cjk + (others + 3) / 4 > tokens)
      break;
    i += c.length;
  }
  return i;
}

} // namespace assay::mock
