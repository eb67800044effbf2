#include "actors/runs/admission.hpp"
#include "actors/runs/run_counts.hpp"
#include "actors/runs/store_run_worker.hpp"
#include "actors/supervision/store_writer.hpp"
#include "core/llm/batch_rows.hpp"
#include "storage/test_counts.hpp"
#include "tests/storage/support.hpp"

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include <fstream>

namespace assay {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// Admission and the slow half of an evaluation, with real files and a real store.
class store_run_worker_test : public ::testing::Test {
protected:
  storage::testing::temp_folder folder;
  storage::testing::test_farm farm{folder.data()};

  std::string file(const std::string& name) const { return (folder.path() / name).string(); }

  void write(const std::string& name, std::string_view text) const {
    std::ofstream{file(name), std::ios::binary} << text;
  }

  /// @param first Number of the first row.
  static std::string rows(size_t count, size_t first = 0) {
    std::string text;
    for (size_t i = first; i < first + count; ++i)
      text += R"({"q":"question )" + std::to_string(i) + R"(","a":"right"})" + "\n";
    return text;
  }

  void write_task(const std::string& more = {}) const {
    write("task.yaml", "id: sums\nname: Sums\ndescription: Sums.\ndataset: rows.jsonl\nprompt: '{q}'\n"
                       "target: '{a}'\nscorer: {type: exact_match}\n"
                           + more);
  }

