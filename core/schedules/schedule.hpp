#pragma once

#include "core/schedules/cron.hpp"
#include "core/values/ids.hpp"
#include "core/values/money.hpp"

#include <nlohmann/json_fwd.hpp>

#include <deque>

namespace assay::schedules {

/// How many of its last runs a schedule remembers.
inline constexpr size_t most_fires = 50;

/// One time that a schedule came due, or was run by hand.
struct fire {
  wall_time due{};
  run_id run;        ///< Empty where it could not be submitted.
  std::string error; ///< Why not.
  bool by_hand = false;

  bool operator==(const fire&) const = default;
};

/// An evaluation that recurs.
struct schedule {
  std::string id;
  std::string description;
  std::string cron;             ///< Five fields.
  std::string timezone = "UTC"; ///< Or an offset, +02:00.
  std::string evaluation;       ///< JSON object text, the body of POST /evaluations.
  bool enabled = true;

  user_id owner;
  std::string api_key;             ///< Id of the key that its runs are charged to; empty for none.
  std::optional<money> key_budget; ///< Of that key a day, as it was then.
  uint64_t version = 1;
  wall_time created_at{};
  std::optional<wall_time> next; ///< When it is due; nothing while it is paused.
  uint64_t by_hand = 0;          ///< How often it was run by hand; part of those runs' names.
  std::deque<fire> fires;        ///< The newest last.
};

/// Reads what callers write: {schedule_id, description, cron, timezone, evaluation, enabled}. The evaluation
/// is checked as far as it can be without the farm. @returns the first mistake, with its field.
result<schedule> schedule_from_json(const nlohmann::json& from);

/// The same with what @p changes says in place of what @p old says; its id stays.
result<schedule> changed(const schedule& old, const nlohmann::json& changes);

/// Sets when it is due next, after @p now.
void plan_next(schedule& of, wall_time now);

/// Notes what came of a time, and forgets the oldest.
void note_fire(schedule& of, fire one);

/// The idempotency key of the run of @p due: the same again after a restart, so that it is one run.
std::string name_of_run(const schedule& of, wall_time due, bool by_hand);

/// What the API shows, with its history when @p whole.
nlohmann::json to_json(const schedule& value, bool whole);

std::string to_stored(const schedule& value);
/// @returns errc::store_unreadable for another text.
result<schedule> schedule_from_stored(std::string_view text);

} // namespace assay::schedules
