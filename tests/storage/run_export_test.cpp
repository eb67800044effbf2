#include "storage/run_export.hpp"

#include "core/tasks/dataset.hpp"
#include "tests/storage/support.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <fstream>
#include <sstream>

namespace assay::storage {
namespace {

using namespace testing;
using nlohmann::json;
namespace fs = std::filesystem;

std::string content_of(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

class run_export_test : public ::testing::Test {
protected:
  run_export_test() : farm_(folder_.data()) {
    facts_.run = run_of(first_run, run_state::completed);
    facts_.run.spec.wire_model = "m";
    facts_.run.spec.prompt_types = {"baseline"};
    pinned_task task;
    task.id = task_id{"questions"};
    task.scorer_names = {"exact_match"};
    facts_.run.spec.tasks.push_back(std::move(task));
  }

  void write(uint32_t samples) {
    for (uint32_t first = 0; first < samples; first += 500) {
      write_batch batch;
      for (uint32_t i = first; i < std::min(first + 500, samples); ++i) {
        batch.samples.push_back(sample_of(first_run, i));
        batch.responses.push_back(response_of(first_run, i));
        batch.samples.back().address.task = batch.responses.back().address.task = 0;
        batch.samples.back().address.variant = batch.responses.back().address.variant = 0;
        batch.samples.back().address.sample = batch.responses.back().address.sample = i;
      }
      ASSERT_FALSE(farm_.write(std::move(batch)).error);
    }
  }

  std::string exported(reports::export_format format) {
    reports::export_options options;
    options.format = format;
    std::string out;
    const auto done = export_run(farm_.data(), facts_, options, [&](std::string_view text) { out += text; });
    EXPECT_TRUE(done) << to_string(done.error());
    return out;
  }

  temp_folder folder_;
  test_farm farm_;
  reports::report_facts facts_;
};

TEST_F(run_export_test, ReadsEverySampleOnceAcrossPages) {
  write(1234);
  const auto text = exported(reports::export_format::jsonl);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1234);
  std::istringstream lines(text);
  uint32_t wanted = 0;
  for (std::string line; std::getline(lines, line); ++wanted)
    ASSERT_EQ(json::parse(line)["sample"], wanted);
}

TEST_F(run_export_test, StopsAtTheEndsOfATask) {
  write(700);
  facts_.run.spec.tasks.push_back(facts_.run.spec.tasks.front());
  facts_.run.spec.tasks.back().id = task_id{"others"};
  reports::export_options options;
  options.format = reports::export_format::jsonl;
  options.unit = reports::export_unit{1, 0};
  std::string out;
  ASSERT_TRUE(export_run(farm_.data(), facts_, options, [&](std::string_view text) { out += text; }));
  EXPECT_EQ(out, "");
}

TEST_F(run_export_test, EndsAPageWhereAnswersAreLong) {
  write_batch batch;
  for (uint32_t i = 0; i < 8; ++i) {
    batch.samples.push_back(sample_of(first_run, i));
    batch.responses.push_back(response_of(first_run, i));
    batch.samples.back().address = batch.responses.back().address = {0, 0, i, 0, 0, 0};
    batch.responses.back().answer = shared_text{std::string(700'000, 'x')};
  }
  ASSERT_FALSE(farm_.write(std::move(batch)).error);
  reports::export_options options;
  options.format = reports::export_format::jsonl;
  const auto reading = run_export::open(farm_.data(), facts_, options);
  ASSERT_TRUE(reading);
  size_t bytes = 0;
  size_t longest = 0;
  std::string piece;
  for (bool more = true; more;) {
    piece.clear();
    const auto stepped = (*reading)->step(piece);
    ASSERT_TRUE(stepped) << to_string(stepped.error());
    more = *stepped;
    bytes += piece.size();
    longest = std::max(longest, piece.size());
  }
  EXPECT_GT(bytes, 8U * 700'000U);
  EXPECT_LT(longest, 2'000'000U);
}

TEST_F(run_export_test, TakesDocumentsFromAnUnchangedDataset) {
  const auto path = folder_.path() / "questions.jsonl";
  std::ofstream(path) << R"({"q": "one"})"
                      << "\n"
                      << R"({"q": "two", "n": 1.50})"
                      << "\n";
  auto& task = facts_.run.spec.tasks.front();
  task.dataset_path = path.string();
  task.dataset_hash = tasks::sha256_hex(content_of(path));
  write(2);
  reports::export_options options;
  options.format = reports::export_format::lm_eval;
  options.samples_part = true;
  const auto lines = [&] {
    std::string out;
    EXPECT_TRUE(export_run(farm_.data(), facts_, options, [&](std::string_view text) { out += text; }));
    return out;
  };
  const auto with_rows = lines();
  EXPECT_NE(with_rows.find(R"("doc": {"q": "two", "n": 1.5})"), std::string::npos) << with_rows;
  task.dataset_hash = "other";
  EXPECT_NE(lines().find(R"("doc": {"input": "What is 1?")"), std::string::npos) << "the dataset has changed";
}

TEST_F(run_export_test, WritesEveryFileBelowAFolder) {
  write(3);
  reports::export_options options;
  options.format = reports::export_format::lm_eval;
  const auto to = output_folder::open(folder_.path() / "out");
  ASSERT_TRUE(to);
  const auto files = write_export(farm_.data(), facts_, options, *to);
  ASSERT_TRUE(files) << to_string(files.error());
  ASSERT_EQ(files->size(), 2U);
  EXPECT_TRUE(json::parse(content_of(folder_.path() / "out" / files->front())).contains("task_hashes"));
}

} // namespace
} // namespace assay::storage
