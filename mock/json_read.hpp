#pragma once

#include "mock/chat_request.hpp"
#include "mock/hash.hpp"

#include <simdjson.h>

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

/// What the readers of requests share.
namespace assay::mock::reading {

using simdjson::dom::array;
using simdjson::dom::element;
using simdjson::dom::object;

/// @returns the member, or nothing when it is missing or null.
inline std::optional<element> member(const object& in, std::string_view name) {
  element found;
  if (in.at_key(name).get(found) != simdjson::SUCCESS || found.is_null())
    return {};
  return found;
}

/// The first of several spellings.
inline std::optional<element> member(const object& in, std::initializer_list<std::string_view> names) {
  for (const auto name : names)
    if (auto found = member(in, name))
      return found;
  return {};
}

inline std::optional<std::string_view> text_of(const std::optional<element>& value) {
  std::string_view text;
  if (!value || value->get_string().get(text) != simdjson::SUCCESS)
    return {};
  return text;
}

inline std::optional<object> object_of(const std::optional<element>& value) {
  object fields;
  if (!value || value->get_object().get(fields) != simdjson::SUCCESS)
    return {};
  return fields;
}

inline std::optional<array> array_of(const std::optional<element>& value) {
  array list;
  if (!value || value->get_array().get(list) != simdjson::SUCCESS)
    return {};
  return list;
}

inline std::optional<double> number_of(const std::optional<element>& value) {
  double number = 0;
  if (!value || value->get_double().get(number) != simdjson::SUCCESS)
    return {};
  return number;
}

inline std::optional<int64_t> integer_of(const std::optional<element>& value) {
  int64_t number = 0;
  if (!value || value->get_int64().get(number) != simdjson::SUCCESS)
    return {};
  return number;
}

inline bool flag_of(const std::optional<element>& value, bool otherwise = false) {
  bool flag = otherwise;
  return value && value->get_bool().get(flag) == simdjson::SUCCESS ? flag : otherwise;
}

inline std::string minified(const element& value) { return simdjson::minify(value); }

/// Parses an object. @p parser owns what @p fields looks at.
inline bool parse_object(simdjson::dom::parser& parser, std::string_view body, object& fields) {
  element document;
  return parser.parse(body.data(), body.size()).get(document) == simdjson::SUCCESS
         && document.get_object().get(fields) == simdjson::SUCCESS;
}

/// Adds up a conversation's messages.
class conversation {
public:
  explicit conversation(chat_request& out) : out_(out) {}

  void message(std::string_view role, std::string_view text) {
    hash_ = hash_text(text, hash_text(role, hash_));
    out_.prompt_tokens += estimate_tokens(text) + 3;
  }
  void image(std::string_view content) {
    hash_ = hash_text(content, hash_);
    out_.prompt_tokens += tokens_per_image;
    ++out_.images;
  }
  void user(std::string_view text) {
    constexpr size_t most_earlier = 64;
    if (!out_.user_text.empty() && out_.earlier_user_texts.size() < most_earlier)
      out_.earlier_user_texts.push_back(std::move(out_.user_text));
    out_.user_text = text;
  }
  void finish() {
    out_.prompt_tokens += 3;
    out_.prompt_hash = hash_ == 0 ? 1 : hash_;
  }

private:
  chat_request& out_;
  uint64_t hash_ = 0;
};

} // namespace assay::mock::reading
