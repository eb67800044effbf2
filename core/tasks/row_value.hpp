#pragma once

#include "core/values/errors.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace assay::tasks {

/// A value of a dataset's row: JSON whose numbers keep the form they were written in.
class row_value {
public:
  enum class kind : uint8_t { null, boolean, number, text, array, object };

  row_value() = default;
  static row_value of_text(std::string text);
  /// @param names As many as @p values.
  static row_value of_object(std::vector<std::string> names, std::vector<row_value> values);

  kind type() const noexcept { return type_; }
  /// The text itself, the number as written, `true`, `false` or `null`; empty for arrays and objects.
  const std::string& text() const noexcept { return text_; }

  /// @returns the member of an object, the last one when the name repeats, or null.
  const row_value* find(std::string_view name) const noexcept;
  /// @returns the element of an array, or null.
  const row_value* at(size_t index) const noexcept;
  /// Names of an object's members, in their order.
  const std::vector<std::string>& names() const noexcept { return names_; }
  /// Of an array or object.
  size_t size() const noexcept { return items_.size(); }

  /// Appends what a prompt shows: texts as they are, everything else as JSON.
  void append_to(std::string& out) const;

private:
  friend class row_builder;
  friend class fast_row_builder;
  void append_json(std::string& out) const;

  kind type_ = kind::null;
  std::string text_ = "null";
  std::vector<std::string> names_;
  std::vector<row_value> items_;
};

/// Reads JSON values one after another, reusing its buffers. Not for use from several threads at once.
class row_parser {
public:
  row_parser();
  ~row_parser();
  row_parser(const row_parser&) = delete;
  row_parser& operator=(const row_parser&) = delete;

  /// As parse_row_value(), and faster.
  result<row_value> parse(std::string_view json);

private:
  struct buffers;
  std::unique_ptr<buffers> buffers_;
};

/// Reads one JSON value. Fails with errc::malformed_input and the parser's reason for text that is not JSON
/// or not UTF-8, or that nests over 100 deep.
result<row_value> parse_row_value(std::string_view json);

} // namespace assay::tasks
