#pragma once

#include "protocol/inspect.hpp"

#include <string>
#include <vector>

namespace assay {

/// What can be asked of experiments. `who` and what he may do travel along: the keeper knows the owner.
enum class experiment_verb : uint8_t {
  create = 1, ///< The body is the plan.
  plan = 2,   ///< The same as a dry run: nothing is stored.
  list = 3,
  show = 4, ///< Without its children, which the store has.
  pause = 5,
  resume = 6,
  cancel = 7,
  retry = 8, ///< What failed or was skipped.
  erase = 9, ///< Of one that has ended; its evaluations stay.
};

/// Answered when what it changes is durable. Creating and planning ask for the price of everything first.
struct ask_experiment {
  experiment_verb verb = experiment_verb::show;
  std::string experiment; ///< Empty for create, plan and list.
  std::string body;
  user_id who;
  bool sees_all = false;           ///< Also experiments of others.
  bool changes_all = false;        ///< The same for changes.
  std::optional<uint64_t> version; ///< The change is refused when the experiment has another one.
  std::string api_key;             ///< Id of the key that `who` came with; empty for none.
  std::optional<money> key_budget; ///< Of that key, a day.
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, ask_experiment& x) {
  auto version = field(x.version);
  auto key_budget = field(x.key_budget);
  return f(caf::meta::type_name("ask_experiment"), x.verb, x.experiment, x.body, x.who, x.sees_all,
           x.changes_all, version, x.api_key, key_budget);
}

struct experiment_answer {
  std::string text;     ///< JSON text.
  uint64_t version = 0; ///< Of the experiment; 0 for lists and plans.
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, experiment_answer& x) {
  return f(caf::meta::type_name("experiment_answer"), x.text, x.version);
}

/// INTERNAL: all experiments of the store, without their children.
struct experiments_recalled {
  std::vector<std::string> heads;
  std::optional<fault> error;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, experiments_recalled& x) {
  auto error = field(x.error);
  return f(caf::meta::type_name("experiments_recalled"), x.heads, error);
}

/// INTERNAL: the children of one experiment, in order.
struct experiment_children_recalled {
  std::vector<std::string> rows;
  std::optional<fault> error;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, experiment_children_recalled& x) {
  auto error = field(x.error);
  return f(caf::meta::type_name("experiment_children_recalled"), x.rows, error);
}

/// INTERNAL: an experiment tells its supervisor how it is, once that is durable.
struct experiment_changed {
  std::string experiment;
  std::string head; ///< As the store has it.
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, experiment_changed& x) {
  return f(caf::meta::type_name("experiment_changed"), x.experiment, x.head);
}

} // namespace assay
