#pragma once

#include "process.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace assay::cli::test {

/// A folder of its own in which the real program runs.
class binary : public testing::Test {
protected:
  binary() {
    std::string name = (std::filesystem::temp_directory_path() / "assay-cli-XXXXXX").string();
    folder = ::mkdtemp(name.data());
  }
  ~binary() override { std::filesystem::remove_all(folder); }

  finished assay(const std::vector<std::string>& arguments) const {
    return run_assay(arguments, folder, environment);
  }

  /// A task with @p rows sums, whose answers simulated models know.
  void write_task(int rows) const {
    std::filesystem::create_directories(folder + "/sums");
    std::ofstream(folder + "/sums/sums.yaml")
        << "id: sums\nname: Sums\ndescription: Small sums.\nlanguages: [en]\n"
           "dataset: sums.jsonl\n"
           "prompts:\n  plain: \"What is {a} plus 1? Only the number.\"\n"
           "  polite: \"Please say what {a} plus 1 is, only the number.\"\n"
           "target: \"{b}\"\nscorer: {type: numeric}\n"
           "generation: {temperature: 0, max_tokens: 32}\n";
    std::ofstream data(folder + "/sums/sums.jsonl");
    for (int i = 0; i < rows; ++i)
      data << nlohmann::json{{"a", i}, {"b", i + 1}}.dump() << "\n";
  }

  /// Starts the mock provider and lets later commands know it.
  void start_mock(const std::vector<std::string>& more = {}) {
    std::vector<std::string> words{ASSAY_BINARY,  "mock-provider", "--port",      "0",
                                   "--port-file", "mock.port",     "--tasks-dir", "sums"};
    words.insert(words.end(), more.begin(), more.end());
    mock = std::make_unique<process>(words, folder);
    auto port = wait_for_file(folder + "/mock.port", *mock);
    ASSERT_FALSE(port.empty()) << mock->wait().err;
    port.pop_back();
    environment["ASSAY_MOCK_URL"] = "http://127.0.0.1:" + port + "/v1";
  }

  std::string folder;
  std::map<std::string, std::string> environment;
  std::unique_ptr<process> mock;
};

} // namespace assay::cli::test
