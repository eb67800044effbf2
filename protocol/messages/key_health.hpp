#pragma once

#include "core/values/errors.hpp"
#include "core/values/ids.hpp"
#include "core/values/money.hpp"
#include "protocol/inspect.hpp"

#include <optional>
#include <string>
#include <vector>

namespace assay {

/// One limit of a key for a model.
struct key_limit {
  std::string what; ///< As control::limit_dimension is written: `requests_per_minute`.
  uint32_t limit = 0;
  std::optional<uint32_t> remaining; ///< As the provider has said last.
  bool learnt = false;               ///< Said by the provider; otherwise configured.

  bool operator==(const key_limit&) const = default;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, key_limit& x) {
  auto remaining = field(x.remaining);
  return f(caf::meta::type_name("key_limit"), x.what, x.limit, remaining, x.learnt);
}

/// What a key does for one model.
struct key_at_model {
  model_id model;
  uint32_t window = 0;                   ///< Calls that it may have on the wire.
  uint32_t in_flight = 0;                ///< That it has.
  std::optional<wall_time> closed_until; ///< Before that it lets no call out; nothing while it does.
  std::string closed_by;                 ///< What for, in words.
  std::vector<key_limit> limits;

  bool operator==(const key_at_model&) const = default;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, key_at_model& x) {
  auto closed_until = field(x.closed_until);
  return f(caf::meta::type_name("key_at_model"), x.model, x.window, x.in_flight, closed_until, x.closed_by,
           x.limits);
}

/// One key of a provider's pool. The key itself is never told.
struct key_health {
  std::string name; ///< Its own, or `#2` by its place.
  std::string fingerprint;
  std::optional<fault> out;           ///< Why it is out; nothing while it is good.
  std::optional<wall_time> out_since; ///< Nothing when that was before the provider's start.
  std::optional<wall_time> next_try;  ///< When a call may try it again.
  bool trying = false;                ///< A call is trying it.
  bool leaving = false;               ///< The configuration has it no more; its last calls end.
  wall_time day{};                    ///< The day in UTC that the next three are of.
  uint64_t requests = 0;              ///< Tries that have ended.
  uint64_t tokens = 0;                ///< Prompts and answers.
  money cost;                         ///< Where prices are known.
  std::vector<key_at_model> models;

  bool operator==(const key_health&) const = default;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, key_health& x) {
  auto out = field(x.out);
  auto out_since = field(x.out_since);
  auto next_try = field(x.next_try);
  return f(caf::meta::type_name("key_health"), x.name, x.fingerprint, out, out_since, next_try, x.trying,
           x.leaving, x.day, x.requests, x.tokens, x.cost, x.models);
}

/// A provider tells of its keys: when it starts, and when something has changed, at most once a second.
struct keys_told {
  provider_id provider;
  std::vector<key_health> keys;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, keys_told& x) {
  return f(caf::meta::type_name("keys_told"), x.provider, x.keys);
}

struct read_keys {};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, read_keys&) {
  return f(caf::meta::type_name("read_keys"));
}

/// The keys of all providers, as they were told last.
struct keys_known {
  std::vector<keys_told> providers;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, keys_known& x) {
  return f(caf::meta::type_name("keys_known"), x.providers);
}

} // namespace assay
