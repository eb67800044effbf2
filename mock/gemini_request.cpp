// Reads what Gemini's API is sent.
#include "mock/gemini_api.hpp"
#include "mock/json_read.hpp"

#include <array>

namespace assay::mock {

namespace {

using namespace reading;

constexpr std::array<std::string_view, 15> known_members{"contents",
                                                         "systemInstruction",
                                                         "system_instruction",
                                                         "generationConfig",
                                                         "generation_config",
                                                         "tools",
                                                         "toolConfig",
                                                         "tool_config",
                                                         "safetySettings",
                                                         "safety_settings",
                                                         "serviceTier",
                                                         "cachedContent",
                                                         "cached_content",
                                                         "model",
                                                         "labels"};

api_error invalid(std::string message) { return {400, std::move(message), "INVALID_ARGUMENT", {}, {}, {}}; }

api_error no_json() { return invalid("Invalid JSON payload received. Expected an object key or }.\n\n^"); }

/// `models/x` -> `x`
std::string_view plain_name(std::string_view model) {
  constexpr std::string_view prefix = "models/";
  if (model.starts_with(prefix))
    model.remove_prefix(prefix.size());
  return model;
}

/// Joins the texts of a content's parts.
std::string read_parts(const object& content, bool& tool_result, conversation& all) {
  std::string text;
  const auto parts = array_of(member(content, "parts"));
  if (!parts)
    return text;
  for (const auto item : *parts) {
    const auto part = object_of(item);
    if (!part)
      continue;
    if (const auto piece = text_of(member(*part, "text")))
      text += *piece;
    else if (const auto data = object_of(member(*part, {"inlineData", "inline_data"})))
      all.image(text_of(member(*data, "data")).value_or(""));
    else if (const auto file = object_of(member(*part, {"fileData", "file_data"})))
      all.image(text_of(member(*file, {"fileUri", "file_uri"})).value_or(""));
    else if (member(*part, {"functionResponse", "function_response"}))
      tool_result = true;
  }
  return text;
}

std::optional<api_error> read_contents(const object& fields, chat_request& out) {
  conversation all(out);
  if (const auto system = object_of(member(fields, {"systemInstruction", "system_instruction"}))) {
    bool ignored = false;
    all.message("system", read_parts(*system, ignored, all));
  }
  const auto list = array_of(member(fields, "contents"));
  if (!list || list->size() == 0)
    return invalid("* GenerateContentRequest.contents: contents is not specified\n");
  for (const auto item : *list) {
    const auto content = object_of(item);
    if (!content)
      return invalid("Invalid value at 'contents' (type.googleapis.com/google.ai.generativelanguage.v1beta."
                     "Content)");
    const auto role = text_of(member(*content, "role")).value_or("user");
    if (role != "user" && role != "model" && role != "function")
      return invalid("Please use a valid role: user, model.");
    bool tool_result = false;
    const auto text = read_parts(*content, tool_result, all);
    all.message(role, text);
    if (role != "model")
      all.user(text);
    out.after_tool_result = tool_result;
  }
  all.finish();
  return {};
}

std::optional<api_error> read_config(const object& fields, chat_request& out) {
  const auto config = object_of(member(fields, {"generationConfig", "generation_config"}));
  if (!config)
    return {};
  if (const auto value = member(*config, "temperature")) {
    const auto number = number_of(value);
    if (!number || *number < 0 || *number > 2)
      return invalid(
          "* GenerateContentRequest.generation_config.temperature: temperature must be in the range "
          "[0.0, 2.0].\n");
  }
  if (const auto value = member(*config, {"maxOutputTokens", "max_output_tokens"})) {
    const auto number = integer_of(value);
    if (!number || *number < 1)
      return invalid("Unable to submit request because it has a maxOutputTokens value that is not positive.");
    out.max_tokens = static_cast<uint64_t>(*number);
  }
  if (const auto value = member(*config, {"candidateCount", "candidate_count"})) {
    const auto number = integer_of(value);
    if (!number || *number < 1 || *number > 8)
      return invalid(
          "* GenerateContentRequest.generation_config.candidate_count: candidate_count must be in the "
          "range [1, 8].\n");
    out.choices = static_cast<uint32_t>(*number);
  }
  if (const auto stops = array_of(member(*config, {"stopSequences", "stop_sequences"}))) {
    for (const auto item : *stops)
      if (const auto text = text_of(item); text && !text->empty())
        out.stop.emplace_back(*text);
    if (out.stop.size() > 5)
      return invalid("* GenerateContentRequest.generation_config.stop_sequences: at most 5 are allowed.\n");
  }
  const auto schema = member(*config, {"responseSchema", "response_schema", "responseJsonSchema",
                                       "response_json_schema", "_responseJsonSchema"});
  const auto type =
      text_of(member(*config, {"responseMimeType", "response_mime_type"})).value_or("text/plain");
  if (schema && type != "application/json")
    return invalid("* GenerateContentRequest.generation_config.response_schema: only allowed when "
                   "response_mime_type is application/json.\n");
  if (type == "application/json")
    out.format = schema ? answer_format::json_schema : answer_format::json_object;
  if (schema)
    out.schema = minified(*schema);
  return {};
}

void read_mode(const object& fields, chat_request& out, std::string_view& wanted) {
  out.tools = tool_use::automatic;
  const auto config = object_of(member(fields, {"toolConfig", "tool_config"}));
  const auto calling = config
                           ? object_of(member(*config, {"functionCallingConfig", "function_calling_config"}))
                           : std::nullopt;
  if (!calling)
    return;
  const auto mode = text_of(member(*calling, "mode")).value_or("AUTO");
  out.tools = mode == "NONE" ? tool_use::none : mode == "ANY" ? tool_use::required : tool_use::automatic;
  if (const auto names = array_of(member(*calling, {"allowedFunctionNames", "allowed_function_names"}));
      names && names->size() > 0)
    wanted = text_of(names->at(0)).value_or("");
}

std::optional<api_error> read_tools(const object& fields, chat_request& out) {
  const auto list = array_of(member(fields, "tools"));
  if (!list)
    return {};
  std::string_view wanted;
  read_mode(fields, out, wanted);
  for (const auto item : *list) {
    const auto tool = object_of(item);
    const auto functions =
        tool ? array_of(member(*tool, {"functionDeclarations", "function_declarations"})) : std::nullopt;
    if (!functions)
      continue;
    for (const auto entry : *functions) {
      const auto function = object_of(entry);
      const auto name = function ? text_of(member(*function, "name")) : std::nullopt;
      if (!name)
        return invalid(
            "* GenerateContentRequest.tools[0].function_declarations[0].name: Invalid function name. "
            "Must start with a letter or an underscore.\n");
      const auto schema = member(*function, {"parameters", "parametersJsonSchema", "parameters_json_schema"});
      const auto text = schema ? minified(*schema) : std::string();
      out.prompt_tokens += estimate_tokens(*name) + estimate_tokens(text);
      if (out.tool_name.empty() || *name == wanted) {
        out.tool_name = *name;
        out.tool_schema = text;
      }
    }
  }
  return {};
}

std::optional<api_error> read_chat_fields(const object& fields, chat_request& out) {
  for (const auto field : fields)
    if (std::find(known_members.begin(), known_members.end(), field.key) == known_members.end())
      return invalid("Invalid JSON payload received. Unknown name \"" + std::string(field.key)
                     + "\": Cannot find field.");
  out.include_usage = true;
  if (auto mistake = read_contents(fields, out))
    return mistake;
  if (auto mistake = read_config(fields, out))
    return mistake;
  return read_tools(fields, out);
}

std::optional<api_error> read_one_embedding(const object& fields, embedding_request& out) {
  const auto content = object_of(member(fields, "content"));
  if (!content)
    return invalid("* EmbedContentRequest.content: contents is not specified\n");
  chat_request ignored;
  conversation all(ignored);
  bool tool_result = false;
  auto text = read_parts(*content, tool_result, all);
  if (text.empty())
    return invalid("* EmbedContentRequest.content: content is empty\n");
  if (const auto value = member(fields, {"outputDimensionality", "output_dimensionality"})) {
    const auto number = integer_of(value);
    if (!number || *number < 1 || *number > 16'384)
      return invalid("* EmbedContentRequest.output_dimensionality: must be in the range [1, 16384].\n");
    out.dimensions = static_cast<uint32_t>(*number);
  }
  out.prompt_tokens += estimate_tokens(text);
  out.texts.push_back(std::move(text));
  return {};
}

} // namespace

api_result<chat_request> read_gemini_chat(std::string_view model, std::string_view body) {
  simdjson::dom::parser parser;
  object fields;
  if (!parse_object(parser, body, fields))
    return no_json();
  chat_request out;
  out.model = plain_name(model);
  if (auto mistake = read_chat_fields(fields, out))
    return *mistake;
  return out;
}

api_result<chat_request> read_gemini_count(std::string_view model, std::string_view body) {
  simdjson::dom::parser parser;
  object fields;
  if (!parse_object(parser, body, fields))
    return no_json();
  chat_request out;
  out.model = plain_name(model);
  const auto inner = object_of(member(fields, {"generateContentRequest", "generate_content_request"}));
  if (auto mistake = inner ? read_chat_fields(*inner, out) : read_contents(fields, out))
    return *mistake;
  return out;
}

api_result<embedding_request> read_gemini_embedding(std::string_view model, std::string_view body,
                                                    bool many) {
  simdjson::dom::parser parser;
  object fields;
  if (!parse_object(parser, body, fields))
    return no_json();
  embedding_request out;
  out.model = plain_name(model);
  if (!many) {
    if (auto mistake = read_one_embedding(fields, out))
      return *mistake;
    return out;
  }
  const auto list = array_of(member(fields, "requests"));
  if (!list || list->size() == 0)
    return invalid("* BatchEmbedContentsRequest.requests: requests is not specified\n");
  if (list->size() > 100)
    return invalid("* BatchEmbedContentsRequest.requests: at most 100 requests can be in one batch\n");
  for (const auto item : *list) {
    const auto one = object_of(item);
    if (!one)
      return invalid("* BatchEmbedContentsRequest.requests: must be objects\n");
    if (auto mistake = read_one_embedding(*one, out))
      return *mistake;
  }
  return out;
}

} // namespace assay::mock
