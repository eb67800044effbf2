#pragma once

#include "core/codecs/json_reader.hpp"
#include "core/codecs/wire_codec.hpp"

#include <span>
#include <string>
#include <string_view>
#include <vector>

/// What the protocols besides OpenAI's have in common. For the .cpp files of this folder only.
namespace assay::codecs {

/// Calls @p visit with each item of the member, when that is a list.
template <class Visit>
void each_item(dom::element parent, const char* name, Visit&& visit) {
  dom::array list;
  const auto found = member(parent, name);
  if (!found || found->get(list) != simdjson::SUCCESS)
    return;
  for (const auto item : list)
    visit(item);
}

/// @returns the member when it is an object.
std::optional<dom::element> object_member(dom::element parent, const char* name);

/// @returns @p text as JSON that may stand inside a body, when it is an object.
std::optional<std::string> as_json_object(json_document& document, std::string_view text);
/// @returns the same for a list.
std::optional<std::string> as_json_list(json_document& document, std::string_view text);

/// @returns what stands between the base URL and a path of the protocol: `/v1`, or nothing when the base URL
/// already ends with a version (`https://api.anthropic.com/v1`) or is empty.
std::string version_prefix(std::string_view base_url, std::string_view version);

/// @returns the texts of all system messages, joined with a blank line.
std::string joined_system_text(std::span<const chat_message> messages);

/// @returns how long a body will be, roughly.
size_t expected_body_size(std::span<const chat_message> messages) noexcept;

/// Appends `,"name":value` when there is a value.
void append_number(std::string& out, std::string_view name, const std::optional<double>& value);
/// Appends a JSON list of texts.
void append_list(std::string& out, std::span<const std::string> texts);

/// The rare parts of a request as JSON that may be copied into a body.
struct prepared_options {
  std::string schema;                       ///< Empty unless answer_form::json_schema.
  std::vector<std::string> tool_parameters; ///< One for each tool; empty where it has none.
};

/// @returns errc::invalid_argument for a schema or tool parameters that are no JSON object, a tool without a
/// name, a schema form without a schema, and a tool choice that names no tool.
result<prepared_options> prepare(json_document& document, const answer_options& options);

/// @returns the media type of a picture that is here as bytes: what its bytes show, else what the message
/// says. Fails with errc::unsupported for anything but PNG, JPEG, WebP and GIF.
result<std::string_view> media_type_of(const image_part& image, std::string_view where);

/// @returns the tools of @p options, or none.
std::span<const tool_definition> tools_of(const answer_options* options) noexcept;

/// @returns `messages[3].images[0]` and the like.
std::string where_in(std::string_view list, size_t index, std::string_view rest = {});

} // namespace assay::codecs
