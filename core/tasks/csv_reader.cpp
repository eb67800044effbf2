#include "core/tasks/dataset_readers.hpp"

#include <csv.h>
#include <simdjson.h>

#include <algorithm>
#include <utility>

namespace assay::tasks {
namespace {

/// libcsv's parser, fed one line at a time so that a row's line is known and only one row is in memory.
class row_splitter {
public:
  explicit row_splitter(char delimiter) {
    // Stray quotes are text, as other readers take them.
    usable_ = csv_init(&parser_, 0) == 0;
    csv_set_delim(&parser_, static_cast<unsigned char>(delimiter));
    // By default libcsv strips blanks around fields, which belong to the text.
    csv_set_space_func(&parser_, [](unsigned char) { return 0; });
  }
  row_splitter(const row_splitter&) = delete;
  row_splitter& operator=(const row_splitter&) = delete;
  ~row_splitter() {
    if (usable_)
      csv_free(&parser_);
  }

  /// @returns false on an error. Fields and row ends are collected.
  bool feed(std::string_view line) {
    return usable_ && csv_parse(&parser_, line.data(), line.size(), &on_field, &on_row, this) == line.size();
  }
  /// @returns false when the text ends inside quotes.
  bool finish() {
    // libcsv only tells in its strict mode, which must not begin before the end.
    csv_set_opts(&parser_, CSV_STRICT | CSV_STRICT_FINI);
    return usable_ && csv_fini(&parser_, &on_field, &on_row, this) == 0;
  }

  /// @returns whether a row has ended since the last call of take().
  bool complete() const noexcept { return rows_ > 0; }
  /// @returns whether more than one has: a carriage return in the middle of a line.
  bool torn() const noexcept { return rows_ > 1; }
  std::vector<std::string> take() {
    rows_ = 0;
    return std::exchange(fields_, {});
  }

private:
  static void on_field(void* bytes, size_t size, void* self) {
    const char* begin = static_cast<const char*>(bytes);
    static_cast<row_splitter*>(self)->fields_.emplace_back(begin == nullptr ? "" : begin,
                                                           begin == nullptr ? 0 : size);
  }
  static void on_row(int, void* self) { static_cast<row_splitter*>(self)->rows_ += 1; }

  csv_parser parser_{};
  bool usable_ = false;
  int rows_ = 0;
  std::vector<std::string> fields_;
};

class csv_reader final : public file_reader {
public:
  csv_reader(byte_reader bytes, char delimiter) : file_reader(std::move(bytes)), parser_(delimiter) {}

  result<std::optional<dataset_row>> next() override {
    std::vector<std::string> fields;
    uint64_t line = 0;
    auto more = next_checked_row(fields, line);
    if (more.has_error())
      return more.error();
    if (!*more)
      return std::optional<dataset_row>{};
    std::vector<row_value> values;
    values.reserve(fields.size());
    for (std::string& field : fields)
      values.push_back(row_value::of_text(std::move(field)));
    return std::optional(dataset_row{position_++, line, row_value::of_object(header_, std::move(values))});
  }

  result<uint64_t> skip(uint64_t count) override {
    std::vector<std::string> fields;
    uint64_t skipped = 0;
    uint64_t line = 0;
    while (skipped < count) {
      auto more = next_checked_row(fields, line);
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
  result<bool> next_checked_row(std::vector<std::string>& fields, uint64_t& line) {
    if (header_.empty()) {
      if (auto problem = read_header())
        return *std::move(problem);
      if (header_.empty())
        return false;
    }
    auto more = next_fields(fields, line);
    if (more.has_error() || !*more)
      return more;
    if (fields.size() != header_.size())
      return broken(line,
                    "the row has " + std::to_string(fields.size()) + " fields, the header "
                        + std::to_string(header_.size()),
                    "quote fields that contain the delimiter");
    return true;
  }

  std::optional<fault> read_header() {
    uint64_t line = 0;
    auto more = next_fields(header_, line);
    if (more.has_error())
      return more.error();
    std::vector<std::string> sorted = header_;
    std::sort(sorted.begin(), sorted.end());
    if (const auto twice = std::adjacent_find(sorted.begin(), sorted.end()); twice != sorted.end())
      return broken(line, "the header names `" + *twice + "` twice", "give every column a name of its own");
    return std::nullopt;
  }

  /// Rows may span lines when a field is quoted.
  result<bool> next_fields(std::vector<std::string>& fields, uint64_t& begun) {
    size_t size = 0;
    begun = 0;
    while (!parser_.complete()) {
      std::string_view line;
      auto more = bytes_.next_line(line, true);
      if (more.has_error())
        return more.error();
      if (!*more) {
        if (std::exchange(finished_, true))
          return false;
        if (!parser_.finish())
          return broken(begun == 0 ? bytes_.line() : begun,
                        "a quoted field of the row that begins here does not end",
                        "double the quotes inside quoted fields");
        if (!parser_.complete())
          return false;
        break;
      }
      const bool blank = size == 0 && (line == "\n" || line == "\r\n");
      if (begun == 0 && !blank)
        begun = bytes_.line();
      size += line.size();
      if (size > row_limit)
        return fault{errc::too_large, "the row is longer than 8 MiB", bytes_.where(begun), "shorten it"};
      if (!simdjson::validate_utf8(line.data(), line.size()))
        return broken(bytes_.line(), "the row is not UTF-8", "save the dataset as UTF-8");
      if (!parser_.feed(line) || parser_.torn())
        return broken(bytes_.line(), "the row cannot be parsed",
                      "quote fields that contain quotes or line ends");
      if (!parser_.complete() && blank)
        size = 0;
    }
    fields = parser_.take();
    return true;
  }

  row_splitter parser_;
  std::vector<std::string> header_;
  bool finished_ = false;
};

} // namespace

std::unique_ptr<file_reader> make_csv_reader(byte_reader bytes, char delimiter) {
  return std::make_unique<csv_reader>(std::move(bytes), delimiter);
}

} // namespace assay::tasks
