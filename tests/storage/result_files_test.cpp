#include "storage/result_files.hpp"

#include "tests/storage/support.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <fstream>

namespace assay::storage {
namespace {

using namespace testing;
namespace fs = std::filesystem;

/// A finished run of one task with three samples.
write_batch finished_run() {
  write_batch batch;
  auto run = run_of(first_run, run_state::completed);
  run.spec.model = model_id{"lab/model"};
  run.spec.tasks.emplace_back().id = task_id{"questions"};
  batch.runs.push_back(run);
  batch.results.push_back({first_run, R"({"overall_score": 0.5})"});
  for (uint32_t i = 0; i < 3; ++i)
    batch.samples.push_back(sample_of(first_run, i));
  return batch;
}

TEST(result_files, AreWrittenIntoAFolderOfTheModel) {
  const temp_folder folder;
  test_farm farm(folder.data());
  ASSERT_FALSE(farm.write(finished_run()).error);
  const auto target = folder.path() / "results" / "baseline";
  const auto to = output_folder::open(target);
  ASSERT_TRUE(to) << to_string(to.error());
  auto run = run_of(first_run, run_state::completed);
  run.spec.model = model_id{"lab/model"};
  run.spec.tasks.emplace_back().id = task_id{"questions"};
  const auto names = result_files_of(run, true);
  EXPECT_EQ(names.result, fs::path("lab_model") / ("results_" + to_string(first_run) + ".json"));
  const auto files = write_result_files(farm.data(), run, R"({"overall_score": 0.5})", *to, names);
  ASSERT_TRUE(files) << to_string(files.error());
  ASSERT_GE(files->size(), 2U);
  EXPECT_EQ(files->front(), names.result);
  std::ifstream numbers(target / files->front());
  EXPECT_EQ(nlohmann::json::parse(numbers)["overall_score"], 0.5);
  std::ifstream samples(target / (*files)[1]);
  size_t lines = 0;
  for (std::string line; std::getline(samples, line); ++lines)
    EXPECT_EQ(nlohmann::json::parse(line)["model_id"], "lab/model");
  EXPECT_EQ(lines, 3U);
  for (const auto& entry : fs::recursive_directory_iterator(target))
    EXPECT_EQ(entry.path().string().find(".part-"), std::string::npos) << entry.path();
}

TEST(result_files, TellTheStateOfARunWithoutAResult) {
  const auto shown = result_or_status(run_of(first_run), "");
  EXPECT_EQ(shown["evaluation_id"], to_string(first_run));
  EXPECT_TRUE(shown.contains("state")) << shown;
}

} // namespace
} // namespace assay::storage
