#include "cli/parse.hpp"

#include "cli/files.hpp"

#include <nlohmann/json.hpp>

#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>

namespace assay::cli {

namespace {

using nlohmann::json;

fault refused(std::string where, std::string message, std::string hint = {}) {
  return {errc::invalid_argument, std::move(message), std::move(where), std::move(hint)};
}

std::string_view trimmed(std::string_view text) noexcept {
  constexpr std::string_view blanks = " \t\r\n";
  const auto first = text.find_first_not_of(blanks);
  if (first == std::string_view::npos)
    return {};
  return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

template <class T>
std::optional<T> whole_number(std::string_view text) noexcept {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size())
    return std::nullopt;
  return value;
}

std::optional<double> real_number(std::string_view text) noexcept {
  const auto value = whole_number<double>(text);
  return value && std::isfinite(*value) ? value : std::nullopt;
}

std::string unescaped(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || i + 1 == text.size()) {
      out += text[i];
      continue;
    }
    const char next = text[++i];
    if (next == 'n')
      out += '\n';
    else if (next == 't')
      out += '\t';
    else if (next == '\\')
      out += '\\';
    else
      out.append({'\\', next});
  }
  return out;
}

bool is_stop_text(std::string_view key) noexcept {
  return key == "until" || key == "stop" || key == "stop_sequences";
}

bool begins_json(std::string_view text) noexcept {
  return !text.empty() && (text.front() == '[' || text.front() == '{' || text.front() == '"');
}

json value_of(std::string_view key, std::string_view text) {
  if (begins_json(text))
    if (auto parsed = json::parse(text, nullptr, false); !parsed.is_discarded())
      return parsed;
  if (is_stop_text(key))
    return unescaped(text);
  if (text == "true" || text == "True")
    return true;
  if (text == "false" || text == "False")
    return false;
  if (text == "null" || text == "None")
    return nullptr;
  if (const auto number = whole_number<int64_t>(text))
    return *number;
  if (const auto number = real_number(text))
    return *number;
  return unescaped(text);
}

void add_value(json& out, const std::string& key, json value) {
  const auto present = out.find(key);
  if (present == out.end()) {
    out[key] = std::move(value);
    return;
  }
  if (!present->is_array())
    *present = json::array({*present});
  if (value.is_array())
    present->insert(present->end(), value.begin(), value.end());
  else
    present->push_back(std::move(value));
}

struct time_unit {
  std::string_view name;
  double milliseconds;
};

constexpr std::array<time_unit, 6> time_units{{
    {"us", 0.001},
    {"ms", 1},
    {"s", 1000},
    {"m", 60'000},
    {"h", 3'600'000},
    {"d", 86'400'000},
}};

/// Takes one `number unit` from the front of @p text. @returns milliseconds.
std::optional<double> take_time(std::string_view& text, double without_unit) {
  const auto digits = text.find_first_not_of("0123456789.");
  const auto number = real_number(text.substr(0, digits));
  if (!number)
    return std::nullopt;
  text.remove_prefix(std::min(digits, text.size()));
  const auto end = text.find_first_not_of("abcdefghijklmnopqrstuvwxyz");
  const auto unit = text.substr(0, end);
  text.remove_prefix(unit.size());
  if (unit.empty())
    return *number * without_unit;
  for (const auto& known : time_units)
    if (known.name == unit)
      return *number * known.milliseconds;
  return std::nullopt;
}

std::string shortest(double value) {
  std::array<char, 32> text{};
  const auto [end, error] = std::to_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc{} ? std::string(text.data(), end) : std::string("0");
}

std::vector<std::string> split_at(std::string_view text, char separator) {
  std::vector<std::string> out;
  size_t begin = 0;
  while (true) {
    const auto end = text.find(separator, begin);
    out.emplace_back(text.substr(begin, end == std::string_view::npos ? end : end - begin));
    if (end == std::string_view::npos)
      return out;
    begin = end + 1;
  }
}

} // namespace

