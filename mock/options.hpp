#pragma once

#include "core/values/errors.hpp"
#include "core/values/secret.hpp"
#include "core/values/time.hpp"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace assay::mock {

/// How long an answer takes before its first byte. Members mean, by shape:
/// fixed: first; uniform: first..second; lognormal: median first, 95th percentile second; exponential: mean
/// first.
struct latency_model {
  enum class shape : uint8_t { fixed = 1, uniform = 2, lognormal = 3, exponential = 4 };
  shape kind = shape::fixed;
  microseconds first{0};
  microseconds second{0};

  bool operator==(const latency_model&) const = default;
};

/// Reads `50`, `fixed:50`, `uniform:10-90`, `lognormal:50,200` or `exponential:50`; all in milliseconds,
/// fractions allowed.
result<latency_model> parse_latency(std::string_view text);

/// @returns the latency at position @p u of the distribution, 0 <= u < 1; @p v is a second such draw, used by
/// lognormal only (Box-Muller).
microseconds draw_latency(const latency_model& model, double u, double v) noexcept;

/// A model that exists only here. It answers known prompts rightly with probability accuracy.
struct simulated_model {
  std::string name;
  double accuracy = 0.9;           ///< 0..1
  double latency_factor = 1.0;     ///< Multiplies the drawn latency.
  double tokens_per_second = 0;    ///< Adds time per answer token; streams are paced by it. 0: no added time.
  double refusal_rate = 0;         ///< 0..1, of all answers.
  double format_error_rate = 0;    ///< 0..1, of all answers: the answer is there in a form no scorer expects.
  double transient_error_rate = 0; ///< 0..1, of all calls: 500; drawn anew for each repetition of a prompt.
  uint32_t context_window = 0;     ///< Tokens; longer prompts get context_length_exceeded. 0: no limit.

  bool operator==(const simulated_model&) const = default;
};

/// sim-strong (0.92), sim-weak (0.55), sim-flaky (0.8, 3 % refusals, 5 % format errors, 5 % transient 500s)
/// and sim-fast (0.75, half the latency).
std::vector<simulated_model> built_in_models();

/// Reads a JSON list of {name, accuracy, latency_factor, tokens_per_second, refusal_rate, format_error_rate,
/// transient_error_rate, context_window}; only name is required. Unknown members are refused.
result<std::vector<simulated_model>> parse_models(std::string_view json);

/// What a fault does to one answer. The names in JSON are the enumerators' names.
enum class fault_kind : uint8_t {
  none = 0,
  status = 1,             ///< An error answer with `status` and the body the real provider sends with it.
  rate_limit = 2,         ///< 429 that says to wait `ms`.
  insufficient_quota = 3, ///< 429 without retry-after: waiting does not help.
  hang_before_header =
      4,              ///< Nothing is sent; the socket stays open (for `ms`, else until the client leaves).
  hang_mid_body = 5,  ///< Half the answer, then as above.
  reset = 6,          ///< The connection is reset (RST) instead of an answer.
  close = 7,          ///< The connection is closed (FIN) instead of an answer.
  truncated_body = 8, ///< Content-Length promises all, half is sent, then FIN.
  wrong_content_length = 9, ///< Content-Length is 10 too small and the connection stays open: the surplus
                            ///< stays in the stream and would be read as the start of the next answer.
  garbage = 10,             ///< 64 bytes that are not HTTP, then FIN.
  huge_body = 11,           ///< A correct answer of `bytes` (100 MB by default).
  slow_drip = 12,           ///< A correct answer, one byte per `ms` (10 by default).
  invalid_utf8 = 13,        ///< The answer's text holds bytes that are not UTF-8.
  duplicate_headers =
      14,          ///< A correct answer whose Content-Type, x-request-id and limits appear twice, differing.
  empty_body = 15, ///< 200 with Content-Length 0.
  html_body = 16,  ///< A gateway's HTML page with `status` (502 by default).
  stream_without_done = 17, ///< A stream that ends properly, but without its last frames and [DONE].
  stream_error = 18,        ///< An error frame in the middle of a stream; the stream ends after it.
};

std::string_view to_string(fault_kind kind) noexcept;

/// When a fault strikes and what it does. A call is a candidate when path and model fit. The first `skip`
/// candidates are spared; of the others the rule strikes each `every`-th, or each with `probability`, at most
/// `times` times. The first rule of the script that strikes wins.
struct fault_rule {
  fault_kind kind = fault_kind::status;
  int status = 500;
  double probability = 1.0; ///< Used when every is 0. Drawn from the seed and the candidate's number.
  uint64_t every = 0;
  uint64_t skip = 0;
  uint64_t times = 0;                        ///< 0: no end.
  std::string path = "/v1/chat/completions"; ///< A prefix. The paths /mock and /health never fail.
  std::string model;                         ///< Empty: every model.
  std::optional<milliseconds> ms;
  uint64_t bytes = 100'000'000;

  bool operator==(const fault_rule&) const = default;
};

/// Reads a JSON list of rules, or {"faults": [...]}. Members are named as in fault_rule; kind is required.
/// Unknown members and values out of range are refused.
result<std::vector<fault_rule>> parse_fault_rules(std::string_view json);

/// Limits of one API key; 0 means none.
struct key_limits {
  uint32_t requests_per_minute = 0;
  uint32_t tokens_per_minute = 0;
  uint32_t concurrent_requests = 0;
  /// How much of a minute's limit may be used at once. 60 s: a whole minute's worth, as the real provider
  /// does.
  seconds burst{60};
  /// Count each model of a key on its own instead of all together.
  bool per_model = false;
};

/// Everything the mock provider can be told.
struct options {
  std::string host = "127.0.0.1"; ///< An address, or `localhost`.
  uint16_t port = 0;              ///< 0: any free one; see server::port.
  unsigned threads = 1;
  uint64_t seed = 1; ///< Decides every draw: right or wrong, latencies, faults.
  latency_model latency;
  key_limits limits;
  std::vector<secret> keys;           ///< Accepted keys; empty: every key and none.
  std::vector<secret> exhausted_keys; ///< Keys that always get insufficient_quota.
  std::vector<simulated_model> models = built_in_models();
  /// When set, a model of any other name answers with this accuracy; else it gets 404 model_not_found. Names
  /// of the form `sim-p<NN>` always answer with NN %.
  std::optional<double> unknown_model_accuracy;
  std::vector<fault_rule> faults;
  /// Folders with task definitions whose prompts the models know. May be empty.
  std::vector<std::filesystem::path> task_folders;
  std::filesystem::path record;         ///< JSON lines, one per event of a call; appended. Empty: none.
  uint64_t max_body = 16 * 1024 * 1024; ///< Bytes of a request; larger ones get 413.
  milliseconds idle_timeout{300'000};   ///< A connection without a complete request for this long is closed.
  /// Monotonic time for limits and the record; tests replace it. Empty: the machine's steady clock.
  std::function<nanoseconds()> clock;
};

/// @returns what is wrong with @p value, if anything.
std::optional<fault> validate(const options& value);

} // namespace assay::mock
