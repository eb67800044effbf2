#include "core/codecs/image_type.hpp"

#include "core/codecs/base64.hpp"

namespace assay::codecs {

std::string_view sniff_image(std::string_view base64) {
  constexpr size_t bytes_needed = 12;
  const auto head = decode_base64(base64, bytes_needed);
  if (!head)
    return {};
  if (head->starts_with("\x89PNG\r\n\x1A\n"))
    return "image/png";
  if (head->starts_with("\xFF\xD8\xFF"))
    return "image/jpeg";
  if (head->starts_with("GIF87a") || head->starts_with("GIF89a"))
    return "image/gif";
  if (head->size() == bytes_needed && head->starts_with("RIFF") && head->substr(8) == "WEBP")
    return "image/webp";
  return {};
}

} // namespace assay::codecs
