#pragma once

#include "core/values/errors.hpp"
#include "core/values/model.hpp"

#include <functional>

namespace assay {

/// Finds what is configured or catalogued under a name. Pure and callable from any thread.
using model_lookup = std::function<result<model_profile>(const model_id&)>;

} // namespace assay
