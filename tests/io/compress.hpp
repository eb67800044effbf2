#pragma once

#include <stdexcept>
#include <string>
#include <string_view>
#include <zlib.h>

namespace assay::io::test {

/// zlib's window parameter says which wrapper it writes.
inline constexpr int gzip_form = 15 + 16;
inline constexpr int zlib_form = 15;
inline constexpr int raw_form = -15;

inline std::string compress(std::string_view text, int form) {
  z_stream stream{};
  if (deflateInit2(&stream, 9, Z_DEFLATED, form, 8, Z_DEFAULT_STRATEGY) != Z_OK)
    throw std::runtime_error("deflateInit2");
  std::string out(deflateBound(&stream, text.size()) + 32, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  const int code = deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  if (code != Z_STREAM_END)
    throw std::runtime_error("deflate");
  return out;
}

} // namespace assay::io::test
