#include "core/tasks/promptfoo/values.hpp"

#include "core/scoring/assertions.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <utility>

namespace assay::tasks::promptfoo {
namespace {

constexpr int depth_limit = 64;
constexpr size_t part_limit = 500'000;

bool is_one_of(std::string_view text, std::initializer_list<std::string_view> words) {
  return std::find(words.begin(), words.end(), text) != words.end();
}

template <class Number>
std::optional<Number> number_in(std::string_view text) {
  if (text.starts_with('+'))
    text.remove_prefix(1);
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size())
    return std::nullopt;
  return value;
}

/// Plain scalars by the core schema; `yes` and `010` are no flag and no octal number there.
ordered scalar_of(const YAML::Node& node) {
  const std::string& text = node.Scalar();
  if (node.Tag() == "!" || node.Tag() == "tag:yaml.org,2002:str")
    return text;
  if (is_one_of(text, {"", "~", "null", "Null", "NULL"}))
    return nullptr;
  if (is_one_of(text, {"true", "True", "TRUE"}))
    return true;
  if (is_one_of(text, {"false", "False", "FALSE"}))
    return false;
  if (const auto whole = number_in<int64_t>(text))
    return *whole;
  const bool numeric = text.find_first_not_of("0123456789+-.eE") == std::string::npos;
  if (const auto number = numeric ? number_in<double>(text) : std::nullopt; number && std::isfinite(*number))
    return *number;
  return text;
}

class converter {
public:
  std::optional<ordered> convert(const YAML::Node& node, int depth) {
    if (depth > depth_limit || ++parts_ > part_limit)
      return std::nullopt;
    if (!node.IsDefined() || node.IsNull())
      return ordered(nullptr);
    if (node.IsScalar())
      return scalar_of(node);
    if (node.IsMap())
      return convert_map(node, depth);
    ordered out = ordered::array();
    for (const auto& item : node) {
      auto one = convert(item, depth + 1);
      if (!one)
        return std::nullopt;
      out.push_back(std::move(*one));
    }
    return out;
  }

private:
  std::optional<ordered> convert_map(const YAML::Node& node, int depth) {
    ordered out = ordered::object();
    ordered merged = ordered::object();
    for (const auto& item : node) {
      if (!item.first.IsScalar())
        continue;
      auto value = convert(item.second, depth + 1);
      if (!value)
        return std::nullopt;
      if (item.first.Scalar() != "<<") {
        out[item.first.Scalar()] = std::move(*value);
        continue;
      }
      // Earlier mappings of a list go before later ones.
      const ordered list = value->is_array() ? std::move(*value) : ordered::array({std::move(*value)});
      for (const auto& from : list)
        if (from.is_object())
          for (const auto& [key, inner] : from.items())
            if (!merged.contains(key))
              merged[key] = inner;
    }
    for (const auto& [key, value] : merged.items())
      if (!out.contains(key))
        out[key] = value;
    return out;
  }

  size_t parts_ = 0;
};

std::string_view trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t\r\n");
  return begin == std::string_view::npos ? std::string_view{}
                                         : text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1);
}

bool is_name(std::string_view text) {
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '$'
           || static_cast<unsigned char>(c) >= 0x80;
  };
  return !text.empty() && std::all_of(text.begin(), text.end(), fits);
}

fault not_understood(std::string_view what) {
  return {errc::unsupported,
          "`" + std::string(what.substr(0, 60)) + "` is no variable",
          {},
          "known are {{ name }}, {{ name.member }} and {{ name[0] }}; filters and statements are not"};
}

/// `a.b[0]["c"]` as its steps.
std::optional<std::vector<std::string>> path_of(std::string_view text) {
  std::vector<std::string> out;
  while (!text.empty()) {
    if (text.front() == '[') {
      const size_t end = text.find(']');
      if (end == std::string_view::npos || out.empty())
        return std::nullopt;
      auto inner = trimmed(text.substr(1, end - 1));
      if (inner.size() > 1 && (inner.front() == '"' || inner.front() == '\'')
          && inner.back() == inner.front())
        inner = inner.substr(1, inner.size() - 2);
      else if (!number_in<uint32_t>(inner))
        return std::nullopt;
      out.emplace_back(inner);
      text.remove_prefix(end + 1);
      continue;
    }
    if (text.front() == '.') {
      if (out.empty())
        return std::nullopt;
      text.remove_prefix(1);
    } else if (!out.empty()) {
      return std::nullopt;
    }
    const size_t end = std::min(text.find_first_of(".["), text.size());
    if (!is_name(text.substr(0, end)))
      return std::nullopt;
    out.emplace_back(text.substr(0, end));
    text.remove_prefix(end);
  }
  return out.empty() ? std::nullopt : std::optional(std::move(out));
}

