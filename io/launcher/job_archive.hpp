#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace assay::launcher {

/// How the files of a job reach its sandbox: one after another, each as the length of its name (4 bytes), the
/// length of its content (8 bytes), its name and its content. Both sides are one machine: its own byte order.
struct archive_head {
  uint32_t name_bytes = 0;
  uint64_t content_bytes = 0;

  static constexpr size_t size = 12;
};

inline void add_to_archive(std::string& archive, std::string_view name, std::string_view content) {
  const auto name_bytes = static_cast<uint32_t>(name.size());
  const auto content_bytes = static_cast<uint64_t>(content.size());
  archive.append(reinterpret_cast<const char*>(&name_bytes), sizeof name_bytes);
  archive.append(reinterpret_cast<const char*>(&content_bytes), sizeof content_bytes);
  archive.append(name);
  archive.append(content);
}

/// @param bytes At least archive_head::size.
inline archive_head read_archive_head(const char* bytes) {
  archive_head out;
  std::memcpy(&out.name_bytes, bytes, sizeof out.name_bytes);
  std::memcpy(&out.content_bytes, bytes + sizeof out.name_bytes, sizeof out.content_bytes);
  return out;
}

} // namespace assay::launcher
