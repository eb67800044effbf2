#pragma once

#include "core/values/conversation.hpp"
#include "core/values/errors.hpp"
#include "core/values/ids.hpp"
#include "core/values/model.hpp"
#include "core/values/money.hpp"
#include "core/values/shared_text.hpp"
#include "core/values/time.hpp"

#include <nlohmann/json_fwd.hpp>

#include <optional>
#include <string>
#include <vector>

namespace assay {

enum class finish_reason : uint8_t { unknown = 0, stop = 1, length = 2, content_filter = 3, tool_calls = 4 };

std::string_view to_string(finish_reason reason) noexcept;

/// Where the time of one call went, so that "we were slow" and "the provider was slow" can be told apart.
struct call_timing {
  microseconds queued{0};     ///< In the provider's waiting line.
  microseconds limiter{0};    ///< Waiting for the rate limiter.
  microseconds connect{0};    ///< Resolution, TCP and TLS; zero on a reused socket.
  microseconds first_byte{0}; ///< From the request written to the first byte of the answer.
  microseconds transfer{0};   ///< From the first to the last byte.
  microseconds local_lag{0};  ///< From the last byte until the farm looked at it.

  bool operator==(const call_timing&) const = default;
};

/// One try at a call that did not end it.
struct attempt_record {
  errc error = errc::internal;
  uint16_t http_status = 0;     ///< 0 when there was no answer.
  milliseconds waited{0};       ///< Backoff before the next try.
  bool possibly_billed = false; ///< The request had been written completely.
  std::string message;
  std::string key = {};    ///< The name of the key; empty when there is only one, or none was chosen.
  std::string target = {}; ///< `provider/model`; empty when the run has but one.

  bool operator==(const attempt_record&) const = default;
};

/// What became of one call, as the journal keeps it.
struct response_record {
  run_id run;
  sample_address address;
  uint16_t attempt = 0; ///< Number of tries before this one.
  shared_text prompt;   ///< As sent, turns joined; empty when the run does not log samples.
  shared_text answer;
  shared_text target; ///< The reference, so that the answer can be scored again.
  finish_reason finish = finish_reason::unknown;
  token_usage usage;
  bool usage_estimated = false; ///< The provider sent no usage.
  std::optional<money> cost;    ///< Nothing when prices are unknown.
  call_timing timing;
  uint16_t http_status = 0;
  std::string served_model; ///< The model the provider says it was.
  std::string request_id;   ///< The provider's.
  std::string key;          ///< As in attempt_record.
  /// `provider/model` that answered, or failed last; empty when the run has but one.
  std::string served_by;
  std::optional<errc> error;
  std::string error_message;
  std::vector<attempt_record> failures; ///< The tries before, oldest first.
  wall_time finished_at{};
  bool simulated = false;
  bool possibly_billed = false; ///< Given up after the request had been written.
  bool cached = false;          ///< Nobody was asked: the answer was there already.
  std::optional<money> saved;   ///< What a cached answer cost when it was asked for.
};

enum class sample_status : uint8_t {
  answered = 1, ///< The answer is safe, not scored yet.
  scored = 2,
  failed = 3, ///< No answer after all tries, or the scorer failed; see error.
};

std::string_view to_string(sample_status status) noexcept;

/// One scorer's verdict on one answer.
struct score_value {
  uint8_t scorer = 0;    ///< Index in the task's scorers.
  double value = 0;      ///< 0..1 for every built-in scorer.
  std::string extracted; ///< What the scorer took for the answer; cut at 256 bytes.

  bool operator==(const score_value&) const = default;
};

/// The compact outcome of a sample: everything that lists, progress and metrics need.
struct sample_record {
  run_id run;
  sample_address address;
  sample_status status = sample_status::answered;
  std::vector<score_value> scores;
  token_usage usage; ///< Of all its turns; not of judges.
  std::optional<money> cost;
  std::optional<money> judge_cost; ///< Part of cost: what judges took for it. Nothing when none was asked.
  /// From the first time it was sent to the answer, or until it was given up. Earlier tries and the waits
  /// between them count, waits for a turn do not.
  milliseconds duration{0};
  std::optional<errc> error;
  uint16_t tries = 1;
  bool possibly_billed = false; ///< Any of its tries.
  bool cached = false;          ///< Its answer came from the response cache.

  bool operator==(const sample_record&) const = default;
};

/// The API's form of one sample whose response was not looked for: what only that knows is left out.
nlohmann::json sample_to_json(const sample_record& sample, const std::vector<std::string>& scorer_names);

/// The API's form of one sample with everything known about it. @param response Null when there is none; what
/// only that would know is null then.
nlohmann::json sample_to_json(const sample_record& sample, const response_record* response,
                              const std::vector<std::string>& scorer_names);

} // namespace assay
