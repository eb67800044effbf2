#pragma once

#include "protocol/messages/calls.hpp"

namespace assay {

/// How a call ends that nobody asks any more: with the tries that it has had, which may have been paid for.
call_outcome failed_outcome(call&& request, fault reason, wall_time now);

} // namespace assay
