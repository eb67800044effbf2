#pragma once

#include "core/values/errors.hpp"
#include "core/values/model.hpp"
#include "core/values/run.hpp"

#include <functional>

namespace assay {

/// Finds what is configured or catalogued under a name. Pure and callable from any thread.
using model_lookup = std::function<result<model_profile>(const model_id&)>;

/// @returns how calls of @p model are made, unless who asks says otherwise.
inline call_rules call_rules_of(const model_profile& model) {
  call_rules rules;
  rules.timeout = model.call_timeout;
  rules.max_retries = model.max_retries;
  if (model.limits.concurrent_requests != 0)
    rules.num_concurrent = model.limits.concurrent_requests;
  return rules;
}

} // namespace assay
