#include "core/tasks/dataset_readers.hpp"

#include <utility>

namespace assay::tasks {
namespace {

/// Walks the file's structure byte by byte and gives only one element at a time to the parser.
class json_array_reader final : public file_reader {
public:
  using file_reader::file_reader;

  result<std::optional<dataset_row>> next() override {
    std::string text;
    uint64_t line = 0;
    auto more = next_element(&text, line);
    if (more.has_error())
      return more.error();
    if (!*more)
      return std::optional<dataset_row>{};
    auto fields = parse_object(text, line);
    if (fields.has_error())
      return fields.error();
    return std::optional(dataset_row{position_++, line, std::move(*fields)});
  }

  result<uint64_t> skip(uint64_t count) override {
    uint64_t skipped = 0;
    uint64_t line = 0;
    while (skipped < count) {
      auto more = next_element(nullptr, line);
      if (more.has_error())
        return more.error();
      if (!*more)
        break;
      ++skipped;
      ++position_;
    }
    return skipped;
  }

private:
  enum class stage : uint8_t { start, rows, after_rows, done };

  static constexpr std::string_view form_hint =
      "expected an array of objects, or an object with one such array; one object a line is .jsonl";

  fault here(std::string message) const {
    return broken(bytes_.line(), std::move(message), std::string(form_hint));
  }

  int next_byte() {
    while (true) {
      const int c = bytes_.peek();
      if (c != ' ' && c != '\t' && c != '\r' && c != '\n')
        return c;
      bytes_.advance();
    }
  }

  bool take(char wanted) {
    if (next_byte() != static_cast<unsigned char>(wanted))
      return false;
    bytes_.advance();
    return true;
  }

  /// Ends on the first element of the array of rows, or after everything.
  result<bool> next_element(std::string* text, uint64_t& line) {
    if (stage_ == stage::start) {
      if (auto problem = find_rows())
        return *std::move(problem);
    } else if (stage_ == stage::rows) {
      if (take(']')) {
        if (auto problem = leave_rows())
          return *std::move(problem);
      } else if (!take(',')) {
        return read_problem().value_or(here("expected , or ] after a row"));
      }
    }
    if (stage_ != stage::rows)
      return false;
    if (next_byte() != '{')
      return read_problem().value_or(here("expected an object as a row"));
    line = bytes_.line();
    if (auto problem = read_value(text))
      return *std::move(problem);
    return true;
  }

  std::optional<fault> find_rows() {
    if (take('[')) {
      inside_object_ = false;
      if (take(']'))
        return leave_rows();
      stage_ = stage::rows;
      return std::nullopt;
    }
    if (!take('{'))
      return read_problem().value_or(here("the dataset is no JSON array"));
    inside_object_ = true;
    if (auto problem = members(true))
      return problem;
    if (stage_ != stage::rows)
      return here("the object has no array of objects");
    return std::nullopt;
  }

  /// Reads members up to the array of rows, or all of them. Arrays of other things are passed over.
  std::optional<fault> members(bool first) {
    while (true) {
      if (take('}'))
        return end_of_file();
      if (!first && !take(','))
        return read_problem().value_or(here("expected , or } after a member"));
      first = false;
      if (next_byte() != '"')
        return read_problem().value_or(here("expected a member's name"));
      if (auto problem = read_checked())
        return problem;
      if (!take(':'))
        return here("expected : after a member's name");
      if (next_byte() != '[') {
        if (auto problem = read_checked())
          return problem;
        continue;
      }
      bytes_.advance();
      if (next_byte() == '{') {
        if (stage_ == stage::after_rows)
          return here("the object has more than one array of objects");
        stage_ = stage::rows;
        return std::nullopt;
      }
      if (auto problem = pass_array())
        return problem;
    }
  }

  /// Reads the rest of an array whose bracket is read.
  std::optional<fault> pass_array() {
    if (take(']'))
      return std::nullopt;
    while (true) {
      if (auto problem = read_checked())
        return problem;
      if (take(']'))
        return std::nullopt;
      if (!take(','))
        return read_problem().value_or(here("expected , or ] in an array"));
    }
  }

  std::optional<fault> leave_rows() {
    stage_ = stage::after_rows;
    return inside_object_ ? members(false) : end_of_file();
  }

  std::optional<fault> end_of_file() {
    if (next_byte() >= 0)
      return here("there is more after the end of the JSON value");
    if (stage_ == stage::after_rows)
      stage_ = stage::done;
    return bytes_.error();
  }

  /// Reads a value that is no row, and checks it.
  std::optional<fault> read_checked() {
    std::string text;
    if (next_byte() < 0)
      return read_problem().value_or(here("the JSON ends in the middle"));
    if (auto problem = read_value(&text))
      return problem;
    if (const auto value = parse_row_value(text); value.has_error())
      return here("the file is " + value.error().message);
    return std::nullopt;
  }

  std::optional<fault> read_problem() const {
    if (bytes_.error())
      return bytes_.error();
    return std::nullopt;
  }

  /// Copies the value that begins here to @p text, or passes over it when that is null.
  std::optional<fault> read_value(std::string* text) {
    const uint64_t begun = bytes_.line();
    size_t size = 0;
    int depth = 0;
    bool quoted = false;
    bool escaped = false;
    while (true) {
      const int c = bytes_.peek();
      if (c < 0)
        return depth == 0 && !quoted && size > 0 ? std::nullopt : cut_short(begun);
      const bool ends_scalar = depth == 0 && !quoted
                               && (c == ',' || c == ']' || c == '}' || c == ':' || c == ' ' || c == '\t'
                                   || c == '\r' || c == '\n');
      if (ends_scalar)
        return std::nullopt;
      if (++size > row_limit)
        return fault{errc::too_large, "the element is longer than 8 MiB", bytes_.where(begun), "shorten it"};
      if (text != nullptr)
        text->push_back(static_cast<char>(c));
      bytes_.advance();
      if (quoted) {
        if (escaped)
          escaped = false;
        else if (c == '\\')
          escaped = true;
        else if (c == '"')
          quoted = false;
        if (!quoted && depth == 0)
          return std::nullopt;
      } else if (c == '"') {
        quoted = true;
      } else if (c == '{' || c == '[') {
        ++depth;
      } else if ((c == '}' || c == ']') && --depth == 0) {
        return std::nullopt;
      }
    }
  }

  std::optional<fault> cut_short(uint64_t begun) const {
    if (bytes_.error())
      return bytes_.error();
    return broken(begun, "the element that begins here does not end", std::string(form_hint));
  }

  stage stage_ = stage::start;
  bool inside_object_ = false;
};

} // namespace

std::unique_ptr<file_reader> make_json_array_reader(byte_reader bytes) {
  return std::make_unique<json_array_reader>(std::move(bytes));
}

} // namespace assay::tasks
