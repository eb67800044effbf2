#pragma once

#include <simdjson.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

/// Reading JSON whose types nobody guarantees. For the .cpp files of this folder only.
namespace assay::codecs {

namespace dom = simdjson::dom;

/// @returns the member, or nothing when it is absent or null, or @p parent is no object.
std::optional<dom::element> member(dom::element parent, const char* name);

/// @returns the text, or an empty one for every other type.
std::string_view text_of(const std::optional<dom::element>& element);
std::string_view text_member(dom::element parent, const char* name);

/// @returns a number that is not negative, cut at the largest uint32_t; nothing for everything else.
std::optional<uint32_t> count_member(dom::element parent, const char* name);
std::optional<double> number_member(dom::element parent, const char* name);
bool flag_member(dom::element parent, const char* name);

/// A text or an integer, as text: `error.code` comes as either.
std::string word_member(dom::element parent, const char* name);

/// A text as it is, anything else as JSON: tool arguments come as either.
std::string text_or_json(dom::element element);

/// One parsed text at a time; its buffers are reused. The elements of a text live until the next parse().
class json_document {
public:
  /// Accepts what other clients accept: a byte order mark, white space around the value, ill-formed UTF-8 and
  /// escaped lone surrogates (both become U+FFFD). @returns nothing for what is not JSON or nested too
  /// deeply.
  std::optional<dom::element> parse(std::string_view text);

private:
  dom::parser parser_;
};

} // namespace assay::codecs
