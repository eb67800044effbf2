#pragma once

#include "core/values/errors.hpp"
#include "core/values/secret.hpp"

#include <string_view>

namespace assay::cli {

/// Opens a key as Datapresso stores it: a Fernet token (version 0x80: AES-128-CBC, HMAC-SHA256; see
/// https://github.com/fernet/spec) around {"SERVICE": "KEY"}, under a key that PBKDF2-HMAC-SHA256 makes of
/// the password in 100,000 rounds.
/// @param service The name that the key has in there; empty takes the only one.
/// @param token The file NAME.encrypted. @param salt The file NAME.salt.
/// @returns errc::unauthenticated for a wrong password, which a changed file looks like as well,
/// errc::malformed_input for what is no such token, and errc::not_found when it holds no key of that name.
result<secret> open_datapresso_key(std::string_view service, std::string_view token, std::string_view salt,
                                   const secret& password);

} // namespace assay::cli
