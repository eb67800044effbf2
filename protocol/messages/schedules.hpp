#pragma once

#include "protocol/inspect.hpp"

#include <string>
#include <vector>

namespace assay {

/// What can be asked of schedules.
enum class schedule_verb : uint8_t {
  create = 1, ///< The body is the schedule.
  list = 2,
  show = 3,   ///< With its history.
  update = 4, ///< The body is what changes.
  erase = 5,
  pause = 6,
  resume = 7,
  run_now = 8,
};

/// Answered when what it changes is durable.
struct ask_schedule {
  schedule_verb verb = schedule_verb::show;
  std::string schedule; ///< Empty for create and list.
  std::string body;     ///< JSON text.
  user_id who;
  bool sees_all = false;           ///< Also schedules of others.
  bool changes_all = false;        ///< The same for changes.
  std::optional<uint64_t> version; ///< The change is refused when the schedule has another one.
  std::string api_key;             ///< With create: id of the key that `who` came with; empty for none.
  std::optional<money> key_budget; ///< Of that key, a day.
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, ask_schedule& x) {
  auto version = field(x.version);
  auto key_budget = field(x.key_budget);
  return f(caf::meta::type_name("ask_schedule"), x.verb, x.schedule, x.body, x.who, x.sees_all, x.changes_all,
           version, x.api_key, key_budget);
}

struct schedule_answer {
  std::string text;     ///< JSON text.
  uint64_t version = 0; ///< Of the schedule; 0 for lists.
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, schedule_answer& x) {
  return f(caf::meta::type_name("schedule_answer"), x.text, x.version);
}

/// INTERNAL: all schedules of the store, as they are kept there.
struct schedules_recalled {
  std::vector<std::string> records;
  std::optional<fault> error;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, schedules_recalled& x) {
  auto error = field(x.error);
  return f(caf::meta::type_name("schedules_recalled"), x.records, error);
}

} // namespace assay
