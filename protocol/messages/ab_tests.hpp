#pragma once

#include "protocol/inspect.hpp"

#include <string>
#include <vector>

namespace assay {

/// What can be asked of A/B tests. `who` and what he may do travel along: the tests' keeper knows the owner.
enum class ab_verb : uint8_t {
  create = 1, ///< The body is the test.
  list = 2,
  show = 3,
  start = 4,
  pause = 5,
  stop = 6,
  erase = 7,   ///< With its observations; not while it runs.
  select = 8,  ///< The body is the unit, or empty: a draw.
  observe = 9, ///< The body is one observation, or {observations: [...]}.
  analyze = 10,
  best_configuration = 11,
  run = 12, ///< By itself, as one evaluation for each variant. The body says of what.
};

/// Answered when what it changes is durable.
struct ask_ab_test {
  ab_verb verb = ab_verb::show;
  std::string test; ///< Empty for create and list.
  std::string body;
  user_id who;
  bool sees_all = false;           ///< Also tests of others.
  bool changes_all = false;        ///< The same for changes.
  std::optional<uint64_t> version; ///< The change is refused when the test has another one.
  std::string api_key;             ///< With run: id of the key that `who` came with; empty for none.
  std::optional<money> key_budget; ///< Of that key, a day.
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, ask_ab_test& x) {
  auto version = field(x.version);
  auto key_budget = field(x.key_budget);
  return f(caf::meta::type_name("ask_ab_test"), x.verb, x.test, x.body, x.who, x.sees_all, x.changes_all,
           version, x.api_key, key_budget);
}

struct ab_answer {
  std::string text;     ///< JSON text.
  uint64_t version = 0; ///< Of the test; 0 for lists.
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, ab_answer& x) {
  return f(caf::meta::type_name("ab_answer"), x.text, x.version);
}

/// INTERNAL: all tests of the store, as they are kept there.
struct ab_tests_recalled {
  std::vector<std::string> records;
  std::optional<fault> error;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, ab_tests_recalled& x) {
  auto error = field(x.error);
  return f(caf::meta::type_name("ab_tests_recalled"), x.records, error);
}

/// INTERNAL: some of a test's observations, in order.
struct ab_observations_recalled {
  std::vector<std::string> rows;
  bool last = false;
  std::optional<fault> error;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, ab_observations_recalled& x) {
  auto error = field(x.error);
  return f(caf::meta::type_name("ab_observations_recalled"), x.rows, x.last, error);
}

/// INTERNAL: a test tells its supervisor how it is, once that is durable.
struct ab_test_changed {
  std::string test;
  std::string record; ///< As the store has it.
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, ab_test_changed& x) {
  return f(caf::meta::type_name("ab_test_changed"), x.test, x.record);
}

/// INTERNAL: what has become of samples of a test's own evaluation, from a worker.
struct ab_run_news {
  uint64_t variant = 0;
  std::vector<std::string> rows; ///< Observations, JSON text.
  uint64_t last_seq = 0;         ///< Of the events that they come from.
  bool more = false;             ///< There is more in the store already.
  bool ended = false;            ///< The run has ended, and nothing follows.
  std::optional<fault> error;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, ab_run_news& x) {
  auto error = field(x.error);
  return f(caf::meta::type_name("ab_run_news"), x.variant, x.rows, x.last_seq, x.more, x.ended, error);
}

} // namespace assay
