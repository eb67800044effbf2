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
  rate_limit = 2,         ///< 429 that says to wait `ms` (1200 by default), in the way of `retry_after`.
  insufficient_quota = 3, ///< The provider's word for a key without credit: waiting does not help.
  hang_before_header =
      4,              ///< Nothing is sent; the socket stays open (for `ms`, else until the client leaves).
  hang_mid_body = 5,  ///< Half the answer, then as above.
  reset = 6,          ///< The connection is reset (RST) instead of an answer.
  close = 7,          ///< The connection is closed (FIN) instead of an answer.
  truncated_body = 8, ///< Content-Length (or the chunks) promise all, half is sent, then FIN.
  wrong_content_length = 9, ///< Content-Length is 10 too small and the connection stays open: the surplus
                            ///< stays in the stream and would be read as the start of the next answer.
  garbage = 10,             ///< 64 bytes that are not HTTP, then FIN.
  huge_body = 11,           ///< A correct answer of `bytes` (100 MB by default); chat answers only.
  slow_drip = 12,           ///< A correct answer, one byte per `ms` (10 by default).
  invalid_utf8 = 13,        ///< The answer's text holds bytes that are not UTF-8.
  duplicate_headers =
      14,          ///< A correct answer whose Content-Type, request id and limits appear twice, differing.
  empty_body = 15, ///< 200 with Content-Length 0.
  html_body = 16,  ///< A gateway's HTML page with `status` (502 by default).
  stream_without_done = 17, ///< A stream that ends properly, but without its last frames.
  stream_error = 18,        ///< An error frame in the middle of a stream; the stream ends after it.
  daily_quota = 19,         ///< 429 of a limit per day: waiting helps tomorrow only.
  truncated_chunk = 20,     ///< A chunk whose size promises more than follows, then FIN; always chunked.
  bad_json = 21,            ///< A whole answer that is not JSON; in a stream, one such frame in the middle.
  error_in_200 = 22,        ///< Status 200 with the body of an error of `status`.
  keep_alive = 23,     ///< A correct answer after `count` (5) signs of life, `ms` (10) apart: comments or
                       ///< pings in a stream, blank lines before another body.
  content_filter = 24, ///< The provider's answer to a prompt that its policy forbids.
  reset_mid_body = 25, ///< Half the answer, then RST.
};

std::string_view to_string(fault_kind kind) noexcept;

/// @returns every kind but none.
std::vector<fault_kind> fault_kinds();

/// How a 429 (or another status with `ms`) says how long to wait.
enum class retry_hint : uint8_t {
  usual = 1,   ///< As the protocol does: OpenAI retry-after and retry-after-ms, Gemini in the body, ...
  none = 2,    ///< Not at all.
  body = 3,    ///< In the body only.
  seconds = 4, ///< Header retry-after, whole seconds.
  ms = 5,      ///< Header retry-after-ms only.
  date = 6,    ///< Header retry-after as an HTTP date.
};

std::string_view to_string(retry_hint hint) noexcept;

/// When a fault strikes and what it does. A call is a candidate when path, model and key fit. The first
/// `skip` candidates are spared; of the others the rule strikes those numbered in `calls`, or each
/// `every`-th, or each with `probability`, at most `times` times. The first rule of the script that strikes
/// wins.
struct fault_rule {
  fault_kind kind = fault_kind::status;
  int status = 500;
  double probability = 1.0; ///< Used when every is 0. Drawn from the seed and the candidate's number.
  uint64_t every = 0;
  std::vector<uint64_t> calls; ///< Numbers of candidates, from 1.
  uint64_t skip = 0;
  uint64_t times = 0; ///< 0: no end.
  /// A prefix. Empty: every call of a model (chat, embeddings, counting), whatever the protocol, but no
  /// listing, file or batch. `batch:` and a prefix: the lines of batches. The paths /mock and /health never
  /// fail.
  std::string path;
  std::string model;    ///< Empty: every model.
  std::string key_hash; ///< `key` in JSON, the key itself or its hash; empty: every key.
  retry_hint retry_after = retry_hint::usual;
  std::optional<milliseconds> ms;
  uint64_t bytes = 100'000'000;
  uint32_t count = 5;

