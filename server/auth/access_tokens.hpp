#pragma once

#include "core/values/errors.hpp"
#include "core/values/ids.hpp"
#include "core/values/secret.hpp"
#include "core/values/time.hpp"

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

namespace assay::server {

/// Reads the 256-bit key that signs access tokens, or makes it: 32 random bytes in a file of mode 0600.
/// @returns errc::store_unreadable when the file cannot be read or written, has another length, or can be
/// read by others.
result<secret> load_or_create_key(const std::filesystem::path& file);

/// What a valid access token says.
struct access_claims {
  user_id user;
  std::string session;
  wall_time issued_at{};
  wall_time expires_at{};
};

/// Signs and checks access tokens: JWT with HS256 and nothing else, by RFC 8725. The signature is checked
/// before anything of the token is parsed.
class access_tokens {
public:
  /// @param key 32 bytes. @param now The wall clock.
  access_tokens(secret key, seconds lifetime, std::function<wall_time()> now);

  /// @returns a token for @p user that ends after the lifetime.
  std::string issue(const user_id& user, const std::string& session) const;

  /// @returns errc::unauthenticated for every token that is not ours or not valid now; the reason is in the
  /// message.
  result<access_claims> verify(std::string_view token) const;

  seconds lifetime() const noexcept { return lifetime_; }

private:
  bool signature_holds(std::string_view token) const;

  secret key_;
  seconds lifetime_;
  std::function<wall_time()> now_;
};

} // namespace assay::server
