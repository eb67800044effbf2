#include "core/values/key_fingerprint.hpp"

#include <sodium.h>

#include <array>
#include <stdexcept>

namespace assay {

namespace {

constexpr size_t fingerprint_bytes = 8;

const unsigned char* bytes_of(std::string_view text) noexcept {
  return reinterpret_cast<const unsigned char*>(text.data());
}

} // namespace

std::string key_fingerprint(const secret& key, std::string_view under) {
  if (key.empty())
    return {};
  std::array<unsigned char, crypto_generichash_BYTES> hash{};
  if (sodium_init() < 0
      || crypto_generichash(hash.data(), hash.size(), bytes_of(key.reveal()), key.reveal().size(),
                            bytes_of(under), under.size())
             != 0)
    throw std::runtime_error("libsodium cannot make a fingerprint");
  std::array<char, fingerprint_bytes * 2 + 1> text{};
  sodium_bin2hex(text.data(), text.size(), hash.data(), fingerprint_bytes);
  return text.data();
}

} // namespace assay
