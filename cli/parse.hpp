#pragma once

#include "core/values/errors.hpp"
#include "core/values/time.hpp"

#include <nlohmann/json_fwd.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// Small languages of the command line.
namespace assay::cli {

/// Splits at commas outside of brackets, braces and double quotes; blanks around the parts are dropped, empty
/// parts too.
std::vector<std::string> split_list(std::string_view text);

/// Several texts, each a list of its own, in order.
std::vector<std::string> split_lists(const std::vector<std::string>& texts);

/// Reads `temperature=0.7,max_gen_toks=256,do_sample=false,until=\n` or a JSON object. true, false (also
/// True, False), numbers, and values that begin with [, { or " are JSON; everything else is text, in which
/// \n, \t and
/// \\ stand for what they do in JSON. `until`, `stop` and `stop_sequences` are always texts; a repeated one
/// makes a list.
/// @param out An object. An out parameter, since json converts from values and faults alike.
/// @returns what is wrong with the text.
std::optional<fault> parse_gen_kwargs(std::string_view text, nlohmann::json& out);

/// Reads a JSON object that was given as a text or, after `@`, as a file's name.
std::optional<fault> parse_json_object(std::string_view text, const char* option, nlohmann::json& out);

/// Reads `90`, `90s`, `1.5h`, `250ms`, `10m`, `30d`, and sums of them as in `1h30m`. A number without a unit
/// is seconds.
result<milliseconds> parse_duration(std::string_view text);

/// Turns the times of a latency into plain milliseconds, as the mock provider reads them: `fixed:50ms` ->
/// `fixed:50`, `lognormal:60ms,0.2s` -> `lognormal:60,200`. The two ends of a range may be joined by - or ,.
result<std::string> latency_in_milliseconds(std::string_view text);

/// Turns `status:status=503,every=10` into the mock provider's JSON rule; JSON objects and lists pass
/// through,
/// `@FILE` is read.
result<std::string> fault_rules_json(std::string_view text);

/// Turns `model=sim-strong,rpm=60` into the mock provider's JSON rule; rpm, rps, tpm, itpm, otpm and
/// concurrency are short for the long names. JSON objects and lists pass through, `@FILE` is read.
result<std::string> limit_rules_json(std::string_view text);

/// Reads `name=accuracy`.
result<std::pair<std::string, double>> parse_simulated_model(std::string_view text);

/// Which sample of a run is meant: `task:variant:row[:epoch]`, task and variant by name or number.
struct sample_name {
  std::string task;
  std::string variant;
  uint32_t row = 0;
  uint16_t epoch = 0;
};

result<sample_name> parse_sample_name(std::string_view text);

} // namespace assay::cli
