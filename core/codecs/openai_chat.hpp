#pragma once

#include "core/codecs/wire_codec.hpp"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace assay::codecs {

/// @returns whether the model thinks before it answers and so rejects `max_tokens` and sampling parameters:
/// OpenAI's o1, o3, o4 and gpt-5 and later, except the gpt-*-chat ones. A vendor prefix (`openai/o3`) is
/// ignored.
bool is_reasoning_model(std::string_view wire_model) noexcept;

/// @returns @p text up to the first of @p stops, for models that take no stop sequences.
std::string_view cut_at_stop(std::string_view text, const std::vector<std::string>& stops) noexcept;

/// @returns the codec of OpenAI's chat completions and everything compatible with it, Azure included. How the
/// server deviates is decided by the profile's dialect.
std::unique_ptr<wire_codec> make_openai_codec(const provider_profile& provider);

} // namespace assay::codecs
