#pragma once

#include "core/values/secret.hpp"
#include "protocol/messages/fleet.hpp"

#include <string>

namespace assay {

/// Takes @p key out of what is told of an exchange: a provider, or a proxy before it, may repeat what it was
/// sent. Keys of less than eight bytes are left, since such words occur anywhere. Answers themselves are left
/// too.
void hide_key(exchange_result& result, const secret& key);
void hide_key(fault& reason, const secret& key);

} // namespace assay
