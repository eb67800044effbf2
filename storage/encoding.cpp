#include "storage/encoding.hpp"

#include <zstd.h>

#include <bit>
#include <cstring>

namespace assay::storage {

namespace {

constexpr uint8_t flag_compressed = 1;
constexpr size_t header_bytes = 2;
// Level 1 halves the writer's time of level 3 and loses a few percent of size on prompts and answers.
constexpr int compression_level = 1;

fault damaged(std::string message) { return {errc::store_unreadable, std::move(message), {}, {}}; }

} // namespace

void byte_writer::varint(uint64_t value) {
  char bytes[10];
  size_t size = 0;
  while (value >= 0x80) {
    bytes[size++] = static_cast<char>(value | 0x80);
    value >>= 7;
  }
  bytes[size++] = static_cast<char>(value);
  out_.append(bytes, size);
}

void byte_writer::signed_varint(int64_t value) {
  const auto bits = static_cast<uint64_t>(value);
  varint((bits << 1) ^ (value < 0 ? ~uint64_t{0} : 0));
}

void byte_writer::real(double value) {
  const auto bits = std::bit_cast<uint64_t>(value);
  char bytes[8];
  for (size_t i = 0; i < sizeof bytes; ++i)
    bytes[i] = static_cast<char>(bits >> (8 * i));
  out_.append(bytes, sizeof bytes);
}

void byte_writer::text(std::string_view value) {
  varint(value.size());
  out_.append(value);
}

uint8_t byte_reader::u8() noexcept {
  if (bytes_.empty()) {
    fail();
    return 0;
  }
  const auto value = static_cast<uint8_t>(bytes_.front());
  bytes_.remove_prefix(1);
  return value;
}

uint64_t byte_reader::varint() noexcept {
  uint64_t value = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    const uint8_t byte = u8();
    if (!ok_)
      return 0;
    // The tenth byte holds the highest bit only.
    if (shift == 63 && byte > 1)
      break;
    value |= static_cast<uint64_t>(byte & 0x7F) << shift;
    if ((byte & 0x80) == 0)
      return value;
  }
  fail();
  return 0;
}

uint64_t byte_reader::varint_up_to(uint64_t limit) noexcept {
  const uint64_t value = varint();
  if (value <= limit)
    return value;
  fail();
  return 0;
}

int64_t byte_reader::signed_varint() noexcept {
  const uint64_t bits = varint();
  return static_cast<int64_t>((bits >> 1) ^ (~(bits & 1) + 1));
}

double byte_reader::real() noexcept {
  if (bytes_.size() < 8) {
    fail();
    return 0;
  }
  uint64_t bits = 0;
  for (unsigned i = 0; i < 8; ++i)
    bits |= static_cast<uint64_t>(static_cast<uint8_t>(bytes_[i])) << (8 * i);
  bytes_.remove_prefix(8);
  return std::bit_cast<double>(bits);
}

std::string_view byte_reader::text() noexcept {
  const uint64_t size = varint();
  if (size > bytes_.size()) {
    fail();
    return {};
  }
  const auto value = bytes_.substr(0, size);
  bytes_.remove_prefix(size);
  return value;
}

std::string_view byte_reader::rest() noexcept {
  const auto value = bytes_;
  bytes_ = {};
  return value;
}

void byte_reader::fail() noexcept {
  ok_ = false;
  bytes_ = {};
}

struct value_sealer::compressor {
  ZSTD_CCtx* context = ZSTD_createCCtx();

  compressor() = default;
  compressor(const compressor&) = delete;
  compressor& operator=(const compressor&) = delete;
  ~compressor() { ZSTD_freeCCtx(context); }
};

value_sealer::value_sealer() : compressor_(std::make_unique<compressor>()) {}
value_sealer::~value_sealer() = default;
value_sealer::value_sealer(value_sealer&&) noexcept = default;
value_sealer& value_sealer::operator=(value_sealer&&) noexcept = default;

std::string& value_sealer::begin(uint8_t version) {
  plain_.clear();
  plain_.push_back(static_cast<char>(version));
  plain_.push_back(0);
  return plain_;
}

std::string_view value_sealer::seal() {
  if (plain_.size() <= header_bytes + compression_threshold || compressor_->context == nullptr)
    return plain_;
  const size_t size = plain_.size() - header_bytes;
  compressed_.clear();
  compressed_.push_back(plain_[0]);
  compressed_.push_back(static_cast<char>(flag_compressed));
  byte_writer(compressed_).varint(size);
  const size_t start = compressed_.size();
  compressed_.resize(start + ZSTD_compressBound(size));
  const size_t written =
      ZSTD_compressCCtx(compressor_->context, compressed_.data() + start, compressed_.size() - start,
                        plain_.data() + header_bytes, size, compression_level);
  // What does not shrink is kept as it is; so is everything when zstd runs out of memory.
  if (ZSTD_isError(written) != 0 || start + written >= plain_.size())
    return plain_;
  compressed_.resize(start + written);
  return compressed_;
}

struct value_opener::decompressor {
  ZSTD_DCtx* context = ZSTD_createDCtx();

  decompressor() = default;
  decompressor(const decompressor&) = delete;
  decompressor& operator=(const decompressor&) = delete;
  ~decompressor() { ZSTD_freeDCtx(context); }
};

value_opener::value_opener() = default;
value_opener::~value_opener() = default;
value_opener::value_opener(value_opener&&) noexcept = default;
value_opener& value_opener::operator=(value_opener&&) noexcept = default;

result<opened_value> value_opener::open(std::string_view stored) {
  byte_reader in(stored);
  opened_value value;
  value.version = in.u8();
  const uint8_t flags = in.u8();
  if (!in.ok())
    return damaged("the stored value is shorter than its header");
  if ((flags & ~flag_compressed) != 0)
    return fault{
        errc::store_incompatible, "the stored value has flags that this version does not know", {}, {}};
  if ((flags & flag_compressed) == 0) {
    value.payload = in.rest();
    return value;
  }
  const uint64_t size = in.varint_up_to(max_value_bytes);
  const auto frame = in.rest();
  // The frame states its size too: a header that lies is found before anything is allocated.
  if (size == 0 || ZSTD_getFrameContentSize(frame.data(), frame.size()) != size)
    return damaged("the size of a compressed value is wrong");
  // zstd never shrinks by more than this; so a short frame cannot ask for much memory.
  if (size / 32768 > frame.size())
    return damaged("the size of a compressed value is not credible");
  if (!decompressor_)
    decompressor_ = std::make_unique<decompressor>();
  if (decompressor_->context == nullptr)
    return damaged("no memory to decompress a value");
  buffer_.resize(size);
  const size_t got =
      ZSTD_decompressDCtx(decompressor_->context, buffer_.data(), buffer_.size(), frame.data(), frame.size());
  if (ZSTD_isError(got) != 0 || got != size)
    return damaged("a compressed value cannot be decompressed");
  value.payload = buffer_;
  return value;
}

} // namespace assay::storage
