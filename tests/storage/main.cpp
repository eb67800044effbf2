#include "tests/storage/helper_process.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace assay::storage {
void write_golden_files(const std::string& folder);
} // namespace assay::storage

/// The tests, or another process for them, or the golden files anew: --write-golden <folder>.
int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  if (words.size() >= 2 && words[0] == "--helper")
    return assay::storage::testing::run_helper(words[1], {words.begin() + 2, words.end()});
  if (words.size() == 2 && words[0] == "--write-golden") {
    assay::storage::write_golden_files(words[1]);
    return 0;
  }
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