std::vector<std::string> split_list(std::string_view text) {
  std::vector<std::string> out;
  std::string part;
  int depth = 0;
  bool quoted = false;
  const auto end_part = [&] {
    if (const auto clean = trimmed(part); !clean.empty())
      out.emplace_back(clean);
    part.clear();
  };
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == ',' && depth == 0 && !quoted) {
      end_part();
      continue;
    }
    part += c;
    if (quoted && c == '\\' && i + 1 < text.size())
      part += text[++i];
    else if (c == '"')
      quoted = !quoted;
    else if (!quoted)
      depth += (c == '[' || c == '{') ? 1 : (c == ']' || c == '}') && depth > 0 ? -1 : 0;
  }
  end_part();
  return out;
}

std::vector<std::string> split_lists(const std::vector<std::string>& texts) {
  std::vector<std::string> out;
  for (const auto& text : texts)
    for (auto& part : split_list(text))
      out.push_back(std::move(part));
  return out;
}

std::optional<fault> parse_gen_kwargs(std::string_view text, json& out) {
  const auto clean = trimmed(text);
  if (clean.starts_with('{') || clean.starts_with('@'))
    return parse_json_object(clean, "--gen_kwargs", out);
  out = json::object();
  for (const auto& part : split_list(clean)) {
    const auto equals = part.find('=');
    const auto key = std::string(trimmed(std::string_view(part).substr(0, equals)));
    if (equals == std::string::npos || key.empty())
      return refused("--gen_kwargs", "'" + part + "' is no name=value",
                     "write temperature=0.7,max_gen_toks=256, or a JSON object");
    add_value(out, key, value_of(key, std::string_view(part).substr(equals + 1)));
  }
  return std::nullopt;
}

std::optional<fault> parse_json_object(std::string_view text, const char* option, json& out) {
  std::string from_file;
  if (text.starts_with('@')) {
    auto content = read_file(std::string(text.substr(1)));
    if (!content)
      return content.error();
    from_file = std::move(*content);
    text = from_file;
  }
  out = json::parse(text, nullptr, false);
  if (out.is_object())
    return std::nullopt;
  out = json::object();
  const bool generation = std::string_view(option) == "--gen_kwargs";
  return refused(option, "must be a JSON object",
                 generation
                     ? "for example '{\"temperature\": 0}', or temperature=0,max_gen_toks=256, or @FILE"
                     : "for example '{\"experiment\": \"first try\"}', or @FILE");
}

result<milliseconds> parse_duration(std::string_view text) {
  auto rest = trimmed(text);
  double total = 0;
  bool any = false;
  while (!rest.empty()) {
    const auto part = take_time(rest, 1000);
    if (!part)
      break;
    any = true;
    total += *part;
  }
  constexpr double longest = 1e14;
  if (!any || !rest.empty() || !(total <= longest))
    return refused({}, "'" + std::string(text) + "' is no time", "write 90s, 10m, 2h, 30d or 1h30m");
  return milliseconds{static_cast<int64_t>(std::llround(total))};
}

result<std::string> latency_in_milliseconds(std::string_view text) {
  const auto clean = trimmed(text);
  const auto colon = clean.find(':');
  std::string out;
  auto rest = clean;
  if (colon != std::string_view::npos) {
    out = std::string(clean.substr(0, colon + 1));
    rest.remove_prefix(colon + 1);
  }
  while (true) {
    const auto part = take_time(rest, 1);
    if (!part)
      return refused("--latency", "'" + std::string(text) + "' is no latency",
                     "fixed:50ms, uniform:10ms-90ms, lognormal:50ms,200ms or exponential:50ms");
    out += shortest(*part);
    if (rest.empty())
      return out;
    // Anything else but a separator is left to take_time, which refuses it.
    if (rest.front() == '-' || rest.front() == ',') {
      out += rest.front();
      rest.remove_prefix(1);
    }
  }
}