  bool operator==(const fault_rule&) const = default;
};

/// Reads a JSON list of rules, or {"faults": [...]}. Members are named as in fault_rule; kind is required.
/// Unknown members and values out of range are refused.
result<std::vector<fault_rule>> parse_fault_rules(std::string_view json);

/// Limits of one API key; 0 means none.
struct key_limits {
  uint32_t requests_per_minute = 0;
  uint32_t tokens_per_minute = 0; ///< Prompt and max_tokens (else answer) together, as OpenAI counts.
  uint32_t concurrent_requests = 0;
  uint32_t requests_per_second = 0;
  uint32_t input_tokens_per_minute = 0;  ///< Prompt only, as Anthropic counts.
  uint32_t output_tokens_per_minute = 0; ///< Answer only.
  /// How much of a minute's limit may be used at once. 60 s: a whole minute's worth, as the real provider
  /// does.
  seconds burst{60};
  /// Count each model of a key on its own instead of all together.
  bool per_model = false;

  bool operator==(const key_limits&) const = default;
};

/// Limits that hold for one key, one model, or one key's use of one model.
struct limit_rule {
  std::string key_hash; ///< Empty: every key, each counted on its own.
  std::string model;    ///< Empty: every model.
  key_limits limits;

  bool operator==(const limit_rule&) const = default;
};

/// Reads a JSON list of {key, model, requests_per_minute, tokens_per_minute, ...} or {"limits": [...]}. `key`
/// is a key or its hash. Unknown members and values out of range are refused.
result<std::vector<limit_rule>> parse_limit_rules(std::string_view json);

/// @returns the first 8 hex digits of the SHA-256 of @p key: how keys appear in records and counters.
std::string hash_of_key(std::string_view key);

/// @returns what is wrong with @p value, if anything.
std::optional<fault> validate(const key_limits& value, const std::string& where);

/// Everything the mock provider can be told.
struct options {
  std::string host = "127.0.0.1"; ///< An address, or `localhost`.
  uint16_t port = 0;              ///< 0: any free one; see server::port.
  unsigned threads = 1;
  uint64_t seed = 1; ///< Decides every draw: right or wrong, latencies, faults.
  latency_model latency;
  double tokens_per_second = 0; ///< Of models that have none of their own.
  /// Between the frames of a stream when no tokens_per_second says so.
  microseconds stream_gap{0};
  key_limits limits;
  std::vector<limit_rule> limit_rules; ///< The first that fits decides instead of limits.
  std::vector<secret> keys;            ///< Accepted keys, whatever the protocol; empty: every key and none.
  std::vector<secret> exhausted_keys;  ///< Keys that always get insufficient_quota.
  std::vector<simulated_model> models = built_in_models();
  /// When set, a model of any other name answers with this accuracy; else it gets 404 model_not_found. Names
  /// of the form `sim-p<NN>` always answer with NN %.
  std::optional<double> unknown_model_accuracy;
  std::vector<fault_rule> faults;
  /// Folders with task definitions whose prompts the models know. May be empty.
  std::vector<std::filesystem::path> task_folders;
  /// Told once, with the first prompt that is in no task; called on a thread of the server. May be empty.
  std::function<void(std::string_view prompt)> on_unknown_prompt;
  milliseconds batch_time{2000};            ///< From a batch's creation to its end.
  milliseconds batch_window{86'400'000};    ///< A batch that is not done by then expires.
  uint64_t max_stored = 1024 * 1024 * 1024; ///< Bytes of files and batches kept; more is refused.
  std::filesystem::path record;             ///< JSON lines, one per event of a call; appended. Empty: none.
  /// Calls that GET /mock/calls can list; older ones are forgotten.
  uint32_t kept_calls = 10'000;
  uint64_t max_body = 256 * 1024 * 1024; ///< Bytes of a request; larger ones get 413.
  milliseconds idle_timeout{300'000};    ///< A connection without a complete request for this long is closed.
  /// Monotonic time for limits and the record; tests replace it. Empty: the machine's steady clock.
  std::function<nanoseconds()> clock;
};

/// @returns what is wrong with @p value, if anything.
std::optional<fault> validate(const options& value);

} // namespace assay::mock
