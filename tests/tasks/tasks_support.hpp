#pragma once

#include "core/tasks/dataset.hpp"

#include <gtest/gtest.h>

#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

namespace assay::tasks {

/// A folder of its own for each test, removed at its end.
class folder_test : public testing::Test {
protected:
  folder_test() {
    std::string name = (std::filesystem::temp_directory_path() / "assay_tasks_XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr)
      ADD_FAILURE() << "no temporary folder";
    folder = name;
  }
  ~folder_test() override {
    std::error_code ignored;
    std::filesystem::remove_all(folder, ignored);
  }

  std::string write(const std::string& name, std::string_view bytes) const {
    const std::filesystem::path path = folder / name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    return path.string();
  }

  std::filesystem::path folder;
};

inline std::string shown(const row_value& value) {
  std::string text;
  value.append_to(text);
  return text;
}

/// @returns every row as JSON, or what went wrong at the end.
inline std::vector<std::string> rows_of(const std::string& path) {
  std::vector<std::string> rows;
  auto reader = dataset_reader::open(path);
  if (reader.has_error())
    return {to_string(reader.error())};
  while (true) {
    auto row = (*reader)->next();
    if (row.has_error()) {
      rows.push_back(std::string(to_string(row.error().code)) + " " + to_string(row.error()));
      return rows;
    }
    if (!*row)
      return rows;
    EXPECT_EQ((*row)->index, rows.size());
    rows.push_back(shown((*row)->fields));
  }
}

} // namespace assay::tasks
