#include "core/tasks/byte_reader.hpp"

#include <openssl/evp.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

namespace assay::tasks {
namespace {

constexpr size_t chunk = size_t{64} << 10U;

fault unreadable(const std::string& path, std::string reason) {
  return {errc::dataset_unreadable, "cannot read the dataset: " + std::move(reason), path,
          "correct the path, or the file's permissions"};
}

std::string system_reason() { return std::generic_category().message(errno); }

} // namespace

struct sha256_digest::context {
  EVP_MD_CTX* value = EVP_MD_CTX_new();
  context() = default;
  context(const context&) = delete;
  context& operator=(const context&) = delete;
  ~context() { EVP_MD_CTX_free(value); }
};

sha256_digest::sha256_digest() : context_(std::make_unique<context>()) {
  EVP_DigestInit_ex(context_->value, EVP_sha256(), nullptr);
}
sha256_digest::~sha256_digest() = default;
sha256_digest::sha256_digest(sha256_digest&&) noexcept = default;
sha256_digest& sha256_digest::operator=(sha256_digest&&) noexcept = default;

void sha256_digest::update(std::string_view bytes) {
  EVP_DigestUpdate(context_->value, bytes.data(), bytes.size());
}

std::string sha256_digest::finish() {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  EVP_DigestFinal_ex(context_->value, digest, &size);
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  for (unsigned i = 0; i < size; ++i) {
    text.push_back(digits[digest[i] >> 4U]);
    text.push_back(digits[digest[i] & 0x0FU]);
  }
  return text;
}

/// zlib's inflate over a buffer of compressed bytes; several members in a row are one file.
class byte_reader::expander {
public:
  expander() : in_(chunk) {
    // 15 is the largest window, 16 asks for gzip's wrapper.
    usable_ = inflateInit2(&stream_, 15 + 16) == Z_OK;
  }
  expander(const expander&) = delete;
  expander& operator=(const expander&) = delete;
  ~expander() {
    if (usable_)
      inflateEnd(&stream_);
  }

