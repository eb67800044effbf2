#pragma once

#include "core/values/secret.hpp"

#include <string>
#include <string_view>

namespace assay {

/// Under which fingerprints are made where there is no better key.
inline constexpr std::string_view usual_fingerprint_key = "assay: fingerprints of provider keys";

/// @returns 16 hexadecimal digits that tell one key from another and from which the key cannot be computed: a
/// keyed BLAKE2b hash (RFC 7693), cut to 64 bits. Empty for an empty key.
/// @param under The hash's own key, 16 to 64 bytes. Fingerprints compare only when it is the same.
std::string key_fingerprint(const secret& key, std::string_view under = usual_fingerprint_key);

} // namespace assay
