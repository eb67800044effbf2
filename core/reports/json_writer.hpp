#pragma once

#include "core/tasks/row_value.hpp"

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace assay::reports {

/// Appends JSON to a text exactly as Python's json.dumps(value, ensure_ascii=False) writes it, so that hashes
/// of such texts can be compared: `", "` and `": "` on one line, or with an indent as json.dumps(indent=N);
/// numbers as Python's repr(), NaN and Infinity by these names. Bytes that are not UTF-8 become U+FFFD.
class json_writer {
public:
  /// @param indent Columns a level; negative: everything on one line. @param out Kept by the caller.
  explicit json_writer(std::string& out, int indent = -1) : out_(out), indent_(indent) {}

  json_writer& begin_object();
  json_writer& end_object();
  json_writer& begin_array();
  json_writer& end_array();
  json_writer& key(std::string_view name);

  json_writer& text(std::string_view value);
  json_writer& number(double value);
  json_writer& number(const std::optional<double>& value);
  json_writer& integer(int64_t value);
  json_writer& count(uint64_t value);
  json_writer& boolean(bool value);
  json_writer& null();
  json_writer& value(const nlohmann::json& value);
  /// Numbers keep their value however they were written; a repeated name keeps its last value, as in a dict.
  json_writer& value(const tasks::row_value& value);

  /// Writes a member at once.
  json_writer& member(std::string_view name, std::string_view text_value) {
    return key(name).text(text_value);
  }
  json_writer& member(std::string_view name, const char* text_value) { return key(name).text(text_value); }
  json_writer& text_or_null(std::string_view name, std::string_view value) {
    return value.empty() ? key(name).null() : key(name).text(value);
  }

private:
  struct level {
    bool is_object = false;
    bool empty = true;
  };

  void before_value();
  void new_line(size_t depth);
  void close(char end);

  std::string& out_;
  const int indent_;
  std::vector<level> levels_;
  bool after_key_ = false;
};

/// @returns @p value as Python's repr() of a float: the shortest text that reads back the same, `1.0`,
/// `1e-05`.
std::string python_float(double value);

/// Appends @p text in quotes, escaped as Python's json does with ensure_ascii=False.
void append_json_text(std::string& out, std::string_view text);

} // namespace assay::reports
