#pragma once

#include "core/values/errors.hpp"

#include <caf/error.hpp>
#include <caf/make_message.hpp>

// The category becomes a CAF atom: at most ten characters.
CAF_ERROR_CODE_ENUM(assay::errc, "assay")

namespace assay {

/// Packs a fault so that it crosses actors; the context keeps message, where and hint.
caf::error to_caf_error(const fault& value);

/// Unpacks what to_caf_error packed. Errors of CAF itself become errc::deadline_exceeded (timeouts),
/// errc::actor_lost (the receiver is down) or errc::internal, with CAF's text.
fault to_fault(const caf::error& value);

} // namespace assay
