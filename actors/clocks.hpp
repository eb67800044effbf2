#pragma once

#include "core/values/time.hpp"

#include <functional>

namespace assay {

/// Calendar time as actors see it; tests move it, also backwards. Deadlines use the actor's own clock, which
/// the test coordinator moves.
using wall_clock = std::function<wall_time()>;

} // namespace assay