  /// @param fill Called with a buffer for more compressed bytes; returns how many there are, 0 at the end.
  /// @returns the number of bytes that came out, or nothing for a broken file.
  template <class Fill>
  std::optional<size_t> expand(char* into, size_t size, Fill fill) {
    stream_.next_out = reinterpret_cast<Bytef*>(into);
    stream_.avail_out = static_cast<uInt>(size);
    while (usable_ && stream_.avail_out == size) {
      if (stream_.avail_in == 0) {
        const size_t more = fill(in_.data(), in_.size());
        if (more == 0)
          return whole_ ? std::optional<size_t>{0} : std::nullopt;
        stream_.next_in = reinterpret_cast<Bytef*>(in_.data());
        stream_.avail_in = static_cast<uInt>(more);
      }
      if (whole_) {
        if (inflateReset(&stream_) != Z_OK)
          return std::nullopt;
        whole_ = false;
      }
      const int state = inflate(&stream_, Z_NO_FLUSH);
      whole_ = state == Z_STREAM_END;
      if (state != Z_OK && state != Z_STREAM_END && state != Z_BUF_ERROR)
        return std::nullopt;
    }
    return usable_ ? std::optional(size - stream_.avail_out) : std::nullopt;
  }

private:
  z_stream stream_{};
  std::vector<char> in_;
  bool usable_ = false;
  bool whole_ = true; ///< At the end of a member, or before the first.
};

byte_reader::byte_reader(std::string path) : path_(std::move(path)) {}

result<byte_reader> byte_reader::open(const std::string& path) {
  byte_reader reader(path);
  // Not blocking: a pipe in the dataset's place must not stop the farm before it is recognised.
  reader.file_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (reader.file_ < 0)
    return unreadable(path, system_reason());
  struct stat status {};
  if (::fstat(reader.file_, &status) != 0)
    return unreadable(path, system_reason());
  if (!S_ISREG(status.st_mode))
    return unreadable(path, "it is not a regular file");
  unsigned char magic[2]{};
  if (::pread(reader.file_, magic, sizeof magic, 0) == 2 && magic[0] == 0x1F && magic[1] == 0x8B)
    reader.expander_ = std::make_unique<expander>();
  return reader;
}

byte_reader::byte_reader(byte_reader&& other) noexcept
    : path_(std::move(other.path_)), file_(std::exchange(other.file_, -1)), buffer_(std::move(other.buffer_)),
      begin_(other.begin_), end_(other.end_), line_(other.line_), bytes_(other.bytes_),
      file_bytes_(other.file_bytes_), lines_started_(other.lines_started_), error_(std::move(other.error_)),
      digest_(other.digest_), expander_(std::move(other.expander_)) {}

byte_reader::~byte_reader() {
  if (file_ >= 0)
    ::close(file_);
}

void byte_reader::hash_into(sha256_digest* digest) { digest_ = digest; }

std::string_view byte_reader::read_file(char* into, size_t size) {
  ssize_t count = 0;
  do
    count = ::read(file_, into, size);
  while (count < 0 && errno == EINTR);
  if (count < 0) {
    error_ = unreadable(path_, system_reason());
    return {};
  }
  const std::string_view read(into, static_cast<size_t>(count));
  if (digest_ != nullptr)
    digest_->update(read);
  file_bytes_ += read.size();
  return read;
}

std::string_view byte_reader::read_expanded(char* into, size_t size) {
  if (!expander_)
    return read_file(into, size);
  const auto count =
      expander_->expand(into, size, [this](char* to, size_t room) { return read_file(to, room).size(); });
  if (!count && !error_)
    error_ = fault{errc::dataset_unreadable, "the dataset is not whole gzip: it is damaged or cut short",
                   path_, "compress it again"};
  return {into, error_ ? 0 : *count};
}

bool byte_reader::refill() {
  if (error_)
    return false;
  if (begin_ > 0) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  if (buffer_.size() - end_ < chunk)
    buffer_.resize(std::max(buffer_.size() * 2, end_ + chunk));
  const std::string_view read = read_expanded(buffer_.data() + end_, chunk);
  if (error_)
    return false;
  const bool first = bytes_ == 0;
  bytes_ += read.size();
  end_ += read.size();
  if (first) {
    if (read.starts_with("\xEF\xBB\xBF")) {
      begin_ += 3;
    } else if (read.starts_with("\xFF\xFE") || read.starts_with("\xFE\xFF")) {
      error_ = fault{errc::dataset_unreadable, "the dataset is UTF-16", path_, "save it as UTF-8"};
      begin_ = end_;
      return false;
    }
  }
  return begin_ < end_ || (first && !read.empty() && refill());
}

result<bool> byte_reader::next_line(std::string_view& line, bool keep_end) {
  if (std::exchange(lines_started_, true))
    ++line_;
  size_t searched = 0;
  while (true) {
    const char* start = buffer_.data() + begin_;
    const size_t size = end_ - begin_;
    const void* found = size > searched ? std::memchr(start + searched, '\n', size - searched) : nullptr;
    if (found != nullptr || searched > row_limit) {
      const size_t length =
          found != nullptr ? static_cast<size_t>(static_cast<const char*>(found) - start) : searched;
      if (length > row_limit)
        return fault{errc::too_large, "the line is longer than 8 MiB", where(line_), "shorten it"};
      line = std::string_view(start, length + (keep_end ? 1 : 0));
      begin_ += length + 1;
      break;
    }
    searched = size;
    const uint64_t before = bytes_;
    refill();
    if (error_)
      return *error_;
    if (bytes_ == before) {
      if (end_ == begin_)
        return false;
      line = std::string_view(buffer_.data() + begin_, end_ - begin_);
      if (line.size() > row_limit)
        return fault{errc::too_large, "the line is longer than 8 MiB", where(line_), "shorten it"};
      begin_ = end_;
      break;
    }
  }
  if (!keep_end && line.ends_with('\r'))
    line.remove_suffix(1);
  return true;
}

} // namespace assay::tasks
