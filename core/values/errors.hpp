#pragma once

#include <boost/system/result.hpp>

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

namespace assay {

/// Everything that can go wrong, as one closed list. The numbers are stored: never reuse or renumber one.
/// Zero stands for success and is no member.
enum class errc : uint8_t {
  // What the caller sent.
  invalid_argument = 1, ///< A value has the wrong type, range or meaning.
  malformed_input = 2,  ///< The text is not JSON, YAML, CSV or whatever it should be.
  not_found = 3,        ///< The named thing does not exist.
  conflict = 4,         ///< The request contradicts the present state.
  too_large = 5,        ///< A body, file or answer is over its limit.
  unsupported = 6,      ///< A known thing that this target cannot do.

  // Who the caller is.
  unauthenticated = 10, ///< No valid token.
  forbidden = 11,       ///< A valid token without the permission.

  // Capacity.
  busy = 15,                ///< The farm is full; try again later.
  rate_limited = 16,        ///< A provider answered 429; waiting helps.
  quota_exhausted = 17,     ///< The key has no credit left; waiting does not help.
  budget_exhausted = 18,    ///< A budget is spent: of a run, a day, a user or a model.
  request_over_budget = 19, ///< This one call may cost more than one is allowed to.

  // Providers.
  connect_failed = 20,       ///< No connection: resolution, TCP, TLS or proxy failed.
  provider_timeout = 21,     ///< No complete answer before the deadline.
  provider_unavailable = 22, ///< 5xx, 529 or the like.
  truncated_answer = 23,     ///< The connection ended inside an answer.
  malformed_answer = 24,     ///< The answer is not what the protocol promises.
  provider_rejected = 25,    ///< The provider refuses this request for good (400, 404, 413, 422).
  credentials_rejected = 26, ///< 401 or 403: the key is wrong or lacks a right.
  content_filtered = 27,     ///< The provider's policy withheld the answer.
  breaker_open = 28,         ///< The target failed too often; it is probed before it gets work again.

  // Runs.
  cancelled = 35,          ///< A person or a parent ended the work.
  time_limit_reached = 36, ///< The run's own time limit passed.
  dataset_changed = 37,    ///< The dataset differs from the one pinned at submission.
  dataset_unreadable = 38, ///< The dataset cannot be opened or parsed.
  template_failed = 39,    ///< A prompt template names a field that the sample lacks.
  scorer_failed = 40,      ///< A scorer could not judge an answer.
  invalid_transition = 41, ///< The verb does not apply to the run's state.

  // Storage.
  store_locked = 50,       ///< Another farm uses the data folder.
  store_unreadable = 51,   ///< The data folder cannot be opened or read.
  store_full = 52,         ///< The disk or the map is full; the store is read-only now.
  store_failed = 53,       ///< Writing or flushing failed; the store is read-only now.
  store_incompatible = 54, ///< The data was written by a newer or unknown version.

  // Inside.
  actor_lost = 60,        ///< The actor that held the work ended.
  deadline_exceeded = 61, ///< An actor did not answer in time.
  shutting_down = 62,     ///< The farm is stopping.
  internal = 63,          ///< A defect of assay.
};

/// What may help after a failure.
enum class retry_class : uint8_t {
  never = 1,          ///< The same call would fail again.
  transient = 2,      ///< The same call may succeed after a backoff.
  wait = 3,           ///< The call goes back to the waiting line until the limit opens.
  other_key = 4,      ///< Another key of the same provider may succeed.
  other_provider = 5, ///< Another provider may succeed.
};

/// @returns the stable lower-case name, as written to logs, records and answers.
std::string_view to_string(errc code) noexcept;

/// The word of the HTTP API: `VALIDATION_ERROR`, `TIMEOUT_ERROR`. Several codes may share one.
std::string_view api_code(errc code) noexcept;
std::string_view to_string(retry_class value) noexcept;

/// @returns the code named by @p name, or errc::internal for an unknown name.
errc errc_from_string(std::string_view name) noexcept;

/// @returns what may help after a failure of this kind.
retry_class retry_class_of(errc code) noexcept;

/// @returns whether a call that ended so says something about who asked, and nothing about who was asked: the
/// request was refused or could not be made, or the caller has gone.
bool blames_caller(errc code) noexcept;

/// A failure that says what happened, where, and what to do about it.
struct fault {
  errc code = errc::internal;
  /// What happened, one sentence without a final full stop.
  std::string message;
  /// Where: a field path (`task_ids[2]`), or file:line and key. May be empty.
  std::string where;
  /// What the reader can do. May be empty.
  std::string hint;

  bool operator==(const fault&) const = default;
};

/// Renders "where: message (hint)" for people.
std::string to_string(const fault& value);

/// Thrown by boost::system::result::value() on a fault that nobody checked.
class fault_exception : public std::runtime_error {
public:
  explicit fault_exception(fault value) : std::runtime_error(to_string(value)), value_(std::move(value)) {}
  const fault& get() const noexcept { return value_; }

private:
  fault value_;
};

[[noreturn]] void throw_exception_from_error(const fault& value, const boost::source_location& where);

/// Either a value or the reason why there is none.
template <class T>
using result = boost::system::result<T, fault>;

} // namespace assay
