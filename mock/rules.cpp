// Reads fault and limit rules from JSON.
#include "mock/object_reader.hpp"
#include "mock/options.hpp"

#include <openssl/sha.h>

#include <array>

namespace assay::mock {

namespace {

using nlohmann::json;

constexpr std::array<std::pair<fault_kind, std::string_view>, 26> kind_names{{
    {fault_kind::none, "none"},
    {fault_kind::status, "status"},
    {fault_kind::rate_limit, "rate_limit"},
    {fault_kind::insufficient_quota, "insufficient_quota"},
    {fault_kind::hang_before_header, "hang_before_header"},
    {fault_kind::hang_mid_body, "hang_mid_body"},
    {fault_kind::reset, "reset"},
    {fault_kind::close, "close"},
    {fault_kind::truncated_body, "truncated_body"},
    {fault_kind::wrong_content_length, "wrong_content_length"},
    {fault_kind::garbage, "garbage"},
    {fault_kind::huge_body, "huge_body"},
    {fault_kind::slow_drip, "slow_drip"},
    {fault_kind::invalid_utf8, "invalid_utf8"},
    {fault_kind::duplicate_headers, "duplicate_headers"},
    {fault_kind::empty_body, "empty_body"},
    {fault_kind::html_body, "html_body"},
    {fault_kind::stream_without_done, "stream_without_done"},
    {fault_kind::stream_error, "stream_error"},
    {fault_kind::daily_quota, "daily_quota"},
    {fault_kind::truncated_chunk, "truncated_chunk"},
    {fault_kind::bad_json, "bad_json"},
    {fault_kind::error_in_200, "error_in_200"},
    {fault_kind::keep_alive, "keep_alive"},
    {fault_kind::content_filter, "content_filter"},
    {fault_kind::reset_mid_body, "reset_mid_body"},
}};

constexpr std::array<std::pair<retry_hint, std::string_view>, 6> hint_names{{
    {retry_hint::usual, "usual"},
    {retry_hint::none, "none"},
    {retry_hint::body, "body"},
    {retry_hint::seconds, "seconds"},
    {retry_hint::ms, "ms"},
    {retry_hint::date, "date"},
}};

/// The hash of a key, or the hash itself when it is given as such.
std::string read_key(const std::string& text) {
  const auto is_hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  return text.empty() || (text.size() == 8 && std::all_of(text.begin(), text.end(), is_hex))
             ? text
             : hash_of_key(text);
}

template <class Pairs, class Value>
void choice(object_reader& in, const char* name, const Pairs& names, size_t first, Value& out) {
  std::string text;
  if (!in.text(name, text))
    return;
  const auto found =
      std::find_if(names.begin() + first, names.end(), [&](const auto& x) { return x.second == text; });
  if (found == names.end())
    in.fail(name, "\"" + text + "\" is no known value");
  else
    out = found->first;
}

fault_rule read_fault(object_reader& in) {
  fault_rule rule;
  if (!in.has("kind"))
    in.fail("kind", "is required");
  choice(in, "kind", kind_names, 1, rule.kind);
  choice(in, "retry_after", hint_names, 0, rule.retry_after);
  if (rule.kind == fault_kind::html_body)
    rule.status = 502;
  in.count("status", 200, 599, rule.status);
  in.number_in("probability", 0, 1, rule.probability);
  in.count("every", 0, UINT64_MAX, rule.every);
  in.counts("calls", 1, rule.calls);
  in.count("skip", 0, UINT64_MAX, rule.skip);
  in.count("times", 0, UINT64_MAX, rule.times);
  in.count("bytes", 0, 10'000'000'000, rule.bytes);
  in.count("count", 1, 1'000'000, rule.count);
  in.text("path", rule.path);
  in.text("model", rule.model);
  in.text("key", rule.key_hash);
  rule.key_hash = read_key(rule.key_hash);
  if (in.has("ms")) {
    uint64_t ms = 0;
    in.count("ms", 0, 86'400'000, ms);
    rule.ms = milliseconds(ms);
  }
  return rule;
}

limit_rule read_limit(object_reader& in) {
  limit_rule rule;
  in.text("key", rule.key_hash);
  rule.key_hash = read_key(rule.key_hash);
  in.text("model", rule.model);
  auto& limits = rule.limits;
  constexpr uint64_t most = 100'000'000;
  in.count("requests_per_second", 0, most, limits.requests_per_second);
  in.count("requests_per_minute", 0, most, limits.requests_per_minute);
  in.count("tokens_per_minute", 0, most, limits.tokens_per_minute);
  in.count("input_tokens_per_minute", 0, most, limits.input_tokens_per_minute);
  in.count("output_tokens_per_minute", 0, most, limits.output_tokens_per_minute);
  in.count("concurrent_requests", 0, most, limits.concurrent_requests);
  uint32_t burst = 60;
  in.count("burst", 1, 60, burst);
  limits.burst = seconds(burst);
  in.flag("per_model", limits.per_model);
  return rule;
}

template <class Rule>
result<std::vector<Rule>> read_rules(std::string_view text, const char* member,
                                     Rule (*read)(object_reader&)) {
  json list;
  if (auto mistake = read_list(text, member, list))
    return *mistake;
  std::vector<Rule> rules;
  for (size_t i = 0; i < list.size(); ++i) {
    object_reader in(list[i], std::string(member) + "[" + std::to_string(i) + "]");
    auto rule = read(in);
    if (auto mistake = in.finish())
      return *mistake;
    rules.push_back(std::move(rule));
  }
  return rules;
}

} // namespace

std::string_view to_string(fault_kind kind) noexcept {
  for (const auto& [value, name] : kind_names)
    if (value == kind)
      return name;
  return "none";
}

std::vector<fault_kind> fault_kinds() {
  std::vector<fault_kind> kinds;
  for (size_t i = 1; i < kind_names.size(); ++i)
    kinds.push_back(kind_names[i].first);
  return kinds;
}

std::string_view to_string(retry_hint hint) noexcept {
  for (const auto& [value, name] : hint_names)
    if (value == hint)
      return name;
  return "usual";
}

std::string hash_of_key(std::string_view key) {
  if (key.empty())
    return {};
  constexpr std::string_view digits = "0123456789abcdef";
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
  SHA256(reinterpret_cast<const unsigned char*>(key.data()), key.size(), digest.data());
  std::string text;
  for (size_t i = 0; i < 4; ++i) {
    text += digits[digest[i] >> 4];
    text += digits[digest[i] & 15];
  }
  return text;
}

std::optional<fault> read_list(std::string_view text, const char* member, json& list) {
  list = json::parse(text, nullptr, false);
  if (list.is_discarded())
    return fault{errc::malformed_input, "the text is not JSON", member, {}};
  if (list.is_object() && list.size() == 1 && list.contains(member)) {
    auto inner = std::move(list[member]);
    list = std::move(inner);
  }
  if (!list.is_array())
    return fault{errc::invalid_argument, "must be a list", member,
                 std::string("send [...] or {\"") + member + "\": [...]}"};
  if (list.size() > 1000)
    return fault{errc::too_large, "more than 1000 entries", member, {}};
  return {};
}

result<std::vector<fault_rule>> parse_fault_rules(std::string_view text) {
  return read_rules<fault_rule>(text, "faults", read_fault);
}

result<std::vector<limit_rule>> parse_limit_rules(std::string_view text) {
  return read_rules<limit_rule>(text, "limits", read_limit);
}

std::optional<fault> validate(const key_limits& value, const std::string& where) {
  const auto wrong = [&](std::string what, std::string message) {
    return fault{errc::invalid_argument, std::move(message), where + what, {}};
  };
  if (value.burst < seconds(1) || value.burst > seconds(60))
    return wrong(".burst", "must be 1..60 seconds");
  constexpr uint32_t most = 100'000'000;
  if (value.requests_per_minute > most || value.tokens_per_minute > most || value.requests_per_second > most
      || value.input_tokens_per_minute > most || value.output_tokens_per_minute > most)
    return wrong("", "must not exceed 100000000");
  return {};
}

} // namespace assay::mock
