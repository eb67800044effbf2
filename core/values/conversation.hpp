#pragma once

#include "core/values/shared_text.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace assay {

enum class chat_role : uint8_t { system = 1, user = 2, assistant = 3, tool = 4 };

std::string_view to_string(chat_role role) noexcept;
std::optional<chat_role> chat_role_from_string(std::string_view name) noexcept;

/// A picture of a user's message: either an address or the bytes themselves.
struct image_part {
  std::string url;          ///< http or https; empty when the bytes are here.
  shared_text base64;       ///< Without a `data:` prefix.
  std::string media_type;   ///< Of the bytes: image/png, image/jpeg, image/webp or image/gif.
  std::string detail;       ///< OpenAI's low, high or auto; empty leaves it to the provider.
  uint32_t text_before = 0; ///< How many bytes of the message's text stand before the picture.

  bool operator==(const image_part&) const = default;
};

/// A function that the model wants to have called.
struct tool_call {
  std::string id;
  std::string name;
  std::string arguments; ///< JSON text as the model wrote it; may be broken.
  /// What the provider wants to see again together with the call (Gemini's thoughtSignature). Opaque.
  std::string signature = {};

  bool operator==(const tool_call&) const = default;
};

/// What few messages have: most are plain text.
struct message_extras {
  std::vector<image_part> images;    ///< Of a user's message; each says where in the text it stands.
  std::vector<tool_call> tool_calls; ///< Of an assistant's message.
  std::string tool_call_id;          ///< Of a tool's message: the call that it answers.
  std::string name;                  ///< Who speaks, where the provider knows names.

  bool operator==(const message_extras&) const = default;
};

/// One turn of a conversation. Copies share everything that is large.
struct chat_message {
  chat_role role = chat_role::user;
  shared_text content;
  std::shared_ptr<const message_extras> extras = nullptr; ///< Null for plain text.

  friend bool operator==(const chat_message& a, const chat_message& b) noexcept {
    const bool same_extras = a.extras == b.extras || (a.extras && b.extras && *a.extras == *b.extras);
    return a.role == b.role && a.content == b.content && same_extras;
  }
};

/// A piece of a message that has pictures: a text, or a picture.
struct content_part {
  std::string_view text;       ///< Not empty, unless this is a picture.
  std::optional<size_t> image; ///< Which of message_extras::images.

  bool operator==(const content_part&) const = default;
};

/// @returns the message's texts and pictures in their order. Refers to the message.
std::vector<content_part> parts_of(const chat_message& message);

/// A function that the model may ask for.
struct tool_definition {
  std::string name;
  std::string description;
  std::string parameters_json; ///< JSON Schema of the arguments; empty means none.
  std::optional<bool> strict;

  bool operator==(const tool_definition&) const = default;
};

enum class answer_form : uint8_t { text = 1, json_object = 2, json_schema = 3 };

/// What is asked of an answer beyond sampling. Rare and large, so the calls of a run share one.
struct answer_options {
  std::optional<uint32_t> top_k;
  uint32_t choices = 1; ///< How many answers; OpenAI's `n`.
  bool logprobs = false;
  std::optional<uint32_t> top_logprobs;
  answer_form form = answer_form::text;
  std::string schema_name;
  std::string schema_json; ///< JSON Schema, with answer_form::json_schema.
  std::optional<bool> schema_strict;
  std::vector<tool_definition> tools;
  std::string tool_choice; ///< auto, none, required, or the name of a tool; empty leaves it out.
  std::optional<bool> parallel_tool_calls;
  std::string reasoning_effort;     ///< none, minimal, low, medium, high or a provider's own word.
  std::string safety_settings_json; ///< Gemini's array; empty means BLOCK_NONE for the usual four.
  std::string user;                 ///< An opaque id of the end user.
  std::string extra_json;           ///< A JSON object whose members compatible providers get as they are.
  bool raw_response = false;        ///< The provider's own body is wanted beside the answer; not of a stream.

  bool operator==(const answer_options&) const = default;
};

/// A piece of a tool call; pieces with the same index belong together, their arguments are joined.
struct tool_call_delta {
  uint32_t index = 0;
  std::string id;   ///< In the first piece.
  std::string name; ///< In the first piece.
  std::string arguments;
  std::string signature = {}; ///< See tool_call::signature; in one piece.

  bool operator==(const tool_call_delta&) const = default;
};

/// What one event of a stream adds to the answer. Empty members add nothing.
struct answer_delta {
  uint32_t choice = 0;
  std::string text;
  std::string reasoning;
  std::vector<tool_call_delta> tool_calls;

  bool operator==(const answer_delta&) const = default;
};

/// What few answers have besides their text.
struct answer_extras {
  bool refused = false;                  ///< The text is the model's refusal.
  std::string reasoning;                 ///< What the model thought aloud, where the provider shows it.
  std::vector<tool_call> tool_calls;     ///< What the model wants to have called.
  std::vector<shared_text> more_choices; ///< The second and further answers, when several were asked for.
  std::string logprobs_json;             ///< OpenAI's `logprobs` object of the first choice.
  /// Parameters that the model does not take and that were left out, with the reason.
  std::vector<std::string> dropped;
  /// The body as the provider sent it, keys hidden; only where it was asked for.
  std::string raw_response = {};

  bool operator==(const answer_extras&) const = default;
};

} // namespace assay