const ordered* step(const ordered& from, const std::string& name) {
  if (from.is_object()) {
    const auto found = from.find(name);
    return found == from.end() ? nullptr : &*found;
  }
  const auto index = from.is_array() ? number_in<uint32_t>(name) : std::nullopt;
  return index && *index < from.size() ? &from[*index] : nullptr;
}

/// Types that other programs know are types too, so that nobody takes them for texts.
bool is_type(std::string_view name) {
  if (name.starts_with("not-"))
    name.remove_prefix(4);
  constexpr std::string_view others[] = {"latency",      "cost",
                                         "llm-rubric",   "grade",
                                         "similar",      "javascript",
                                         "fn",           "eval",
                                         "python",       "ruby",
                                         "webhook",      "factuality",
                                         "g-eval",       "moderation",
                                         "perplexity",   "answer-relevance",
                                         "classifier",   "model-graded-closedqa",
                                         "is-xml",       "is-sql",
                                         "is-html",      "contains-xml",
                                         "contains-sql", "contains-html",
                                         "is-refusal",   "gleu",
                                         "meteor",       "select-best",
                                         "max-score"};
  const auto known = scoring::assertion_types();
  return std::find(known.begin(), known.end(), name) != known.end()
         || std::find(std::begin(others), std::end(others), name) != std::end(others);
}

std::string shown(const ordered& value) {
  if (value.is_string())
    return value.get<std::string>();
  return value.is_null() ? std::string{} : value.dump(-1, ' ', false, ordered::error_handler_t::replace);
}

} // namespace

std::optional<ordered> to_json(const YAML::Node& node) { return converter{}.convert(node, 0); }

result<variable_text> variable_text::compile(std::string_view source) {
  variable_text out;
  if (const size_t at = source.find("{%"); at != std::string_view::npos)
    return not_understood(source.substr(at));
  size_t begin = 0;
  for (size_t at = source.find("{{"); at != std::string_view::npos; at = source.find("{{", begin)) {
    const size_t end = source.find("}}", at);
    if (end == std::string_view::npos)
      return not_understood(source.substr(at));
    auto path = path_of(trimmed(source.substr(at + 2, end - at - 2)));
    if (!path)
      return not_understood(source.substr(at, end - at + 2));
    out.parts_.push_back({std::string(source.substr(begin, at - begin)), std::move(*path)});
    begin = end + 2;
  }
  out.tail_ = source.substr(begin);
  return out;
}

result<std::string> variable_text::render(const ordered& variables) const {
  std::string out;
  for (const auto& place : parts_) {
    out.append(place.before);
    const ordered* value = &variables;
    std::string so_far;
    for (const auto& name : place.path) {
      so_far.append(so_far.empty() ? "" : ".").append(name);
      value = step(*value, name);
      if (value == nullptr)
        return fault{
            errc::template_failed, "the variable `" + so_far + "` has no value", {}, "add it to vars"};
    }
    out.append(shown(*value));
  }
  return out.append(tail_);
}

std::optional<fault> render_all(ordered& value, const ordered& variables) {
  if (value.is_string()) {
    const auto compiled = variable_text::compile(value.get_ref<const std::string&>());
    if (!compiled)
      return compiled.error();
    auto text = compiled->render(variables);
    if (!text)
      return text.error();
    value = std::move(*text);
    return std::nullopt;
  }
  if (value.is_structured())
    for (auto& one : value)
      if (auto wrong = render_all(one, variables))
        return wrong;
  return std::nullopt;
}

ordered assertion_of(std::string_view expected) {
  constexpr auto is_word = [](char c) { return (c >= 'a' && c <= 'z') || c == '-'; };
  const auto all = trimmed(expected);
  size_t at = 0;
  while (at < all.size() && is_word(all[at]))
    ++at;
  std::string type(all.substr(0, at));
  std::optional<double> threshold;
  if (at < all.size() && all[at] == '(') {
    const size_t end = all.find(')', at);
    if (end != std::string_view::npos)
      threshold = number_in<double>(trimmed(all.substr(at + 1, end - at - 1)));
    at = threshold ? end + 1 : all.size();
  }
  const bool has_value = at < all.size() && all[at] == ':';
  const bool stands_alone =
      at == all.size() && (type.ends_with("is-json") || type.ends_with("contains-json"));
  if (!is_type(type) || (!has_value && !stands_alone))
    return {{"type", "equals"}, {"value", std::string(expected)}};
  if (type == "grade")
    type = "llm-rubric";
  if (type == "fn" || type == "eval")
    type = "javascript";
  ordered out{{"type", type}};
  if (threshold)
    out["threshold"] = *threshold;
  if (!has_value)
    return out;
  const std::string value(trimmed(all.substr(at + 1)));
  if (type.ends_with("is-json") || type.ends_with("contains-json"))
    out["value"] = ordered::parse(value, nullptr, false);
  else
    out["value"] = value;
  if (out["value"].is_discarded())
    out["value"] = value;
  return out;
}

} // namespace assay::tasks::promptfoo
