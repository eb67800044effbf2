#pragma once

#include "core/values/errors.hpp"
#include "core/values/secret.hpp"

#include <cstddef>
#include <string>

namespace assay::server {

/// What one Argon2id hash costs (RFC 9106). The default is libsodium's "interactive": 64 MiB and two passes;
/// less than 19 MiB and two passes is only for tests.
struct password_cost {
  unsigned long long passes = 2;
  size_t memory_bytes = size_t{64} << 20;
};

/// The shortest and longest password a user may have, in bytes.
inline constexpr size_t shortest_password = 8;
inline constexpr size_t longest_password = 1024;

/// @returns the encoded hash with its own salt and cost: `$argon2id$v=19$...`. Takes tens of milliseconds and
/// cost.memory_bytes: never on a thread that others wait for. errc::busy when the memory cannot be had.
result<std::string> hash_password(const secret& password, const password_cost& cost);

/// @returns whether @p password made @p encoded. As slow as hashing; false for an @p encoded of another form.
bool verify_password(const std::string& encoded, const secret& password) noexcept;

/// @returns a random text of 24 characters out of letters and digits, about 142 bits.
secret random_password();

/// Prepares libsodium; called by everything here, and cheap afterwards. @throws std::runtime_error when the
/// operating system has no randomness.
void prepare_crypto();

/// @returns @p bytes random bytes in lower-case hexadecimal.
std::string random_hex(size_t bytes);

/// @returns SHA-256 of @p text in lower-case hexadecimal: how tokens with full entropy are kept.
std::string digest_hex(std::string_view text);

/// Compares without telling by its duration where the difference is. Lengths are not hidden.
bool equal_in_constant_time(std::string_view a, std::string_view b) noexcept;

} // namespace assay::server
