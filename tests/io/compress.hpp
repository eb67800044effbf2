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

/// A compressed stream whose every piece can be expanded as soon as it has come.
class piecewise_compressor {
public:
  piecewise_compressor() {
    if (deflateInit2(&stream_, 9, Z_DEFLATED, gzip_form, 8, Z_DEFAULT_STRATEGY) != Z_OK)
      throw std::runtime_error("deflateInit2");
  }
  ~piecewise_compressor() { deflateEnd(&stream_); }
  piecewise_compressor(const piecewise_compressor&) = delete;
  piecewise_compressor& operator=(const piecewise_compressor&) = delete;

  std::string piece(std::string_view text) { return run(text, Z_SYNC_FLUSH); }
  std::string end() { return run({}, Z_FINISH); }

private:
  std::string run(std::string_view text, int how) {
    std::string out(deflateBound(&stream_, text.size()) + 64, '\0');
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
    stream_.avail_in = static_cast<uInt>(text.size());
    stream_.next_out = reinterpret_cast<Bytef*>(out.data());
    stream_.avail_out = static_cast<uInt>(out.size());
    if (deflate(&stream_, how) < Z_OK || stream_.avail_in > 0)
      throw std::runtime_error("deflate");
    out.resize(out.size() - stream_.avail_out);
    return out;
  }

  z_stream stream_{};
};

} // namespace assay::io::test
