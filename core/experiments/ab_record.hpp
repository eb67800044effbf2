#pragma once

#include "core/experiments/ab_run.hpp"
#include "core/experiments/ab_tally.hpp"
#include "core/values/ids.hpp"
#include "core/values/time.hpp"

namespace assay::experiments {

enum class ab_state : uint8_t {
  created = 1, ///< Takes nothing yet.
  running = 2,
  paused = 3,    ///< Takes no observations; variants are still told.
  completed = 4, ///< Ended by itself.
  stopped = 5,   ///< Ended by somebody.
};

std::string_view to_string(ab_state state) noexcept;

constexpr bool is_final(ab_state state) noexcept {
  return state == ab_state::completed || state == ab_state::stopped;
}

/// A test as it is kept, without its observations.
struct ab_record {
  ab_test test;
  user_id owner;
  uint64_t version = 1; ///< Rises with every change of the state.
  ab_state state = ab_state::created;
  wall_time created_at{};
  std::optional<wall_time> started_at;
  std::optional<wall_time> ends_at; ///< By max_duration_hours, from the first start.
  std::optional<wall_time> ended_at;
  std::string ended_because;
  std::vector<uint64_t> drawn;    ///< By variant: how often it was told to who gave no unit.
  std::vector<uint64_t> assigned; ///< By variant: how often to who gave one.
  uint64_t observations = 0;
  std::string analysis;      ///< JSON text, once the test has ended.
  std::optional<ab_run> run; ///< Of a test that runs by itself.

  uint64_t draws() const noexcept;
  /// Rises with every observation and every change of the state: numbers what subscribers are sent.
  uint64_t sequence() const noexcept { return observations + version; }
};

ab_record make_record(ab_test test, user_id owner, wall_time now);

/// start, pause and stop. Idempotent. @returns whether anything changed, or errc::invalid_transition.
result<bool> start(ab_record& record, wall_time now);
result<bool> pause(ab_record& record);
result<bool> stop(ab_record& record, wall_time now, std::string why);
/// Ended by itself.
void complete(ab_record& record, wall_time now, std::string why);

/// What the store keeps. @returns errc::store_unreadable for another text.
std::string to_stored(const ab_record& record);
result<ab_record> record_from_stored(std::string_view text);

/// What the API shows.
nlohmann::json to_json(const ab_record& record);

/// {test_id, variant, configuration, unit, drawn}
nlohmann::json selection_json(const ab_test& test, size_t variant, const std::string& unit);

/// JSON text of the winner's, by @p analysis. @returns not_found with the reason while there is none.
result<std::string> best_configuration(const ab_test& test, const nlohmann::json& analysis);

/// Begins the keys of a test's observations; another test of the same id at another time has other keys.
std::string observations_prefix(const ab_record& record);
/// In order of @p number.
std::string observation_key(const ab_record& record, uint64_t number);

} // namespace assay::experiments
