#include "server/auth/passwords.hpp"

#include <sodium.h>

#include <array>
#include <stdexcept>
#include <vector>

namespace assay::server {

namespace {

std::string hex_of(const unsigned char* bytes, size_t count) {
  std::string out(count * 2 + 1, '\0');
  sodium_bin2hex(out.data(), out.size(), bytes, count);
  out.pop_back();
  return out;
}

} // namespace

void prepare_crypto() {
  if (sodium_init() < 0)
    throw std::runtime_error("libsodium cannot be prepared: the system has no source of randomness");
}

result<std::string> hash_password(const secret& password, const password_cost& cost) {
  prepare_crypto();
  std::array<char, crypto_pwhash_STRBYTES> out{};
  const auto& text = password.reveal();
  if (crypto_pwhash_str_alg(out.data(), text.data(), text.size(), cost.passes, cost.memory_bytes,
                            crypto_pwhash_ALG_ARGON2ID13)
      != 0)
    return fault{errc::busy, "no memory to hash the password", {}, "try again later"};
  return std::string{out.data()};
}

bool verify_password(const std::string& encoded, const secret& password) noexcept {
  if (encoded.size() >= crypto_pwhash_STRBYTES)
    return false;
  std::array<char, crypto_pwhash_STRBYTES> stored{};
  encoded.copy(stored.data(), encoded.size());
  const auto& text = password.reveal();
  return crypto_pwhash_str_verify(stored.data(), text.data(), text.size()) == 0;
}

secret random_password() {
  prepare_crypto();
  constexpr std::string_view alphabet = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789";
  std::string text(24, ' ');
  for (auto& c : text)
    c = alphabet[randombytes_uniform(static_cast<uint32_t>(alphabet.size()))];
  return secret{std::move(text)};
}

std::string random_hex(size_t count) {
  prepare_crypto();
  std::vector<unsigned char> bytes(count);
  randombytes_buf(bytes.data(), bytes.size());
  return hex_of(bytes.data(), bytes.size());
}

std::string digest_hex(std::string_view text) {
  std::array<unsigned char, crypto_hash_sha256_BYTES> digest{};
  crypto_hash_sha256(digest.data(), reinterpret_cast<const unsigned char*>(text.data()), text.size());
  return hex_of(digest.data(), digest.size());
}

bool equal_in_constant_time(std::string_view a, std::string_view b) noexcept {
  return a.size() == b.size() && sodium_memcmp(a.data(), b.data(), a.size()) == 0;
}

} // namespace assay::server
