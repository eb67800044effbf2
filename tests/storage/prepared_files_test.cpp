#include "storage/prepared_files.hpp"

#include "tests/storage/support.hpp"

#include <gtest/gtest.h>

#include <fstream>

namespace assay::storage {
namespace {

using namespace testing;
namespace fs = std::filesystem;

const std::string pinned_key(64, 'a');
const std::string other_key(64, 'b');
const run_id owner{1000U, 1U};

TEST(prepared_files, ThoseThatNoRunPinsAreUnused) {
  const temp_folder temp;
  test_farm farm(temp.data());
  auto run = run_of(owner, run_state::completed);
  run.spec.tasks.resize(1);
  // The folder may have moved since.
  run.spec.tasks.front().dataset_path = "/elsewhere/prepared/" + pinned_key + ".jsonl";
  write_batch batch;
  batch.runs = {run};
  ASSERT_FALSE(farm.write(std::move(batch)).error);
  const fs::path folder = fs::path(temp.data()) / "prepared";
  fs::create_directories(folder / (std::string(64, 'c') + ".jsonl"));
  for (const auto& name :
       {pinned_key + ".jsonl", pinned_key + ".yaml", other_key + ".jsonl", other_key + ".yaml",
        other_key + ".jsonl.7.1.part", std::string("notes.txt"), other_key + ".txt"})
    std::ofstream(folder / name) << "text";
  const auto future = wall_time{seconds{32'000'000'000}};
  const auto found = find_unused_files(farm.data(), folder, future).value();
  std::vector<std::string> names;
  for (const auto& file : found.files)
    names.push_back(file.filename().string());
  EXPECT_EQ(names, (std::vector{other_key + ".jsonl", other_key + ".jsonl.7.1.part", other_key + ".yaml"}));
  EXPECT_EQ(found.bytes, 12U);
  EXPECT_TRUE(find_unused_files(farm.data(), folder, wall_time{seconds{1000}})->files.empty()) << "too young";
  EXPECT_EQ(find_unused_files(farm.data(), folder, future, {owner})->files.size(), 5U);
  EXPECT_TRUE(find_unused_files(farm.data(), folder / "none", future)->files.empty());
  ASSERT_TRUE(remove_files(found));
  EXPECT_TRUE(fs::exists(folder / (pinned_key + ".jsonl")));
  EXPECT_TRUE(fs::exists(folder / "notes.txt"));
  EXPECT_FALSE(fs::exists(folder / (other_key + ".jsonl")));
}

} // namespace
} // namespace assay::storage
