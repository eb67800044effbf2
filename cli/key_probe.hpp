#pragma once

#include "config/settings.hpp"
#include "core/codecs/http_message.hpp"
#include "core/values/errors.hpp"
#include "core/values/model.hpp"
#include "core/values/secret.hpp"

#include <string>
#include <string_view>

namespace assay::cli {

/// The cheapest request that only a good key gets an answer to: mostly the provider's list of models.
struct key_probe {
  std::string base_path; ///< What stands before the target, instead of the base URL's own path.
  std::string target;
  http_headers headers;
};

/// @param base_path of the provider's base URL: `/v1`.
key_probe probe_of(const provider_profile& provider, std::string_view base_path, const secret& key);

enum class key_standing : uint8_t {
  good = 1, ///< The provider takes the key.
  refused,  ///< It does not, or the account behind it cannot pay.
  unclear,  ///< The answer says nothing about the key, or there was none.
};

std::string_view to_string(key_standing value) noexcept;

struct key_verdict {
  key_standing standing = key_standing::unclear;
  std::string text; ///< What the answer means, one phrase; never holds the key.
};

/// Says what an answer to a probe means. @param key is taken out of the provider's words.
key_verdict judge_answer(int status, std::string_view body, const secret& key);

/// Asks the provider and waits, at most fifteen seconds. Costs nothing.
key_verdict try_key(const config::settings& settings, const provider_profile& provider, const secret& key);

} // namespace assay::cli
