#pragma once

#include "core/codecs/wire_codec.hpp"

namespace assay::codecs {

/// @returns the codec of Google's Gemini API.
std::unique_ptr<wire_codec> make_gemini_codec(const provider_profile& provider);

} // namespace assay::codecs
