#pragma once

#include "core/codecs/batch_codec.hpp"
#include "core/values/secret.hpp"
#include "protocol/messages/fleet.hpp"

#include <string>

namespace assay {

/// Takes @p key out of what is told of an exchange: a provider, or a proxy before it, may repeat what it was
/// sent. Keys of less than eight bytes are left, since such words occur anywhere. Answers themselves are left
/// too.
void hide_key(exchange_result& result, const secret& key);
void hide_key(fault& reason, const secret& key);
/// The same of what is told of batches: failures of requests, of whole batches and of single rows.
void hide_key(codecs::call_failure& failure, const secret& key);
void hide_key(codecs::batch_status& status, const secret& key);
void hide_key(codecs::batch_row& row, const secret& key);

} // namespace assay
