#pragma once

#include "config/load.hpp"
#include "config/models.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

namespace assay::config::test {

namespace fs = std::filesystem;

/// A folder that is gone after the test.
class temporary_folder {
public:
  temporary_folder() {
    auto pattern = (fs::temp_directory_path() / "assay-config-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  ~temporary_folder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  temporary_folder(const temporary_folder&) = delete;
  temporary_folder& operator=(const temporary_folder&) = delete;

  std::string path() const { return path_.string(); }

  void write(const std::string& name, std::string_view text) const {
    fs::create_directories((path_ / name).parent_path());
    std::ofstream(path_ / name, std::ios::binary) << text;
  }

private:
  fs::path path_;
};

/// A working folder with a folder `config`, isolated from the machine's own variables and files.
class config_test : public ::testing::Test {
protected:
  config_test() {
    request.working_dir = folder.path();
    request.home_dir = folder.path() + "/home";
    fs::create_directories(folder.path() + "/config");
  }

  void file(const std::string& name, std::string_view text) { folder.write("config/" + name, text); }

  settings loaded() {
    auto result = load(request);
    if (!result) {
      ADD_FAILURE() << to_string(result.error());
      return {};
    }
    return *result;
  }

  fault refused() {
    auto result = load(request);
    if (result) {
      ADD_FAILURE() << "loaded without complaint";
      return {};
    }
    return result.error();
  }

  /// What is wrong with one file local.yaml.
  fault refused(std::string_view text) {
    file("local.yaml", text);
    return refused();
  }

  static bool has(std::string_view text, std::string_view part) {
    return text.find(part) != std::string_view::npos;
  }

  static bool warns(const settings& values, std::string_view part) {
    for (const auto& warning : values.warnings)
      if (has(warning, part))
        return true;
    return false;
  }

  temporary_folder folder;
  load_request request;
};

} // namespace assay::config::test
