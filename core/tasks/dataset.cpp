#include "core/tasks/dataset.hpp"

#include "core/tasks/dataset_readers.hpp"

#include <simdjson.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <utility>

namespace assay::tasks {
namespace {

constexpr std::array<std::pair<dataset_format, std::string_view>, 4> format_names{{
    {dataset_format::jsonl, "jsonl"},
    {dataset_format::json, "json"},
    {dataset_format::csv, "csv"},
    {dataset_format::tsv, "tsv"},
}};

bool is_blank(std::string_view line) noexcept {
  return line.find_first_not_of(" \t\r\n\v\f") == std::string_view::npos;
}

class jsonl_reader final : public file_reader {
public:
  using file_reader::file_reader;

  result<std::optional<dataset_row>> next() override {
    std::string_view line;
    auto more = next_row(line);
    if (more.has_error())
      return more.error();
    if (!*more)
      return std::optional<dataset_row>{};
    auto fields = parse_object(line, bytes_.line());
    if (fields.has_error())
      return fields.error();
    return std::optional(dataset_row{position_++, bytes_.line(), std::move(*fields)});
  }

  result<uint64_t> skip(uint64_t count) override {
    std::string_view line;
    uint64_t skipped = 0;
    while (skipped < count) {
      auto more = next_row(line);
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
  result<bool> next_row(std::string_view& line) {
    while (true) {
      auto more = bytes_.next_line(line);
      if (more.has_error() || !*more || !is_blank(line))
        return more;
    }
  }
};

result<std::unique_ptr<file_reader>> open_reader(const std::string& path,
                                                 std::optional<dataset_format> format) {
  if (!format)
    format = dataset_format_of(path);
  if (!format)
    return fault{errc::dataset_unreadable, "cannot tell the dataset's format by its extension", path,
                 "use .jsonl, .json, .csv or .tsv, or name dataset_format"};
  auto bytes = byte_reader::open(path);
  if (bytes.has_error())
    return bytes.error();
  switch (*format) {
  case dataset_format::jsonl:
    return make_jsonl_reader(std::move(*bytes));
  case dataset_format::json:
    return make_json_array_reader(std::move(*bytes));
  case dataset_format::csv:
    return make_csv_reader(std::move(*bytes), ',');
  case dataset_format::tsv:
    return make_csv_reader(std::move(*bytes), '\t');
  }
  return fault{errc::unsupported, "unknown dataset format", path, {}};
}

} // namespace

std::string_view to_string(dataset_format format) noexcept {
  for (const auto& [value, name] : format_names)
    if (value == format)
      return name;
  return "unknown";
}

std::optional<dataset_format> dataset_format_from_string(std::string_view name) noexcept {
  if (name == "ndjson")
    return dataset_format::jsonl;
  for (const auto& [value, known] : format_names)
    if (known == name)
      return value;
  return std::nullopt;
}

std::optional<dataset_format> dataset_format_of(std::string_view path) noexcept {
  const size_t dot = path.rfind('.');
  if (dot == std::string_view::npos || path.size() - dot > 8)
    return std::nullopt;
  std::string extension(path.substr(dot + 1));
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return dataset_format_from_string(extension);
}

result<row_value> file_reader::parse_object(std::string_view json, uint64_t line) {
  if (!simdjson::validate_utf8(json.data(), json.size()))
    return broken(line, "the row is not UTF-8", "save the dataset as UTF-8");
  auto value = parser_.parse(json);
  if (value.has_error())
    return broken(line, "the row is " + value.error().message, "write one JSON object for each row");
  if (value->type() != row_value::kind::object)
    return broken(line, "expected a JSON object, found another value", "write one JSON object for each row");
  return value;
}

std::unique_ptr<file_reader> make_jsonl_reader(byte_reader bytes) {
  return std::make_unique<jsonl_reader>(std::move(bytes));
}

result<std::unique_ptr<dataset_reader>> dataset_reader::open(const std::string& path,
                                                             std::optional<dataset_format> format) {
  auto reader = open_reader(path, format);
  if (reader.has_error())
    return reader.error();
  return std::unique_ptr<dataset_reader>(std::move(*reader));
}

result<dataset_facts> inspect_dataset(const std::string& path, std::optional<dataset_format> format) {
  auto reader = open_reader(path, format);
  if (reader.has_error())
    return reader.error();
  sha256_digest digest;
  (*reader)->bytes().hash_into(&digest);
  while (true) {
    auto row = (*reader)->next();
    if (row.has_error())
      return row.error();
    if (!*row)
      break;
  }
  // Nothing but white space may be left, and it belongs to the hash.
  byte_reader& bytes = (*reader)->bytes();
  while (bytes.peek() >= 0)
    bytes.advance();
  if (bytes.error())
    return *bytes.error();
  return dataset_facts{digest.finish(), (*reader)->position(), bytes.bytes_read()};
}

std::string sha256_hex(std::string_view bytes) {
  sha256_digest digest;
  digest.update(bytes);
  return digest.finish();
}

} // namespace assay::tasks
