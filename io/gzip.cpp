#include "io/gzip.hpp"

#include <algorithm>
#include <limits>
#include <zlib.h>

namespace assay::io {

namespace {

bool equal_ignoring_case(std::string_view a, std::string_view b) noexcept {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

constexpr int gzip_window = 15 + 16; // zlib: 16 asks for the gzip wrapper
constexpr int zlib_window = 15;
constexpr int raw_window = -15;

} // namespace

std::optional<content_coding> content_coding_from(std::string_view header) noexcept {
  while (!header.empty() && (header.back() == ' ' || header.back() == '\t'))
    header.remove_suffix(1);
  while (!header.empty() && (header.front() == ' ' || header.front() == '\t'))
    header.remove_prefix(1);
  if (header.empty() || equal_ignoring_case(header, "identity"))
    return content_coding::identity;
  if (equal_ignoring_case(header, "gzip") || equal_ignoring_case(header, "x-gzip"))
    return content_coding::gzip;
  if (equal_ignoring_case(header, "deflate"))
    return content_coding::deflate;
  return std::nullopt;
}

struct inflater::state {
  z_stream zlib{};
  content_coding coding;
  size_t limit;
  size_t produced = 0;
  std::string first_bytes; // deflate: the two bytes that tell its two forms apart
  bool started = false;
  bool ended = false;

  state(content_coding kind, size_t most) : coding(kind), limit(most) {}
  ~state() {
    if (started)
      inflateEnd(&zlib);
  }
  state(const state&) = delete;
  state& operator=(const state&) = delete;

  static fault damaged(std::string_view why) {
    return fault{errc::malformed_input, "the compressed body is damaged: " + std::string(why), {}, {}};
  }

  result<void> start(int window) {
    if (inflateInit2(&zlib, window) != Z_OK)
      return fault{errc::internal, "zlib could not start", {}, {}};
    started = true;
    return {};
  }

  result<void> expand(std::string_view in, std::string& out) {
    while (!in.empty()) {
      if (ended) {
        if (coding != content_coding::gzip)
          return damaged("bytes follow its end");
        if (inflateReset(&zlib) != Z_OK) // another gzip member
          return fault{errc::internal, "zlib could not restart", {}, {}};
        ended = false;
      }
      const size_t given = std::min<size_t>(in.size(), std::numeric_limits<uInt>::max());
      zlib.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(in.data())); // zlib's interface is not const
      zlib.avail_in = static_cast<uInt>(given);
      do {
        char room[16 * 1024];
        zlib.next_out = reinterpret_cast<Bytef*>(room);
        zlib.avail_out = sizeof room;
        const int code = ::inflate(&zlib, Z_NO_FLUSH);
        const size_t got = sizeof room - zlib.avail_out;
        const size_t fits = std::min(got, limit - produced);
        produced += fits;
        out.append(room, fits); // also before an error: a stream's reader may use what came before it
        if (code != Z_OK && code != Z_STREAM_END && code != Z_BUF_ERROR)
          return damaged(zlib.msg ? zlib.msg : "zlib error " + std::to_string(code));
        if (fits < got)
          return fault{
              errc::too_large, "the body expands to more than " + std::to_string(limit) + " bytes", {}, {}};
        ended = code == Z_STREAM_END;
      } while (!ended && (zlib.avail_in > 0 || zlib.avail_out == 0));
      in.remove_prefix(given - zlib.avail_in);
    }
    return {};
  }
};

inflater::inflater(content_coding coding, size_t limit) : state_(std::make_unique<state>(coding, limit)) {}
inflater::~inflater() = default;
inflater::inflater(inflater&&) noexcept = default;
inflater& inflater::operator=(inflater&&) noexcept = default;

result<void> inflater::feed(std::string_view in, std::string& out) {
  state& s = *state_;
  if (s.coding == content_coding::identity) {
    if (in.size() > s.limit - s.produced)
      return fault{errc::too_large, "the body has more than " + std::to_string(s.limit) + " bytes", {}, {}};
    s.produced += in.size();
    out.append(in);
    return {};
  }
  if (s.started)
    return s.expand(in, out);
  if (s.coding == content_coding::gzip) {
    if (auto started = s.start(gzip_window); !started)
      return started;
    return s.expand(in, out);
  }
  // "deflate" means zlib's format, but some servers send the bare stream.
  s.first_bytes.append(in);
  if (s.first_bytes.size() < 2)
    return {};
  const auto b0 = static_cast<unsigned char>(s.first_bytes[0]);
  const auto b1 = static_cast<unsigned char>(s.first_bytes[1]);
  const bool wrapped = (b0 & 0x0F) == 8 && ((b0 << 8) | b1) % 31 == 0;
  if (auto started = s.start(wrapped ? zlib_window : raw_window); !started)
    return started;
  const std::string held = std::move(s.first_bytes);
  s.first_bytes.clear();
  return s.expand(held, out);
}

bool inflater::complete() const noexcept {
  return state_->coding == content_coding::identity || state_->ended;
}

result<std::string> inflate_all(std::string_view in, content_coding coding, size_t limit) {
  std::string out;
  inflater stream(coding, limit);
  if (auto fed = stream.feed(in, out); !fed)
    return fed.error();
  if (!stream.complete())
    return fault{errc::malformed_input, "the compressed body is cut short", {}, {}};
  return out;
}

} // namespace assay::io
