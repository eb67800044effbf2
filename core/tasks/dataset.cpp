#include "core/tasks/dataset.hpp"

#include "core/tasks/dataset_readers.hpp"

#include <simdjson.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <functional>
#include <utility>
#include <vector>

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
                 "use .jsonl, .json, .csv or .tsv, also with .gz, or name dataset_format"};
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
  for (const std::string_view compressed : {".gz", ".GZ"})
    if (path.ends_with(compressed))
      path.remove_suffix(compressed.size());
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

namespace {

/// Finds rows whose column `id` says the same. Holds 16 bytes a row; equal hashes are looked at again.
class id_check {
public:
  void see(const dataset_row& row) {
    if (const auto* id = row.fields.find("id"))
      if (id->type() == row_value::kind::text || id->type() == row_value::kind::number)
        seen_.emplace_back(std::hash<std::string_view>{}(id->text()), row.index);
  }

  /// @returns the rows that may have the same id, in pairs of an earlier and a later one.
  std::vector<std::pair<uint64_t, uint64_t>> suspects() {
    std::sort(seen_.begin(), seen_.end());
    std::vector<std::pair<uint64_t, uint64_t>> out;
    for (size_t i = 1; i < seen_.size() && out.size() < most_suspects; ++i)
      if (seen_[i].first == seen_[i - 1].first)
        out.emplace_back(seen_[i - 1].second, seen_[i].second);
    return out;
  }

private:
  static constexpr size_t most_suspects = 16;

  std::vector<std::pair<uint64_t, uint64_t>> seen_;
};

/// @returns the row @p index; nothing when the file has changed since.
result<std::optional<dataset_row>> row_at(const std::string& path, std::optional<dataset_format> format,
                                          uint64_t index) {
  auto reader = dataset_reader::open(path, format);
  if (!reader)
    return reader.error();
  if (auto skipped = (*reader)->skip(index); !skipped)
    return skipped.error();
  return (*reader)->next();
}

std::optional<fault> check_ids(const std::string& path, std::optional<dataset_format> format, id_check& ids) {
  for (const auto& [earlier, later] : ids.suspects()) {
    auto one = row_at(path, format, earlier);
    auto other = row_at(path, format, later);
    if (!one || !other || !*one || !*other)
      continue;
    const auto* first = (*one)->fields.find("id");
    const auto* second = (*other)->fields.find("id");
    if (first != nullptr && second != nullptr && first->text() == second->text())
      return fault{errc::dataset_unreadable,
                   "the id `" + first->text().substr(0, 80) + "` stands in line "
                       + std::to_string((*one)->line) + " already",
                   path + ":" + std::to_string((*other)->line), "give every row an id of its own"};
  }
  return std::nullopt;
}

} // namespace

result<dataset_facts> inspect_dataset(const std::string& path, std::optional<dataset_format> format) {
  auto reader = open_reader(path, format);
  if (reader.has_error())
    return reader.error();
  sha256_digest digest;
  (*reader)->bytes().hash_into(&digest);
  id_check ids;
  while (true) {
    auto row = (*reader)->next();
    if (row.has_error())
      return row.error();
    if (!*row)
      break;
    ids.see(**row);
  }
  // Nothing but white space may be left, and it belongs to the hash.
  byte_reader& bytes = (*reader)->bytes();
  while (bytes.peek() >= 0)
    bytes.advance();
  if (bytes.error())
    return *bytes.error();
  if (auto twice = check_ids(path, format, ids))
    return *std::move(twice);
  return dataset_facts{digest.finish(), (*reader)->position(), bytes.bytes_read()};
}

std::string sha256_hex(std::string_view bytes) {
  sha256_digest digest;
  digest.update(bytes);
  return digest.finish();
}

} // namespace assay::tasks
