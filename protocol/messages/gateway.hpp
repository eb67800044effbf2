#pragma once

#include "protocol/messages/calls.hpp"

#include <string>
#include <vector>

namespace assay {

/// One question of somebody who waits for its answer. Its call's id is given by who asks; the call's timeout
/// counts from now on, waiting included.
struct model_question {
  user_id tenant;
  std::string api_key;             ///< See lane::api_key.
  std::optional<money> key_budget; ///< See lane::key_budget.
  std::string model;               ///< As the caller names it: a model's id, `provider/model` or a route.
  cache_use cache = cache_use::off;
  call request;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, model_question& x) {
  auto key_budget = field(x.key_budget);
  return f(caf::meta::type_name("model_question"), x.tenant, x.api_key, key_budget, x.model, x.cache,
           x.request);
}

/// Nobody waits for these answers any more.
struct withdraw_questions {
  std::vector<call_id> calls;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, withdraw_questions& x) {
  return f(caf::meta::type_name("withdraw_questions"), x.calls);
}

} // namespace assay
