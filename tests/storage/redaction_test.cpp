#include "tests/storage/support.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace assay::storage {
namespace {

using namespace testing;

constexpr uint32_t rows = 1300; // Several steps.

write_batch run_with_rows(run_id id, uint32_t first = 0, uint32_t count = rows) {
  write_batch batch;
  batch.runs.push_back(run_of(id, run_state::completed));
  batch.results.push_back({id, R"({"task_results": [{"score": 0.5, "output": "secret answer"}]})"});
  for (uint32_t i = first; i < first + count; ++i) {
    batch.samples.push_back(sample_of(id, i));
    batch.responses.push_back(response_of(id, i));
    batch.responses.back().error_message = "secret message";
    batch.responses.back().failures = {{errc::provider_timeout, 0, milliseconds{5}, false, "secret try"}};
  }
  return batch;
}

write_batch redaction_of(run_id id) {
  write_batch batch;
  batch.redacted_runs.push_back(id);
  return batch;
}

void expect_redacted(snapshot& view, run_id id) {
  size_t seen = 0;
  std::optional<response_place> after;
  do {
    const auto page = view.page_responses(id, after, max_page_rows);
    ASSERT_TRUE(page);
    for (const auto& one : page->responses) {
      ++seen;
      EXPECT_TRUE(one.prompt.empty() && one.answer.empty() && one.target.empty());
      EXPECT_TRUE(one.error_message.empty());
      ASSERT_EQ(one.failures.size(), 1U);
      EXPECT_EQ(one.failures[0].message, "");
      EXPECT_EQ(one.failures[0].error, errc::provider_timeout) << "what happened stays";
      EXPECT_EQ(one.http_status, 200);
    }
    after = page->next;
  } while (after);
  EXPECT_EQ(seen, rows);
  std::optional<sample_address> at;
  do {
    const auto page = view.page_samples(id, at, max_page_rows);
    ASSERT_TRUE(page);
    for (const auto& one : page->samples) {
      ASSERT_EQ(one.scores.size(), 1U);
      EXPECT_EQ(one.scores[0].value, 0.5) << "scores stay";
      EXPECT_EQ(one.scores[0].extracted, "");
    }
    at = page->next;
  } while (at);
  const auto result = view.find_result(id);
  ASSERT_TRUE(result && *result);
  const auto document = nlohmann::json::parse(**result);
  EXPECT_TRUE(document["task_results"][0]["output"].is_null());
  EXPECT_EQ(document["task_results"][0]["score"], 0.5);
}

TEST(redaction, RemovesTextsAndKeepsNumbers) {
  const temp_folder folder;
  test_farm farm(folder.data());
  ASSERT_FALSE(farm.write(run_with_rows(first_run)).error);
  ASSERT_FALSE(farm.write(run_with_rows(second_run, 0, 1)).error);
  ASSERT_FALSE(farm.write(redaction_of(first_run)).error);
  farm.out().stop(true);
  auto view = farm.look();
  expect_redacted(view, first_run);
  const auto other = view.find_response(second_run, address_of(0));
  ASSERT_TRUE(other && *other);
  EXPECT_FALSE((*other)->answer.empty()) << "another run keeps its texts";
}

TEST(redaction, GoesOnAfterARestart) {
  const temp_folder folder;
  {
    test_farm farm(folder.data());
    ASSERT_FALSE(farm.write(run_with_rows(first_run)).error);
    ASSERT_FALSE(farm.write(redaction_of(first_run)).error);
    farm.out().stop(false);
  }
  test_farm farm(folder.data());
  farm.out().stop(true);
  auto view = farm.look();
  expect_redacted(view, first_run);
}

TEST(redaction, IsRefusedWhileARunGoesOn) {
  const temp_folder folder;
  test_farm farm(folder.data());
  write_batch batch;
  batch.runs.push_back(run_of(first_run));
  ASSERT_FALSE(farm.write(std::move(batch)).error);
  const auto report = farm.write(redaction_of(first_run));
  ASSERT_TRUE(report.error);
  EXPECT_EQ(report.error->code, errc::conflict);
  EXPECT_EQ(farm.write(redaction_of(second_run)).error->code, errc::not_found);
}

TEST(redaction, EndsWithARunThatIsRemoved) {
  const temp_folder folder;
  test_farm farm(folder.data());
  ASSERT_FALSE(farm.write(run_with_rows(first_run)).error);
  auto batch = redaction_of(first_run);
  ASSERT_FALSE(farm.write(std::move(batch)).error);
  write_batch removal;
  removal.erased_runs.push_back(first_run);
  ASSERT_FALSE(farm.write(std::move(removal)).error);
  farm.out().stop(true);
  auto view = farm.look();
  EXPECT_FALSE(*view.find_run(first_run));
  EXPECT_TRUE(view.page_responses(first_run, std::nullopt, 10)->responses.empty());
}

} // namespace
} // namespace assay::storage
