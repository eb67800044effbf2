#include "core/codecs/protocol_parts.hpp"

#include "core/codecs/image_type.hpp"
#include "core/codecs/json_text.hpp"

#include <algorithm>
#include <array>

namespace assay::codecs {

namespace {

bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }
bool is_lower(char c) noexcept { return c >= 'a' && c <= 'z'; }

/// `v1`, `v1beta`, `v1alpha2`.
bool is_version(std::string_view segment) noexcept {
  return segment.size() >= 2 && segment[0] == 'v' && is_digit(segment[1])
         && std::all_of(segment.begin(), segment.end(), [](char c) { return is_digit(c) || is_lower(c); });
}

} // namespace

std::optional<dom::element> object_member(dom::element parent, const char* name) {
  const auto found = member(parent, name);
  return found && found->is_object() ? found : std::nullopt;
}

std::optional<std::string> as_json_object(json_document& document, std::string_view text) {
  const auto root = document.parse(text);
  if (!root || !root->is_object())
    return std::nullopt;
  return simdjson::minify(*root);
}

std::optional<std::string> as_json_list(json_document& document, std::string_view text) {
  const auto root = document.parse(text);
  if (!root || !root->is_array())
    return std::nullopt;
  return simdjson::minify(*root);
}

std::string version_prefix(std::string_view base_url, std::string_view version) {
  if (const auto scheme = base_url.find("://"); scheme != std::string_view::npos)
    base_url.remove_prefix(scheme + 3);
  while (base_url.ends_with('/'))
    base_url.remove_suffix(1);
  const auto slash = base_url.rfind('/');
  const bool versioned = slash != std::string_view::npos && is_version(base_url.substr(slash + 1));
  return base_url.empty() || versioned ? std::string{} : "/" + std::string(version);
}

std::string joined_system_text(std::span<const chat_message> messages) {
  std::string joined;
  for (const auto& message : messages) {
    if (message.role != chat_role::system || message.content.empty())
      continue;
    if (!joined.empty())
      joined += "\n\n";
    joined += message.content.view();
  }
  return joined;
}

size_t expected_body_size(std::span<const chat_message> messages) noexcept {
  size_t size = 512;
  for (const auto& message : messages) {
    size += message.content.size() + message.content.size() / 16 + 64;
    if (message.extras)
      for (const auto& image : message.extras->images)
        size += image.base64.size() + 128;
  }
  return size;
}

void append_number(std::string& out, std::string_view name, const std::optional<double>& value) {
  if (!value)
    return;
  out.append(",\"").append(name).append("\":");
  append_json_number(out, *value);
}

void append_list(std::string& out, std::span<const std::string> texts) {
  out += '[';
  for (size_t i = 0; i < texts.size(); ++i) {
    if (i != 0)
      out += ',';
    append_json_string(out, texts[i]);
  }
  out += ']';
}

result<prepared_options> prepare(json_document& document, const answer_options& options) {
  prepared_options prepared;
  if (options.form == answer_form::json_schema) {
    auto schema = as_json_object(document, options.schema_json);
    if (!schema)
      return fault{errc::invalid_argument, "the schema of the answer is not a JSON object", "schema",
                   "write a JSON Schema: {\"type\": \"object\", ...}"};
    prepared.schema = std::move(*schema);
  }
  bool chosen = options.tool_choice.empty() || options.tool_choice == "auto" || options.tool_choice == "none"
                || options.tool_choice == "required";
  for (size_t i = 0; i < options.tools.size(); ++i) {
    const auto& tool = options.tools[i];
    if (tool.name.empty())
      return fault{errc::invalid_argument, "a tool has no name", where_in("tools", i, ".name"), ""};
    chosen = chosen || tool.name == options.tool_choice;
    if (tool.parameters_json.empty()) {
      prepared.tool_parameters.emplace_back();
      continue;
    }
    auto parameters = as_json_object(document, tool.parameters_json);
    if (!parameters)
      return fault{errc::invalid_argument, "the parameters of a tool are not a JSON object",
                   where_in("tools", i, ".parameters"), "write a JSON Schema: {\"type\": \"object\", ...}"};
    prepared.tool_parameters.push_back(std::move(*parameters));
  }
  if (!chosen)
    return fault{errc::invalid_argument, "no tool is called `" + options.tool_choice + "`", "tool_choice",
                 "auto, none, required or the name of one of the tools"};
  return prepared;
}

result<std::string_view> media_type_of(const image_part& image, std::string_view where) {
  static constexpr std::array<std::string_view, 4> known{"image/png", "image/jpeg", "image/webp",
                                                         "image/gif"};
  if (const auto seen = sniff_image(image.base64); !seen.empty())
    return seen;
  const auto* declared = std::find(known.begin(), known.end(), image.media_type);
  if (declared == known.end())
    return fault{errc::unsupported, "the picture is neither PNG, JPEG, WebP nor GIF", std::string(where),
                 "convert it to one of these"};
  return *declared;
}

std::span<const tool_definition> tools_of(const answer_options* options) noexcept {
  if (options == nullptr)
    return {};
  return options->tools;
}

std::string where_in(std::string_view list, size_t index, std::string_view rest) {
  return std::string(list) + "[" + std::to_string(index) + "]" + std::string(rest);
}

} // namespace assay::codecs
