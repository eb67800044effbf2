#include "server/auth/access_tokens.hpp"

#include "server/auth/passwords.hpp"

#include <jwt/jwt.hpp>
#include <sodium.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace assay::server {

namespace {

constexpr size_t key_bytes = 32;
constexpr size_t longest_token = 4096;
/// So much that cpp-jwt's own check of times never decides; more would wrap around below a token's `nbf`.
constexpr uint32_t own_leeway_seconds = 1'000'000'000;
/// Clocks of the same machine may step back a little between issue and use.
constexpr seconds tolerated_skew{5};
constexpr std::string_view issuer = "assay";
constexpr std::string_view audience = "assay-api";

fault no_key(const std::filesystem::path& file, const char* doing, int error) {
  return {errc::store_unreadable,
          std::string("the signing key cannot be ") + doing + ": " + std::strerror(error), file.string(),
          "check the owner and the mode of the data folder"};
}

class file_descriptor {
public:
  explicit file_descriptor(int fd) noexcept : fd_(fd) {}
  ~file_descriptor() {
    if (fd_ >= 0)
      ::close(fd_);
  }
  file_descriptor(const file_descriptor&) = delete;
  file_descriptor& operator=(const file_descriptor&) = delete;
  int get() const noexcept { return fd_; }

private:
  int fd_;
};

result<secret> read_key(const std::filesystem::path& file, int fd) {
  struct stat facts {};
  if (::fstat(fd, &facts) != 0)
    return no_key(file, "read", errno);
  if ((facts.st_mode & 077) != 0)
    return fault{errc::store_unreadable, "the signing key can be read by other users", file.string(),
                 "run chmod 600 on it; if others may have read it, remove it and log in again"};
  std::string bytes(key_bytes + 1, '\0');
  const auto count = ::read(fd, bytes.data(), bytes.size());
  if (count != static_cast<ssize_t>(key_bytes))
    return fault{errc::store_unreadable, "the signing key does not have 32 bytes", file.string(),
                 "remove the file; everybody has to log in again"};
  bytes.resize(key_bytes);
  return secret{std::move(bytes)};
}

result<secret> create_key(const std::filesystem::path& file) {
  prepare_crypto();
  std::string bytes(key_bytes, '\0');
  randombytes_buf(bytes.data(), bytes.size());
  // Linked into place when complete: a crash leaves no short key behind.
  const auto draft = file.string() + "." + random_hex(8);
  {
    const file_descriptor fd{
        ::open(draft.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600)};
    if (fd.get() < 0)
      return no_key(file, "written", errno);
    if (::write(fd.get(), bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())
        || ::fsync(fd.get()) != 0) {
      const int error = errno;
      ::unlink(draft.c_str());
      return no_key(file, "written", error);
    }
  }
  if (::rename(draft.c_str(), file.c_str()) != 0) {
    const int error = errno;
    ::unlink(draft.c_str());
    return no_key(file, "written", error);
  }
  return secret{std::move(bytes)};
}

fault refused(std::string why) {
  return {errc::unauthenticated, std::move(why), {}, "log in again with POST /auth/login"};
}

jwt::string_view viewed(std::string_view text) noexcept { return {text.data(), text.size()}; }

/// cpp-jwt takes a header without `typ` for one that says JWT.
bool says_it_is_a_jwt(std::string_view token) {
  const auto header = token.substr(0, token.find('.'));
  std::string text(header.size(), '\0');
  size_t size = 0;
  if (sodium_base642bin(reinterpret_cast<unsigned char*>(text.data()), text.size(), header.data(),
                        header.size(), nullptr, &size, nullptr, sodium_base64_VARIANT_URLSAFE_NO_PADDING)
      != 0)
    return false;
  text.resize(size);
  const auto fields = nlohmann::json::parse(text, nullptr, false);
  return fields.is_object() && fields.contains("typ") && fields["typ"] == "JWT";
}

int64_t unix_seconds(wall_time time) {
  return std::chrono::duration_cast<seconds>(time.time_since_epoch()).count();
}

} // namespace

