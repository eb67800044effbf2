#pragma once

#include "core/values/errors.hpp"
#include "core/values/ids.hpp"
#include "core/values/model.hpp"
#include "core/values/secret.hpp"
#include "core/values/time.hpp"
#include "storage/store.hpp"
#include "storage/write_batch.hpp"

#include <memory>
#include <string>
#include <vector>

namespace assay::storage {

/// Everything about a stored key but the key itself. Kept in the clear, so that lists need no password, and
/// sealed together with the key, so that nobody can change it unnoticed.
struct stored_key {
  provider_id provider;
  std::string name;   ///< Unique within the provider: 1 to 64 letters, digits and . _ -
  std::string origin; ///< The only place that it may be sent to: `https://api.openai.com`.
  uint32_t weight = 1;
  rate_limits limits; ///< Zero members leave it to the provider's.
  std::vector<std::string> prompt_types;
  wall_time created_at{};
  std::string fingerprint; ///< Of the key; filled in when it is sealed.

  bool operator==(const stored_key&) const = default;
};

/// A stored key, unsealed.
struct opened_key {
  stored_key about;
  secret value;
};

/// What one Argon2id hash of the master password costs (RFC 9106): its second recommendation, three passes
/// over 64 MiB. Less is only for tests.
struct vault_cost {
  uint32_t passes = 3;
  uint32_t memory_kib = 64 * 1024;
};

/// The shortest master password of a new vault, in bytes.
inline constexpr size_t shortest_master_password = 8;

/// @returns what is stored, by provider and name; needs no password. errc::store_unreadable for damaged rows,
/// errc::store_incompatible for those of a later version.
result<std::vector<stored_key>> list_keys(const std::shared_ptr<store>& from);

/// @returns whether somebody has set a master password.
result<bool> has_vault(const std::shared_ptr<store>& from);

/// Removes a key, if there is one of that name; the vault need not be open.
void remove_key(const provider_id& provider, const std::string& name, write_batch& into);

/// Removes the vault, and with it the master password; what is still sealed under it is lost.
void remove_vault(write_batch& into);

/// Provider keys, encrypted under a master password.
///
/// Argon2id makes a key of the password; it opens the data key, which is random, and from that come the keys
/// of everything else (BLAKE2b, crypto_kdf). Sealing is XChaCha20-Poly1305 with random nonces; what is known
/// in the clear of a key, and its place, is authenticated with it. Lengths are padded to 64 bytes. Open keys
/// lie in locked memory and are wiped with the vault. Not shared between threads.
class key_vault {
public:
  /// Opens what is there. Takes a tenth of a second and cost.memory, by intention.
  /// @returns errc::not_found when there is no vault, errc::unauthenticated for a wrong password, errc::busy
  /// without memory, errc::store_unreadable, errc::store_incompatible.
  static result<key_vault> open(const std::shared_ptr<store>& from, const secret& password);

  /// Makes an empty one. @param into gets the write; it fails when there is a vault already.
  /// @returns errc::invalid_argument for a password that is too short.
  static result<key_vault> create(const secret& password, const vault_cost& cost, write_batch& into);

  ~key_vault();
  key_vault(key_vault&&) noexcept;
  key_vault& operator=(key_vault&&) noexcept;

  /// Seals a key. @param about its fingerprint is filled in. @param into gets the write; it fails when the
  /// provider has a key of that name.
  /// @returns errc::invalid_argument for a name, a provider or a key that cannot be.
  result<void> add(stored_key& about, const secret& key, write_batch& into) const;

  /// @returns all keys, unsealed; errc::store_unreadable when one is damaged or was tampered with.
  result<std::vector<opened_key>> open_all(const std::shared_ptr<store>& from) const;

private:
  struct keys;
  explicit key_vault(std::unique_ptr<keys> made);
  std::unique_ptr<keys> keys_;
};

} // namespace assay::storage
