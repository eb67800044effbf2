#pragma once

#include "core/codecs/openai_rules.hpp"
#include "core/codecs/wire_codec.hpp"

/// The `messages` of OpenAI's protocol. For the .cpp files of this folder only.
namespace assay::codecs {

/// @returns a size that the written messages will hardly exceed.
size_t expected_size(std::span<const chat_message> messages) noexcept;

/// Appends the list with its brackets. @param developer the system's messages get the role `developer`.
/// Fails with invalid_argument for what makes no sense (pictures of an assistant) and with unsupported for
/// what these rules lack.
result<void> append_messages(std::string& out, std::span<const chat_message> messages,
                             const openai_rules& rules, bool developer);

/// @returns a fault of errc::unsupported: "DeepSeek takes no pictures".
fault lacking(const openai_rules& rules, std::string_view what, std::string where, std::string hint);

} // namespace assay::codecs
