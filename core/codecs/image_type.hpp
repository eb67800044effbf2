#pragma once

#include <string_view>

namespace assay::codecs {

/// @returns the media type that the first bytes show: image/png, image/jpeg, image/webp or image/gif; an
/// empty text for everything else. Looks at the first 12 bytes and does not care whether a picture follows.
/// Signatures: PNG (ISO 15948, 5.2), JPEG (ISO 10918-1, SOI), GIF87a and GIF89a, WebP (RFC 9649, 2.4).
/// @param base64 the picture in base64, without a `data:` prefix.
std::string_view sniff_image(std::string_view base64);

} // namespace assay::codecs