namespace {

/// JSON passes through, `@FILE` is read; nothing for any other form.
std::optional<result<std::string>> rules_as_json(std::string_view text, std::string_view member) {
  if (text.starts_with('@'))
    return read_file(std::string(text.substr(1)));
  if (text.starts_with('['))
    return std::string(text);
  if (text.starts_with('{'))
    return text.find("\"" + std::string(member) + "\"") != std::string_view::npos
               ? std::string(text)
               : "[" + std::string(text) + "]";
  return {};
}

/// Adds each `name=value` of @p text to @p rule.
std::optional<fault> add_values(std::string_view text, json& rule, const char* option, const char* example) {
  for (const auto& part : split_list(text)) {
    const auto equals = part.find('=');
    if (equals == std::string::npos)
      return refused(option, "'" + part + "' is no name=value", example);
    rule[part.substr(0, equals)] =
        value_of(part.substr(0, equals), std::string_view(part).substr(equals + 1));
  }
  return {};
}

} // namespace

result<std::string> fault_rules_json(std::string_view text) {
  const auto clean = trimmed(text);
  if (auto ready = rules_as_json(clean, "faults"))
    return *ready;
  const auto colon = clean.find(':');
  json rule{{"kind", std::string(clean.substr(0, colon))}};
  if (colon != std::string_view::npos)
    if (auto wrong = add_values(clean.substr(colon + 1), rule, "--fault",
                                "write KIND:name=value,..., for example status:status=503,every=10"))
      return *wrong;
  return json::array({std::move(rule)}).dump();
}

result<std::string> limit_rules_json(std::string_view text) {
  const auto clean = trimmed(text);
  if (auto ready = rules_as_json(clean, "limits"))
    return *ready;
  json given = json::object();
  if (auto wrong =
          add_values(clean, given, "--limit", "write name=value,..., for example model=sim-strong,rpm=60"))
    return *wrong;
  constexpr std::array<std::pair<std::string_view, std::string_view>, 6> short_names{
      {{"rps", "requests_per_second"},
       {"rpm", "requests_per_minute"},
       {"tpm", "tokens_per_minute"},
       {"itpm", "input_tokens_per_minute"},
       {"otpm", "output_tokens_per_minute"},
       {"concurrency", "concurrent_requests"}}};
  json rule = json::object();
  for (const auto& [name, value] : given.items()) {
    const auto found = std::find_if(short_names.begin(), short_names.end(),
                                    [&name = name](const auto& pair) { return pair.first == name; });
    rule[found == short_names.end() ? name : std::string(found->second)] = value;
  }
  return json::array({std::move(rule)}).dump();
}

result<std::pair<std::string, double>> parse_simulated_model(std::string_view text) {
  const auto equals = text.rfind('=');
  const auto accuracy =
      equals == std::string_view::npos ? std::nullopt : real_number(text.substr(equals + 1));
  if (!accuracy || equals == 0 || *accuracy < 0 || *accuracy > 1)
    return refused("--model", "'" + std::string(text) + "' is no NAME=ACCURACY",
                   "for example my-model=0.8; the accuracy lies in 0..1");
  return std::pair{std::string(text.substr(0, equals)), *accuracy};
}

result<sample_name> parse_sample_name(std::string_view text) {
  const auto parts = split_at(text, ':');
  const fault wrong = refused("SAMPLE", "'" + std::string(text) + "' names no sample",
                              "write TASK:VARIANT:ROW or TASK:VARIANT:ROW:EPOCH, as the list shows them");
  if (parts.size() < 3 || parts.size() > 4 || parts[0].empty() || parts[1].empty())
    return wrong;
  const auto row = whole_number<uint32_t>(parts[2]);
  const auto epoch =
      parts.size() == 4 ? whole_number<uint16_t>(parts[3]) : std::optional<uint16_t>{uint16_t{0}};
  if (!row || !epoch)
    return wrong;
  return sample_name{parts[0], parts[1], *row, *epoch};
}

} // namespace assay::cli