  result<run_submitted> admit(const run_request& wish) const {
    auto settings = std::make_shared<config::settings>();
    provider_profile provider;
    provider.id = provider_id{"house"};
    provider.base_url = "http://127.0.0.1:1/v1";
    provider.key_required = false;
    settings->providers = {provider};
    model_profile model;
    model.id = model_id{"m"};
    model.provider = provider.id;
    model.wire_model = "m";
    settings->models = {model};
    auto tasks = std::make_shared<tasks::task_catalogue>();
    auto task = tasks::load_task_file(folder.path() / "task.yaml");
    if (!task)
      return task.error();
    tasks->add(std::move(*task));
    return make_admission({settings, tasks, {}, 1'000, [] { return 7; }})(wish);
  }

  static run_request request() {
    run_request out;
    out.model = model_id{"m"};
    out.tasks = {task_id{"sums"}};
    return out;
  }

  /// Pins the run as a farm would, and reads it back as one that is started again would.
  run_record pin(const run_request& wish) const {
    auto admitted = admit(wish);
    if (!admitted) {
      ADD_FAILURE() << to_string(admitted.error());
      return {};
    }
    admitted->record.spec.id = storage::testing::first_run;
    return run_from_text(run_to_text(admitted->record));
  }

  std::optional<fault> error_of_recovery(const run_record& record) const {
    store_run_worker worker{farm.data()};
    return worker.recover(record).error;
  }
};

TEST_F(store_run_worker_test, AnUnchangedRunGoesOn) {
  write_task();
  write("rows.jsonl", rows(5));
  EXPECT_EQ(error_of_recovery(pin(request())), std::nullopt);
}

TEST_F(store_run_worker_test, AChangedDatasetIsRefusedWithTheDifference) {
  write_task();
  write("rows.jsonl", rows(5));
  const auto record = pin(request());
  write("rows.jsonl", rows(6));
  const auto longer = error_of_recovery(record);
  ASSERT_TRUE(longer.has_value());
  EXPECT_EQ(longer->code, errc::dataset_changed);
  EXPECT_EQ(longer->where, file("rows.jsonl"));
  EXPECT_THAT(longer->message, HasSubstr("the dataset of task 'sums'"));
  EXPECT_THAT(longer->message, HasSubstr("5 rows then, 6 now"));
  write("rows.jsonl", rows(5, 1));
  EXPECT_THAT(error_of_recovery(record)->message, HasSubstr("the same number of rows, other content"));
}

TEST_F(store_run_worker_test, AChangedFewShotDatasetIsRefusedWithTheDifference) {
  write_task("fewshot: {dataset: examples.jsonl}\n");
  write("rows.jsonl", rows(5));
  write("examples.jsonl", rows(30, 100));
  auto wish = request();
  wish.num_fewshot = 2;
  const auto record = pin(wish);
  ASSERT_TRUE(record.spec.tasks.front().fewshot.has_value());
  EXPECT_EQ(record.spec.tasks.front().fewshot->rows, 30u);
  EXPECT_EQ(error_of_recovery(record), std::nullopt);
  write("examples.jsonl", rows(31, 100));
  const auto longer = error_of_recovery(record);
  ASSERT_TRUE(longer.has_value());
  EXPECT_EQ(longer->code, errc::dataset_changed);
  EXPECT_EQ(longer->where, file("examples.jsonl"));
  EXPECT_THAT(longer->message, HasSubstr("the few-shot dataset of task 'sums'"));
  EXPECT_THAT(longer->message, HasSubstr("30 rows then, 31 now"));
  write("examples.jsonl", rows(30, 101));
  EXPECT_THAT(error_of_recovery(record)->message, HasSubstr("the same number of rows, other content"));
  std::filesystem::remove(file("examples.jsonl"));
  EXPECT_EQ(error_of_recovery(record)->code, errc::dataset_unreadable);
}

TEST_F(store_run_worker_test, AFewShotDatasetThatTheRunDoesNotUseMayChange) {
  write_task("fewshot: {dataset: examples.jsonl}\n");
  write("rows.jsonl", rows(5));
  write("examples.jsonl", rows(30, 100));
  const auto record = pin(request());
  write("examples.jsonl", rows(31, 100));
  EXPECT_EQ(error_of_recovery(record), std::nullopt);
}

TEST_F(store_run_worker_test, OtherExamplesMakeAnotherRun) {
  write_task("fewshot: {dataset: examples.jsonl}\n");
  write("rows.jsonl", rows(5));
  write("examples.jsonl", rows(30, 100));
  auto wish = request();
  wish.num_fewshot = 2;
  const auto before = pin(wish).spec.fingerprint;
  EXPECT_EQ(pin(wish).spec.fingerprint, before);
  write("examples.jsonl", rows(30, 101));
  EXPECT_NE(pin(wish).spec.fingerprint, before);
}

TEST_F(store_run_worker_test, ABrokenFewShotDatasetIsRefusedBeforeAnythingIsPaidFor) {
  write_task("fewshot: {dataset: examples.jsonl}\n");
  write("rows.jsonl", rows(5));
  write("examples.jsonl", "{\"q\":\"a\"\n");
  auto wish = request();
  wish.num_fewshot = 2;
  const auto refused = admit(wish);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, errc::dataset_unreadable);
}

TEST_F(store_run_worker_test, ARetryLoadsWhatFailedAndWhatWasNeverAsked) {
  write_task();
  write("rows.jsonl", rows(8));
  auto record = pin(request());
  const auto id = record.spec.id;
  record.state = run_state::failed;
  record.started_at = wall_time{};
  storage::write_batch rows;
  rows.runs = {record};
  for (const uint32_t sample : {0, 2, 3})
    rows.samples.push_back(storage::testing::sample_of(id, sample));
  for (const uint32_t sample : {1, 5})
    rows.samples.push_back(storage::testing::sample_of(id, sample, sample_status::failed));
  // Answered, but the process died before the score was written.
  rows.responses.push_back(storage::testing::response_of(id, 4));
  ASSERT_FALSE(farm.write(std::move(rows)).error);

  const auto loaded = [&](const run_record& from) {
    store_run_worker worker{farm.data()};
    const auto found = worker.recover(from);
    EXPECT_EQ(found.error, std::nullopt);
    std::vector<uint32_t> out;
    for (const auto& sample : worker.next_page(100).samples)
      out.push_back(sample.address.sample);
    return out;
  };
  EXPECT_THAT(loaded(record), ElementsAre(4, 6, 7)) << "the same generation leaves failures alone";
  ++record.generation;
  EXPECT_THAT(loaded(record), ElementsAre(1, 4, 5, 6, 7));

  store_run_worker worker{farm.data()};
  const auto found = worker.recover(record);
  EXPECT_EQ(found.record.progress.done, 3u);
  EXPECT_EQ(found.record.progress.failed, 0u);
  EXPECT_EQ(found.record.progress.total, 8u);
}

// -- counting ----------------------------------------------------------------------------------------------

TEST_F(store_run_worker_test, WhatWasPaidForBeforeARetryStillCounts) {
  write_task();
  write("rows.jsonl", rows(8));
  auto record = pin(request());
  record.state = run_state::failed;
  record.lost_calls = 2;
  auto given_up = storage::testing::sample_of(record.spec.id, 1, sample_status::failed);
  given_up.possibly_billed = true;
  auto asked_again = given_up;
  asked_again.address.generation = 1;
  storage::write_batch stored;
  stored.runs = {record};
  stored.samples = {given_up};
  ASSERT_FALSE(farm.write(std::move(stored)).error);
  ++record.generation;
  const auto possibly_billed = [&] {
    store_run_worker worker{farm.data()};
    return worker.recover(record).record.progress.possibly_billed;
  };
  EXPECT_EQ(possibly_billed(), 2u + 1u);
  storage::write_batch more;
  more.samples = {asked_again};
  ASSERT_FALSE(farm.write(std::move(more)).error);
  EXPECT_EQ(possibly_billed(), 2u + 2u) << "both tries may have been paid for";
}

TEST_F(store_run_worker_test, AnInterruptedRunIsReadWithTheCountersOfItsAnswers) {
  write_task();
  write("rows.jsonl", rows(8));
  auto record = pin(request());
  const auto id = record.spec.id;
  record.state = run_state::running;
  record.started_at = wall_time{};
  storage::write_batch stored;
  stored.runs = {record};
  for (const uint32_t sample : {0, 2, 3}) {
    auto row = storage::testing::sample_of(id, sample);
    row.scores = {{0, sample == 0 ? 0.0 : 1.0, ""}};
    stored.samples.push_back(row);
  }
  stored.samples.push_back(storage::testing::sample_of(id, 1, sample_status::failed));
  ASSERT_FALSE(farm.write(std::move(stored)).error);
  const auto open = make_run_reader(farm.data()).open_runs();
  ASSERT_TRUE(open.has_value());
  ASSERT_EQ(open->size(), 1u);
  const auto& progress = open->front().progress;
  EXPECT_EQ(progress.total, 8u);
  EXPECT_EQ(progress.done, 4u);
  EXPECT_EQ(progress.failed, 1u);
  EXPECT_EQ(progress.scored, 3u);
  EXPECT_EQ(progress.score_sum, 2.0);
  EXPECT_EQ(progress.current_task, task_id{"sums"});
}

TEST_F(store_run_worker_test, TheScoreThatProgressShowsIsTheOneOfTheResult) {
  write("task.yaml", "id: sums\nname: Sums\ndescription: Sums.\ndataset: rows.jsonl\nprompt: '{q}'\n"
                     "target: '{a}'\nfailed_samples: zero\nscorers:\n"
                     "  - {name: same, type: exact_match, weight: 3, primary: true}\n"
                     "  - {name: within, type: contains, weight: 1, primary: true}\n");
  write("rows.jsonl", rows(8));
  const auto record = pin(request());
  storage::write_batch stored;
  stored.runs = {record};
  for (const uint32_t sample : {0, 2, 3}) {
    auto row = storage::testing::sample_of(record.spec.id, sample);
    row.scores = {{0, sample == 0 ? 0.0 : 1.0, ""}, {1, 1.0, ""}};
    stored.samples.push_back(row);
  }
  stored.samples.push_back(storage::testing::sample_of(record.spec.id, 1, sample_status::failed));
  ASSERT_FALSE(farm.write(std::move(stored)).error);
  store_run_worker worker{farm.data()};
  const auto found = worker.recover(record);
  ASSERT_FALSE(found.error.has_value()) << to_string(*found.error);
  EXPECT_DOUBLE_EQ(found.record.progress.score().value_or(-1), (0.25 + 1 + 1 + 0) / 4);
  const auto computed = worker.summarise(found.record);
  const auto document = nlohmann::json::parse(computed.document);
  EXPECT_DOUBLE_EQ(document["summary_metrics"]["overall_score"].get<double>(),
                   found.record.progress.score().value_or(-1));
}

TEST_F(store_run_worker_test, ACodeTaskHasItsCompletenessAndQualityAndOthersHaveNull) {
  const auto metrics_of = [this](const run_record& record, std::vector<score_value> scores) {
    storage::write_batch stored;
    stored.runs = {record};
    stored.samples.push_back(storage::testing::sample_of(record.spec.id, 0));
    stored.samples.back().scores = std::move(scores);
    EXPECT_FALSE(farm.write(std::move(stored)).error);
    const auto document = compute_result(farm.data(), record);
    EXPECT_TRUE(document.has_value());
    return document ? nlohmann::json::parse(*document) : nlohmann::json{};
  };
  write_task();
  write("rows.jsonl", rows(2));
  const auto plain = metrics_of(pin(request()), {{0, 1.0, ""}});
  EXPECT_EQ(plain["task_results"][0]["metrics"]["accuracy"], 1.0);
  EXPECT_TRUE(plain["task_results"][0]["metrics"]["completeness"].is_null());
  EXPECT_TRUE(plain["task_results"][0]["metrics"]["code_quality"].is_null());
  EXPECT_FALSE(plain["metrics_summary"].contains("sums.code_quality"));
  write("task.yaml", "id: sums\nname: Sums\ndescription: Sums.\ndataset: rows.jsonl\nprompt: '{q}'\n"
                     "target: '{a}'\nscorer: {type: code, language: python}\n");
  const auto code = metrics_of(pin(request()), {{0, 0.0, ""}, {1, 0.75, ""}, {2, 0.5, ""}});
  EXPECT_EQ(code["task_results"][0]["metrics"]["accuracy"], 0.0);
  EXPECT_EQ(code["task_results"][0]["metrics"]["completeness"], 0.75);
  EXPECT_EQ(code["task_results"][0]["metrics"]["code_quality"], 0.5);
  EXPECT_EQ(code["metrics_summary"]["sums.completeness"], 0.75);
  EXPECT_EQ(code["results"]["sums"]["metrics"]["code_quality"], 0.5);
}

TEST_F(store_run_worker_test, AFinalRunKeepsTheCountersOfItsRecord) {
  write_task();
  write("rows.jsonl", rows(8));
  auto record = pin(request());
  record.state = run_state::cancelled;
  record.progress.done = 5;
  refresh_counts(farm.data(), record);
  EXPECT_EQ(record.progress.done, 5u);
}

// -- the result --------------------------------------------------------------------------------------------

/// The time of a task is from its first call to its last answer, however many are out at once.
class time_of_a_task : public store_run_worker_test {
protected:
  const wall_time start{std::chrono::milliseconds{1'700'000'000'000}};

