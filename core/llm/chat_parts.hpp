#pragma once

#include "core/llm/json_object.hpp"
#include "core/llm/question.hpp"

#include <nlohmann/json_fwd.hpp>

/// Pieces of requests that several APIs share. For the .cpp files of this folder only.
namespace assay::llm {

/// Reads a list of messages in OpenAI's form.
std::vector<chat_message> read_messages(const nlohmann::json& list, const std::string& path,
                                        std::optional<fault>& wrong);

/// Reads a picture: an http or https address, a `data:` address, or bare base64 when @p bare_base64 allows
/// it.
image_part read_image(const std::string& text, const std::string& path, bool bare_base64,
                      std::optional<fault>& wrong);

/// Reads `tools`, `tool_choice` and `parallel_tool_calls`.
void read_tools(json_object& in, answer_options& out);

/// Reads `response_format`.
void read_answer_form(json_object& in, answer_options& out);

/// Reads temperature, top_p, both penalties and the seed.
void read_sampling(json_object& in, sampling& out);

/// @returns null when nothing is asked for.
std::shared_ptr<const answer_options> share(answer_options&& options);

} // namespace assay::llm
