#pragma once

#include "core/codecs/wire_codec.hpp"

namespace assay::codecs {

/// @returns the codec of Anthropic's Messages API.
std::unique_ptr<wire_codec> make_anthropic_codec(const provider_profile& provider);

} // namespace assay::codecs