  /// @param took Of its last try, in seconds.
  response_record answer(uint32_t sample, int at, int took, uint16_t attempt = 0) const {
    auto row = storage::testing::response_of(storage::testing::first_run, sample, attempt);
    row.finished_at = start + seconds{at};
    row.timing.connect = seconds{took} / 2;
    row.timing.transfer = seconds{took} - row.timing.connect;
    return row;
  }

  nlohmann::json result_of(const run_record& record) const {
    const auto document = compute_result(farm.data(), record);
    return document ? nlohmann::json::parse(*document) : nlohmann::json{};
  }
};

TEST_F(time_of_a_task, LeavesOutWhatTheTimeOfTheRunLeavesOut) {
  write_task();
  write("rows.jsonl", rows(5));
  auto record = pin(request());
  // An interruption between the answers, and the rest before a retry, which asked nothing of this task.
  record.rests = {{start + seconds{12}, start + seconds{92}}, {start + seconds{200}, start + seconds{300}}};
  storage::write_batch stored;
  stored.runs = {record};
  for (uint32_t i = 0; i < 2; ++i)
    stored.samples.push_back(storage::testing::sample_of(record.spec.id, i));
  stored.responses = {answer(0, 10, 4), answer(1, 100, 1)};
  ASSERT_FALSE(farm.write(std::move(stored)).error);
  const auto found = result_of(record);
  EXPECT_EQ(found["task_results"][0]["execution_time"], 94.0 - 80.0);
  EXPECT_EQ(found["task_results"][0]["prompt_types"][0]["execution_time"], 94.0 - 80.0);
}

TEST_F(time_of_a_task, IsTimeOnTheClockHoweverManyAreOut) {
  write_task();
  write("rows.jsonl", rows(5));
  const auto record = pin(request());
  storage::write_batch stored;
  stored.runs = {record};
  for (uint32_t i = 0; i < 3; ++i)
    stored.samples.push_back(storage::testing::sample_of(record.spec.id, i));
  // Two at once, and one that went out more than a minute later.
  stored.responses = {answer(0, 10, 4), answer(1, 12, 5), answer(2, 100, 1)};
  ASSERT_FALSE(farm.write(std::move(stored)).error);
  const auto found = result_of(record);
  EXPECT_EQ(found["task_results"][0]["execution_time"], 94.0);
  EXPECT_EQ(found["task_results"][0]["prompt_types"][0]["execution_time"], 94.0);
  EXPECT_EQ(found["summary_metrics"]["average_execution_time"], 94.0);
}

TEST_F(time_of_a_task, BeginsWithTheFirstTryOfACall) {
  write_task();
  write("rows.jsonl", rows(5));
  const auto record = pin(request());
  auto tried_often = storage::testing::sample_of(record.spec.id, 0);
  tried_often.duration = seconds{9};
  storage::write_batch stored;
  stored.runs = {record};
  stored.samples = {tried_often};
  stored.responses = {answer(0, 10, 2, 3)};
  ASSERT_FALSE(farm.write(std::move(stored)).error);
  EXPECT_EQ(result_of(record)["task_results"][0]["execution_time"], 9.0);
}

TEST_F(time_of_a_task, IsZeroWhenNobodyWasAsked) {
  write_task();
  write("rows.jsonl", rows(5));
  auto record = pin(request());
  record.finished_at = start;
  storage::write_batch stored;
  stored.runs = {record};
  ASSERT_FALSE(farm.write(std::move(stored)).error);
  const auto found = result_of(record);
  EXPECT_EQ(found["task_results"][0]["execution_time"], 0.0);
  EXPECT_EQ(found["summary_metrics"]["average_execution_time"], 0.0);
  EXPECT_EQ(found["completed_at"], to_rfc3339(start));
}

// -- the result database ------------------------------------------------------------------------------------

TEST_F(time_of_a_task, TheTestsOfARunAreCountedWithItsResult) {
  write_task();
  write("rows.jsonl", rows(5));
  auto record = pin(request());
  storage::write_batch stored;
  stored.runs = {record};
  for (uint32_t i = 0; i < 3; ++i)
    stored.samples.push_back(storage::testing::sample_of(record.spec.id, i));
  ASSERT_FALSE(farm.write(std::move(stored)).error);
  record.state = run_state::completed;
  const auto texts = summarise_run(farm.data(), record).value();
  const auto counted = reports::counted_source_from_text(texts.counts).value();
  EXPECT_EQ(counted, storage::count_tests(farm.data(), record).value());
  EXPECT_EQ(counted.total(), 3u);
  record.spec.predict_only = true;
  EXPECT_TRUE(summarise_run(farm.data(), record).value().counts.empty());
}

// -- what model_args say -----------------------------------------------------------------------------------

TEST_F(store_run_worker_test, TheArgumentsOfTheModelArePinned) {
  write_task();
  write("rows.jsonl", rows(5));
  auto wish = request();
  EXPECT_EQ(pin(wish).spec.calls, (call_rules{std::chrono::seconds{600}, std::nullopt, std::nullopt}));
  wish.model_args = "timeout=2.5,max_retries=0,num_concurrent=5";
  EXPECT_EQ(pin(wish).spec.calls, (call_rules{milliseconds{2'500}, 0U, 5U}));
}

// -- a task of the request's own ---------------------------------------------------------------------------

TEST_F(store_run_worker_test, ABatchBringsItsTaskAlong) {
  write_task();
  write("rows.jsonl", rows(5));
  write("batch.jsonl", llm::batch_row(0, {{"x", "{a}"}}, "say {x}") + "\n"
                           + llm::batch_row(1, {{"y", 1}}, "say {x}") + "\n");
  run_request wish;
  wish.model = model_id{"m"};
  wish.kind = run_kind::llm_batch;
  wish.predict_only = true;
  wish.own = own_task{llm::batch_task("be {brief}: \"yes\"\n"), file("batch.jsonl")};
  wish.calls.num_concurrent = 2;
  const auto record = pin(wish);
  EXPECT_EQ(record.spec.kind, run_kind::llm_batch);
  EXPECT_EQ(record.spec.calls.num_concurrent, 2U);
  EXPECT_EQ(record.progress.total, 2U);
  EXPECT_EQ(record.spec.tasks.at(0).dataset_path, file("batch.jsonl"));
  store_run_worker worker{farm.data()};
  ASSERT_EQ(worker.recover(record).error, std::nullopt);
  const auto page = worker.next_page(10);
  ASSERT_EQ(page.samples.size(), 2U);
  ASSERT_EQ(page.samples[0].messages.size(), 2U);
  EXPECT_EQ(page.samples[0].messages[0].content.str(), "be {brief}: \"yes\"\n");
  EXPECT_EQ(page.samples[0].messages[1].content.str(), "say {a}");
  EXPECT_EQ(page.samples[1].error->code, errc::template_failed);
}

TEST_F(store_run_worker_test, ABatchOfWhichNothingCanBeAskedIsTakenAllTheSame) {
  write_task();
  write("rows.jsonl", rows(5));
  write("batch.jsonl", llm::batch_row(0, {{"y", 1}}, "say {x}") + "\n");
  run_request wish;
  wish.model = model_id{"m"};
  wish.kind = run_kind::llm_batch;
  wish.predict_only = true;
  wish.own = own_task{llm::batch_task({}), file("batch.jsonl")};
  EXPECT_TRUE(admit(wish));
}

} // namespace
} // namespace assay
