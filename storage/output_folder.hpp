#pragma once

#include "core/values/errors.hpp"

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

namespace assay::storage {

/// Takes the next piece of a file's content.
using text_sink = std::function<void(std::string_view)>;

/// Produces a file's content piece by piece; its fault ends the writing and leaves the old file.
using text_source = std::function<result<void>(const text_sink&)>;

/// A folder that files are written to, and never beside.
class output_folder {
public:
  /// Opens the folder, and makes it and its parents where they are missing. Symbolic links on the way to it
  /// are its owner's decision and followed.
  static result<output_folder> open(const std::filesystem::path& path);

  ~output_folder();
  output_folder(output_folder&& other) noexcept;
  output_folder& operator=(output_folder&&) = delete;

  /// Opens a folder below this one, and makes what is missing. @p path is relative and has no `..`; no step
  /// of it may be a symbolic link, because that could lead out.
  /// @returns invalid_argument for such a path, store_full or store_unreadable when it cannot be made.
  result<output_folder> below(const std::filesystem::path& path) const;

  /// Writes the file @p name so that readers see the old one or the complete new one, never a part: a
  /// temporary name beside it, flushed, then renamed. @returns store_full or store_unreadable with the path.
  result<void> write(const std::string& name, const text_source& fill) const;

private:
  output_folder(int fd, std::filesystem::path shown) : fd_(fd), shown_(std::move(shown)) {}

  int fd_;
  std::filesystem::path shown_; ///< For messages only.
};

/// @returns @p name with every character that is awkward in a file name replaced by `_`.
std::string as_file_name(std::string_view name);

} // namespace assay::storage
