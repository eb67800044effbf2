#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace assay::mock {

/// A file that a client uploaded, or that a batch wrote.
struct stored_file {
  std::string id;
  std::string owner; ///< The hash of the key; other keys do not see it.
  std::string name;
  std::string purpose; ///< OpenAI.
  std::string mime;    ///< Gemini.
  std::string content;
  int64_t created = 0;            ///< Unix seconds.
  std::optional<int64_t> expires; ///< Unix seconds.
};

using shared_file = std::shared_ptr<const stored_file>;

/// Keeps files in memory. Thread-safe.
class file_store {
public:
  /// @param most_bytes of all contents together.
  file_store(uint64_t most_bytes, uint64_t seed) : most_bytes_(most_bytes), seed_(seed) {}

  /// Stores @p file under a new id that begins with @p prefix. @returns null when there is no room.
  shared_file add(stored_file file, std::string_view prefix);
  /// @returns null when @p owner has no such file.
  shared_file find(std::string_view owner, std::string_view id) const;
  /// Newest first.
  std::vector<shared_file> list(std::string_view owner) const;
  bool remove(std::string_view owner, std::string_view id);
  void clear();

  /// Begins an upload in several requests. @returns its id.
  std::string begin_upload(stored_file file);
  /// Adds to an upload. @returns the size so far; nothing for an unknown id or without room.
  std::optional<uint64_t> append(std::string_view upload, std::string_view content);
  /// @returns the file of an upload that is at its end, not stored yet.
  std::optional<stored_file> take_upload(std::string_view upload);

private:
  std::string new_id(std::string_view prefix);

  const uint64_t most_bytes_;
  const uint64_t seed_;
  mutable std::mutex mutex_;
  uint64_t bytes_ = 0;
  uint64_t n_ = 0;
  std::map<std::string, std::pair<uint64_t, shared_file>, std::less<>> files_; ///< With their number.
  std::map<std::string, stored_file, std::less<>> uploads_;
};

} // namespace assay::mock