result<secret> load_or_create_key(const std::filesystem::path& file) {
  const file_descriptor fd{::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW)};
  if (fd.get() >= 0)
    return read_key(file, fd.get());
  if (errno != ENOENT)
    return no_key(file, "read", errno);
  return create_key(file);
}

access_tokens::access_tokens(secret key, seconds lifetime, std::function<wall_time()> now)
    : key_(std::move(key)), lifetime_(lifetime), now_(std::move(now)) {}

std::string access_tokens::issue(const user_id& user, const std::string& session) const {
  const auto now = unix_seconds(now_());
  jwt::jwt_object token{jwt::params::algorithm("HS256"), jwt::params::secret(key_.reveal())};
  token.add_claim("iss", std::string(issuer))
      .add_claim("aud", std::string(audience))
      .add_claim("sub", user.value)
      .add_claim("sid", session)
      .add_claim("iat", now)
      .add_claim("nbf", now)
      .add_claim("exp", now + lifetime_.count());
  return token.signature();
}

bool access_tokens::signature_holds(std::string_view token) const {
  const auto dot = token.rfind('.');
  if (dot == std::string_view::npos)
    return false;
  const auto sent = token.substr(dot + 1);
  std::array<unsigned char, crypto_auth_hmacsha256_BYTES> signature{};
  size_t size = 0;
  const char* end = nullptr;
  if (sodium_base642bin(signature.data(), signature.size(), sent.data(), sent.size(), nullptr, &size, &end,
                        sodium_base64_VARIANT_URLSAFE_NO_PADDING)
          != 0
      || size != signature.size() || end != sent.data() + sent.size())
    return false;
  crypto_auth_hmacsha256_state state;
  const auto& key = key_.reveal();
  crypto_auth_hmacsha256_init(&state, reinterpret_cast<const unsigned char*>(key.data()), key.size());
  crypto_auth_hmacsha256_update(&state, reinterpret_cast<const unsigned char*>(token.data()), dot);
  std::array<unsigned char, crypto_auth_hmacsha256_BYTES> ours{};
  crypto_auth_hmacsha256_final(&state, ours.data());
  return sodium_memcmp(ours.data(), signature.data(), ours.size()) == 0;
}

result<access_claims> access_tokens::verify(std::string_view token) const {
  if (token.empty() || token.size() > longest_token)
    return refused("the token is missing or too long");
  // cpp-jwt parses before it checks the signature and does not compare it in constant time, so this comes
  // first.
  if (!signature_holds(token))
    return refused("the token was not signed by this server");
  try {
    std::error_code problem;
    const std::array<std::string, 1> allowed{"HS256"};
    // Its own check of times reads the machine's clock; ours below reads the injected one.
    const auto decoded = jwt::decode(
        viewed(token), jwt::params::algorithms(allowed), problem, jwt::params::secret(key_.reveal()),
        jwt::params::verify(true), jwt::params::issuer(std::string(issuer)),
        jwt::params::aud(std::string(audience)), jwt::params::leeway(own_leeway_seconds));
    if (problem)
      return refused("the token is not valid: " + problem.message());
    if (!says_it_is_a_jwt(token))
      return refused("the token is of another type");
    const auto& claims = decoded.payload().create_json_obj();
    access_claims out{user_id{claims.at("sub").get<std::string>()}, claims.at("sid").get<std::string>(),
                      wall_time{seconds{claims.at("iat").get<int64_t>()}},
                      wall_time{seconds{claims.at("exp").get<int64_t>()}}};
    const wall_time not_before{seconds{claims.at("nbf").get<int64_t>()}};
    const auto now = now_();
    if (out.user.empty() || out.session.empty())
      return refused("the token names nobody");
    if (now >= out.expires_at)
      return refused("the token has expired");
    if (now + tolerated_skew < not_before || now + tolerated_skew < out.issued_at)
      return refused("the token is not valid yet");
    return out;
  } catch (const std::runtime_error&) {
    return refused("the token is malformed");
  } catch (const nlohmann::json::exception&) {
    return refused("the token lacks a claim");
  }
}

} // namespace assay::server
