#pragma once

#include "core/values/errors.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace assay::io {

/// How an HTTP body is compressed.
enum class content_coding : uint8_t { identity = 1, gzip = 2, deflate = 3 };

/// @returns the coding named by a Content-Encoding header (without regard to case; empty is identity), or
/// nothing for one that is not supported, also for several codings on top of each other.
std::optional<content_coding> content_coding_from(std::string_view header) noexcept;

/// Expands a compressed body piece by piece.
class inflater {
public:
  /// @param coding gzip (several members in a row are one body) or deflate (with or without zlib's wrapper).
  /// @param limit most bytes that may come out in all; more is errc::too_large.
  inflater(content_coding coding, size_t limit);
  ~inflater();
  inflater(inflater&&) noexcept;
  inflater& operator=(inflater&&) noexcept;

  /// Appends what @p in expands to to @p out. Fails with errc::malformed_input or errc::too_large, after
  /// having appended what came before the damage or within the limit; the inflater is of no more use then.
  result<void> feed(std::string_view in, std::string& out);

  /// @returns whether the compressed text is complete; false for a body cut short.
  bool complete() const noexcept;

private:
  struct state;
  std::unique_ptr<state> state_;
};

/// Expands a whole body.
result<std::string> inflate_all(std::string_view in, content_coding coding, size_t limit);

} // namespace assay::io
