#include "server/router.hpp"

#include "core/values/closest_word.hpp"

#include <algorithm>
#include <charconv>
#include <stdexcept>

namespace assay::server {

namespace {

constexpr size_t longest_segment = 512;

std::vector<std::string_view> segments_of(std::string_view path) {
  std::vector<std::string_view> out;
  if (path.starts_with('/'))
    path.remove_prefix(1);
  if (path.empty())
    return out;
  for (size_t start = 0; start <= path.size();) {
    const auto end = std::min(path.find('/', start), path.size());
    out.push_back(path.substr(start, end - start));
    start = end + 1;
  }
  return out;
}

bool is_name(std::string_view segment) noexcept { return segment.starts_with('{') && segment.ends_with('}'); }

/// @returns how many segments of the pattern are literal, or -1 when the path does not match.
int literal_matches(const std::vector<std::string_view>& pattern, const std::vector<std::string>& path) {
  if (pattern.size() != path.size())
    return -1;
  int literals = 0;
  for (size_t i = 0; i < pattern.size(); ++i) {
    if (is_name(pattern[i])) {
      if (path[i].empty())
        return -1;
    } else if (pattern[i] == path[i]) {
      ++literals;
    } else {
      return -1;
    }
  }
  return literals;
}

fault refused(const std::string& where, std::string message, std::string hint = {}) {
  return {errc::invalid_argument, std::move(message), where, std::move(hint)};
}

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const auto& word : words)
    out += (out.empty() ? "" : ", ") + word;
  return out;
}

result<std::string> check_value(const query_parameter& declared, const std::string& value) {
  switch (declared.type) {
  case parameter_type::text:
    if (value.size() > declared.longest)
      return refused(declared.name, "must have at most " + std::to_string(declared.longest) + " bytes");
    return value;
  case parameter_type::integer: {
    int64_t number = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
    if (error != std::errc{} || end != value.data() + value.size() || number < declared.lowest
        || number > declared.highest)
      return refused(declared.name, "must be a whole number from " + std::to_string(declared.lowest) + " to "
                                        + std::to_string(declared.highest));
    return std::to_string(number);
  }
  case parameter_type::flag:
    for (const auto* word : {"true", "1", "yes", "on"})
      if (equals_ignoring_case(value, word))
        return std::string{"true"};
    for (const auto* word : {"false", "0", "no", "off"})
      if (equals_ignoring_case(value, word))
        return std::string{"false"};
    return refused(declared.name, "must be true or false");
  case parameter_type::choice:
    if (std::find(declared.choices.begin(), declared.choices.end(), value) != declared.choices.end())
      return value;
    return refused(declared.name, "must be one of " + joined(declared.choices));
  }
  return value;
}

} // namespace

void route_table::add(route declared) {
  for (const auto& known : routes_)
    if (known->method == declared.method && known->path == declared.path)
      throw std::logic_error("route declared twice: " + declared.path);
  for (const auto& name : {declared.request_schema, declared.response_schema})
    if (!name.empty() && !schemas_.has(name))
      throw std::logic_error("route " + declared.path + " names an unknown schema: " + name);
  for (const auto& parameter : declared.query)
    if (!parameter.fallback.empty() && !check_value(parameter, parameter.fallback))
      throw std::logic_error("route " + declared.path + " has a wrong fallback for " + parameter.name);
  routes_.push_back(std::make_unique<route>(std::move(declared)));
}

route_match find_route(const route_table& table, http_method method, std::string_view path) {
  route_match out;
  out.kind = family_of_path(path);
  if (!path.starts_with('/'))
    return out;
  std::vector<std::string> decoded;
  for (const auto segment : segments_of(path)) {
    auto text = segment.size() > longest_segment ? std::nullopt : percent_decode(segment, false);
    if (!text)
      return out;
    decoded.push_back(std::move(*text));
  }
  const auto wanted = method == http_method::head ? http_method::get : method;
  int best = -1;
  for (const auto& candidate : table.routes()) {
    const auto pattern = segments_of(candidate->path);
    const int literals = literal_matches(pattern, decoded);
    if (literals < 0)
      continue;
    out.allowed.emplace_back(to_string(candidate->method));
    if (candidate->method != wanted || literals <= best)
      continue;
    best = literals;
    out.found = candidate.get();
    out.kind = candidate->kind;
    out.path.clear();
    for (size_t i = 0; i < pattern.size(); ++i)
      if (is_name(pattern[i]))
        out.path.emplace(pattern[i].substr(1, pattern[i].size() - 2), decoded[i]);
  }
  if (std::find(out.allowed.begin(), out.allowed.end(), "GET") != out.allowed.end())
    out.allowed.emplace_back("HEAD");
  std::sort(out.allowed.begin(), out.allowed.end());
  out.allowed.erase(std::unique(out.allowed.begin(), out.allowed.end()), out.allowed.end());
  return out;
}

result<std::map<std::string, std::string>> check_query(const route& matched, std::string_view query) {
  auto pairs = parse_query(query);
  if (!pairs)
    return pairs.error();
  std::map<std::string, std::string> out;
  for (const auto& [name, value] : *pairs) {
    const auto declared = std::find_if(matched.query.begin(), matched.query.end(),
                                       [&](const query_parameter& one) { return one.name == name; });
    if (declared == matched.query.end()) {
      std::vector<std::string_view> known;
      for (const auto& one : matched.query)
        known.push_back(one.name);
      auto hint = did_you_mean(name, known);
      for (const auto& one : known)
        if (hint.empty() || hint.starts_with("known are "))
          hint += (hint.empty() ? "known are " : ", ") + std::string(one);
      return refused(name, "unknown query parameter", std::move(hint));
    }
    auto checked = check_value(*declared, value);
    if (!checked)
      return checked.error();
    if (!out.emplace(name, std::move(*checked)).second)
      return refused(name, "is given twice");
  }
  for (const auto& declared : matched.query)
    if (!declared.fallback.empty())
      out.emplace(declared.name, declared.fallback);
  return out;
}

} // namespace assay::server
