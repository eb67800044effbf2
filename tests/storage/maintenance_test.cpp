#include "storage/maintenance.hpp"

#include "storage/result_files.hpp"
#include "tests/storage/helper_process.hpp"
#include "tests/storage/support.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <fstream>
#include <thread>

namespace assay::storage {
namespace {

using namespace testing;

/// A run with samples, answers, events and a result.
write_batch whole_run(run_id run, run_state state, uint32_t samples) {
  write_batch batch;
  batch.runs = {run_of(run, state)};
  batch.results = {{run, "{}"}};
  for (uint32_t i = 0; i < samples; ++i) {
    batch.samples.push_back(sample_of(run, i));
    batch.responses.push_back(response_of(run, i));
  }
  batch.events = {event_of(run)};
  return batch;
}

uint64_t rows_of(const std::shared_ptr<store>& data, table which) {
  const auto size = measure(data).value();
  for (const auto& one : size.tables)
    if (one.which == which)
      return one.rows;
  return 0;
}

TEST(measure, CountsRowsBytesAndReaders) {
  const temp_folder temp;
  test_farm farm(temp.data());
  ASSERT_FALSE(farm.write(whole_run(first_run, run_state::completed, 500)).error);
  const auto view = farm.look();
  const auto size = measure(farm.data()).value();
  EXPECT_EQ(size.tables.size(), table_count);
  EXPECT_EQ(rows_of(farm.data(), table::samples), 500U);
  EXPECT_EQ(rows_of(farm.data(), table::responses), 500U);
  EXPECT_EQ(rows_of(farm.data(), table::runs), 1U);
  EXPECT_EQ(size.map_bytes, size_t{64} << 30);
  EXPECT_GT(size.used_bytes, 500U * 60);
  EXPECT_LT(size.free_bytes, size.used_bytes);
  EXPECT_GE(size.reader_slots_used, 1U);
  EXPECT_EQ(size.reader_slots, 1024U);
  EXPECT_EQ(size.readers.open, 1U);
}

TEST(measure, ShowsThatRowsInOrderFillTheirPages) {
  const temp_folder temp;
  test_farm farm(temp.data());
  for (int i = 0; i < 20; ++i) {
    write_batch batch;
    for (uint32_t j = 0; j < 500; ++j)
      batch.samples.push_back(sample_of(first_run, static_cast<uint32_t>(i) * 500 + j));
    ASSERT_FALSE(farm.write(std::move(batch)).error);
  }
  const auto size = measure(farm.data()).value();
  for (const auto& one : size.tables)
    if (one.which == table::samples) {
      EXPECT_LT(one.bytes / one.rows, 75U) << "half-empty pages take about 120";
    }
}

TEST(backup, CopiesOneStateWhileTheFarmWrites) {
  const temp_folder temp;
  test_farm farm(temp.data());
  ASSERT_FALSE(farm.write(whole_run(first_run, run_state::completed, 2000)).error);
  std::atomic<bool> stop = false;
  std::atomic<uint32_t> written = 0;
  std::thread busy([&] {
    while (!stop) {
      write_batch batch;
      batch.ticket = written + 1;
      batch.samples = {sample_of(second_run, written)};
      batch.responses = {response_of(second_run, written)};
      farm.out().submit(std::move(batch)).value();
      farm.reports().wait_for(written + 1);
      ++written;
    }
  });
  while (written < 5)
    std::this_thread::yield();
  const auto compacted = backup(farm.data(), temp.path() / "one");
  const auto plain = backup(farm.data(), temp.path() / "two", {false});
  stop = true;
  busy.join();
  ASSERT_TRUE(compacted);
  ASSERT_TRUE(plain);
  EXPECT_GT(compacted->bytes, 0U);
  for (const auto* name : {"one", "two"}) {
    test_farm copy(temp.path() / name);
    EXPECT_EQ(copy.look().page_samples(first_run, std::nullopt, 1000).value().samples.size(), 1000U);
    EXPECT_EQ(copy.look().find_result(first_run).value(), "{}");
    const auto samples = rows_of(copy.data(), table::samples);
    EXPECT_GE(samples, 2005U);
    EXPECT_EQ(samples, rows_of(copy.data(), table::responses));
    EXPECT_EQ(copy.look().last_seq(second_run).value(), samples - 2000);
  }
}

TEST(backup, DoesNotOverwriteAStore) {
  const temp_folder temp;
  test_farm farm(temp.data());
  ASSERT_TRUE(backup(farm.data(), temp.path() / "copy"));
  EXPECT_EQ(backup(farm.data(), temp.path() / "copy").error().code, errc::conflict);
  EXPECT_EQ(backup(farm.data(), temp.data()).error().code, errc::conflict);
}

TEST(backup, LeavesAFolderAloneThatHoldsSomethingElse) {
  const temp_folder temp;
  test_farm farm(temp.data());
  std::filesystem::create_directory(temp.path() / "letters");
  std::ofstream(temp.path() / "letters" / "to-mother.txt") << "dear";
  const auto refused = backup(farm.data(), temp.path() / "letters");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, errc::conflict);
  EXPECT_EQ(refused.error().message, "the folder is not empty");
  EXPECT_FALSE(std::filesystem::exists(temp.path() / "letters" / "data.mdb"));
}

TEST(backup, ReplacesWhatAKilledOneLeft) {
  const temp_folder temp;
  test_farm farm(temp.data());
  std::filesystem::create_directory(temp.path() / "copy");
  std::ofstream(temp.path() / "copy" / "data.mdb.part") << "half";
  EXPECT_TRUE(backup(farm.data(), temp.path() / "copy"));
  EXPECT_FALSE(std::filesystem::exists(temp.path() / "copy" / "data.mdb.part"));
}

TEST(erasing, RemovesAllRowsOfARunAndNothingElse) {
  const temp_folder temp;
  test_farm farm(temp.data());
  ASSERT_FALSE(farm.write(whole_run(first_run, run_state::completed, 3000)).error);
  ASSERT_FALSE(farm.write(whole_run(second_run, run_state::completed, 10)).error);
  ASSERT_TRUE(delete_run(farm.out(), first_run, 1));
  ASSERT_FALSE(farm.reports().wait_for(1).error);
  EXPECT_FALSE(farm.look().find_run(first_run).value());
  farm.out().stop(true);
  auto view = farm.look();
  EXPECT_FALSE(view.find_result(first_run).value());
  EXPECT_TRUE(view.page_samples(first_run, std::nullopt, 10).value().samples.empty());
  EXPECT_EQ(view.last_seq(first_run).value(), 0U);
  EXPECT_EQ(rows_of(farm.data(), table::samples), 10U);
  EXPECT_EQ(rows_of(farm.data(), table::responses), 10U);
  EXPECT_EQ(rows_of(farm.data(), table::runs), 1U);
  EXPECT_EQ(rows_of(farm.data(), table::run_index), 1U);
  EXPECT_EQ(rows_of(farm.data(), table::events), 2U);
  EXPECT_TRUE(view.find_run(second_run).value());
}

TEST(erasing, GoesOnAfterARestart) {
  const temp_folder temp;
  auto options = test_farm::options_for(temp.data());
  std::atomic<int> commits_left = 1'000'000;
  options.inject = [&](store_operation at) {
    return at == store_operation::commit && commits_left-- <= 0 ? injected_error::io_error
                                                                : injected_error::none;
  };
  {
    test_farm farm(options);
    ASSERT_FALSE(farm.write(whole_run(first_run, run_state::completed, 5000)).error);
    // The first step succeeds, the second one is lost with the process.
    commits_left = 2;
    ASSERT_TRUE(delete_run(farm.out(), first_run, 1));
    farm.out().stop(true);
  }
  {
    const auto data = store::open(test_farm::options_for(temp.data())).value();
    EXPECT_EQ(rows_of(data, table::responses), 4000U);
  }
  {
    test_farm farm(temp.data());
    farm.out().stop(true);
    EXPECT_EQ(rows_of(farm.data(), table::responses), 0U);
    EXPECT_EQ(rows_of(farm.data(), table::samples), 0U);
    EXPECT_EQ(rows_of(farm.data(), table::events), 0U);
    EXPECT_EQ(rows_of(farm.data(), table::meta), 1U) << "only the schema version";
  }
}

TEST(erasing, RemovesTheKeysThatLedToTheRun) {
  const temp_folder temp;
  test_farm farm(temp.data());
  const auto keyed = [&](run_id run, int keys) {
    auto batch = whole_run(run, run_state::completed, 1);
    for (int i = 0; i < keys; ++i)
      batch.put_document(table::idempotency, to_string(run) + "/" + std::to_string(i), to_string(run));
    return batch;
  };
  ASSERT_FALSE(farm.write(keyed(first_run, 1500)).error);
  ASSERT_FALSE(farm.write(keyed(second_run, 1500)).error);
  write_batch others;
  others.put_document(table::idempotency, "unreadable", "no id");
  others.put_document(table::settings, waiting_files_key(first_run), "{}");
  others.put_document(table::settings, written_files_key(first_run), "{}");
  others.put_document(table::settings, written_files_key(second_run), "{}");
  ASSERT_FALSE(farm.write(std::move(others)).error);
  ASSERT_TRUE(delete_run(farm.out(), first_run, 1));
  ASSERT_FALSE(farm.reports().wait_for(1).error);
  farm.out().stop(true);
  EXPECT_EQ(rows_of(farm.data(), table::idempotency), 1501U);
  EXPECT_TRUE(farm.look().find_document(table::idempotency, to_string(second_run) + "/0").value());
  EXPECT_EQ(rows_of(farm.data(), table::settings), 1U) << "of the files of the run that is left";
}

TEST(erasing, RemovesKeysThatAnEarlierProcessLeft) {
  const temp_folder temp;
  {
    test_farm farm(temp.data());
    write_batch batch;
    batch.put_document(table::idempotency, "ada/1", to_string(first_run));
    ASSERT_FALSE(farm.write(std::move(batch)).error);
  }
  test_farm farm(temp.data());
  farm.out().stop(true);
  EXPECT_EQ(rows_of(farm.data(), table::idempotency), 0U);
}

TEST(erasing, RefusesRunsThatAreNotFinalOrNotThere) {
  const temp_folder temp;
  test_farm farm(temp.data());
  ASSERT_FALSE(farm.write(whole_run(first_run, run_state::paused, 1)).error);
  ASSERT_TRUE(delete_run(farm.out(), first_run, 1));
  EXPECT_EQ(farm.reports().wait_for(1).error->code, errc::conflict);
  ASSERT_TRUE(delete_run(farm.out(), second_run, 2));
  EXPECT_EQ(farm.reports().wait_for(2).error->code, errc::not_found);
  EXPECT_TRUE(farm.look().find_run(first_run).value());
}

TEST(pruning, RemovesOldFinalRunsOnly) {
  const temp_folder temp;
  test_farm farm(temp.data());
  const run_id old_completed{1000U, 1U};
  const run_id old_failed{1000U, 2U};
  const run_id old_running{1000U, 3U};
  const run_id recent{9000U, 1U};
  ASSERT_FALSE(farm.write(whole_run(old_completed, run_state::completed, 2)).error);
  ASSERT_FALSE(farm.write(whole_run(old_failed, run_state::failed, 2)).error);
  ASSERT_FALSE(farm.write(whole_run(old_running, run_state::running, 2)).error);
  ASSERT_FALSE(farm.write(whole_run(recent, run_state::completed, 2)).error);
  prune_policy policy;
  policy.finished_before = wall_time{seconds{5000}};
  policy.keep = {run_state::failed};
  const auto pruned = prune(farm.data(), farm.out(), policy, 1);
  EXPECT_EQ(pruned.value(), std::vector<run_id>{old_completed});
  ASSERT_FALSE(farm.reports().wait_for(1).error);
  farm.out().stop(true);
  auto view = farm.look();
  EXPECT_FALSE(view.find_run(old_completed).value());
  EXPECT_TRUE(view.find_run(old_failed).value());
  EXPECT_TRUE(view.find_run(old_running).value());
  EXPECT_TRUE(view.find_run(recent).value());
  EXPECT_EQ(rows_of(farm.data(), table::samples), 6U);
}

TEST(pruning, HasALimitAndAnswersNothingWhenThereIsNothing) {
  const temp_folder temp;
  test_farm farm(temp.data());
  prune_policy policy;
  policy.finished_before = wall_time{seconds{5000}};
  EXPECT_TRUE(prune(farm.data(), farm.out(), policy, 1)->empty());
  for (uint32_t i = 0; i < 5; ++i)
    ASSERT_FALSE(farm.write(whole_run(run_id{1000U, i}, run_state::completed, 1)).error);
  policy.max_runs = 3;
  EXPECT_EQ(find_prunable(farm.data(), policy)->size(), 3U);
}

TEST(compaction, ShrinksTheFileAndKeepsTheData) {
  const temp_folder temp;
  const auto options = test_farm::options_for(temp.data());
  {
    test_farm farm(options);
    ASSERT_FALSE(farm.write(whole_run(first_run, run_state::completed, 8000)).error);
    ASSERT_FALSE(farm.write(whole_run(second_run, run_state::completed, 10)).error);
    ASSERT_TRUE(delete_run(farm.out(), first_run, 1));
    farm.out().stop(true);
  }
  const auto report = compact(options);
  ASSERT_TRUE(report) << to_string(report.error());
  EXPECT_LT(report->bytes_after * 2, report->bytes_before);
  EXPECT_EQ(std::filesystem::file_size(temp.data() / "data.mdb"), report->bytes_after);
  EXPECT_FALSE(std::filesystem::exists(temp.data() / "compacting"));
  test_farm again(options);
  EXPECT_EQ(rows_of(again.data(), table::samples), 10U);
  ASSERT_FALSE(again.write(whole_run(first_run, run_state::completed, 10)).error);
  EXPECT_EQ(again.look().last_seq(second_run).value(), 11U);
}

TEST(compaction, WaitsForNobody) {
  const temp_folder temp;
  const auto options = test_farm::options_for(temp.data());
  {
    test_farm farm(options);
    EXPECT_EQ(compact(options).error().code, errc::store_locked);
  }
  {
    helper_process reader("read", {temp.data()});
    ASSERT_EQ(reader.read_line(), "open");
    EXPECT_EQ(compact(options).error().code, errc::busy);
  }
  EXPECT_TRUE(compact(options));
}

} // namespace
} // namespace assay::storage
