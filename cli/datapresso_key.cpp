#include "cli/datapresso_key.hpp"

#include "core/codecs/base64.hpp"

#include <nlohmann/json.hpp>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <array>
#include <memory>
#include <optional>
#include <string>

namespace assay::cli {

namespace {

using nlohmann::json;

constexpr int rounds = 100'000;
constexpr size_t half_key = 16; ///< The first half signs, the second one encrypts.
constexpr size_t signature_size = 32;
constexpr size_t head_size = 1 + 8; ///< Version and time.
constexpr size_t vector_size = 16;
constexpr size_t block_size = 16;
constexpr size_t longest_token = size_t{64} << 10;
constexpr char version = '\x80';

using wrapping_key = std::array<unsigned char, 2 * half_key>;

/// Wipes what must not stay behind.
template <class Bytes>
class wiping {
public:
  explicit wiping(Bytes& bytes) : bytes_(bytes) {}
  wiping(const wiping&) = delete;
  wiping& operator=(const wiping&) = delete;
  ~wiping() { OPENSSL_cleanse(bytes_.data(), bytes_.size()); }

private:
  Bytes& bytes_;
};

const unsigned char* bytes_of(std::string_view text) noexcept {
  return reinterpret_cast<const unsigned char*>(text.data());
}

fault no_token(std::string message) {
  return {errc::malformed_input, std::move(message), {}, "it is no key file of Datapresso's"};
}

bool is_signed(std::string_view bytes, const wrapping_key& key) {
  const auto body = bytes.substr(0, bytes.size() - signature_size);
  std::array<unsigned char, signature_size> expected{};
  unsigned int size = 0;
  if (HMAC(EVP_sha256(), key.data(), half_key, bytes_of(body), body.size(), expected.data(), &size) == nullptr
      || size != signature_size)
    return false;
  return CRYPTO_memcmp(expected.data(), bytes.data() + body.size(), signature_size) == 0;
}

/// @param bytes A signed token. @returns what it holds; nothing when its padding is wrong.
std::optional<std::string> decrypt(std::string_view bytes, const wrapping_key& key) {
  const auto vector = bytes.substr(head_size, vector_size);
  const auto hidden =
      bytes.substr(head_size + vector_size, bytes.size() - head_size - vector_size - signature_size);
  const std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)> context(EVP_CIPHER_CTX_new(),
                                                                                &EVP_CIPHER_CTX_free);
  std::string plain(hidden.size() + block_size, '\0');
  auto* out = reinterpret_cast<unsigned char*>(plain.data());
  int written = 0;
  int rest = 0;
  if (!context
      || EVP_DecryptInit_ex(context.get(), EVP_aes_128_cbc(), nullptr, key.data() + half_key,
                            bytes_of(vector))
             != 1
      || EVP_DecryptUpdate(context.get(), out, &written, bytes_of(hidden), static_cast<int>(hidden.size()))
             != 1
      || EVP_DecryptFinal_ex(context.get(), out + written, &rest) != 1) {
    OPENSSL_cleanse(plain.data(), plain.size());
    return std::nullopt;
  }
  plain.resize(static_cast<size_t>(written + rest));
  return plain;
}

/// @param text {"SERVICE": "KEY"}.
result<secret> read_key(std::string_view service, const std::string& text) {
  auto stored = json::parse(text, nullptr, false);
  if (!stored.is_object() || stored.empty())
    return no_token("what is encrypted is no JSON object");
  const auto found =
      service.empty() && stored.size() == 1 ? stored.begin() : stored.find(std::string(service));
  if (found == stored.end() || !found->is_string())
    return fault{errc::not_found, "the file holds no key of " + std::string(service), {}, {}};
  return secret{std::move(found->get_ref<std::string&>())};
}

} // namespace

result<secret> open_datapresso_key(std::string_view service, std::string_view token, std::string_view salt,
                                   const secret& password) {
  if (salt.empty() || salt.size() > 1024)
    return no_token("the salt has to have 1 to 1024 bytes");
  const auto bytes = codecs::decode_base64(token, longest_token);
  constexpr size_t least = head_size + vector_size + block_size + signature_size;
  if (!bytes || bytes->size() < least || (bytes->size() - least) % block_size != 0
      || bytes->front() != version)
    return no_token("the file is no Fernet token");
  wrapping_key key{};
  const wiping wipes_key(key);
  const auto& text = password.reveal();
  if (PKCS5_PBKDF2_HMAC(text.data(), static_cast<int>(text.size()), bytes_of(salt),
                        static_cast<int>(salt.size()), rounds, EVP_sha256(), static_cast<int>(key.size()),
                        key.data())
      != 1)
    return fault{errc::internal, "PBKDF2 failed", {}, {}};
  if (!is_signed(*bytes, key))
    return fault{errc::unauthenticated,
                 "the password of the Datapresso files is wrong, or the file was changed",
                 {},
                 "it is the one that Datapresso was given when the key was stored"};
  auto plain = decrypt(*bytes, key);
  if (!plain)
    return no_token("what is encrypted cannot be read");
  const wiping wipes_plain(*plain);
  return read_key(service, *plain);
}

} // namespace assay::cli
