#include "storage/writer.hpp"

#include "tests/storage/support.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <thread>

namespace assay::storage {
namespace {

using namespace testing;

/// Holds the writer thread inside the report of one ticket until the test opens it.
struct held_writer {
  explicit held_writer(const std::filesystem::path& folder, const writer_options& options = {})
      : data(store::open(test_farm::options_for(folder)).value()),
        out(writer::start(data, options, [this, forward = log.callback()](commit_report&& report) mutable {
              const bool hold = !report.tickets.empty() && report.tickets.front().ticket == held_ticket;
              forward(std::move(report));
              if (hold) {
                reached.set_value();
                opened.get_future().wait();
              }
            }).value()) {
    write_batch batch;
    batch.ticket = held_ticket;
    batch.put_document(table::settings, "held", "x");
    out->submit(std::move(batch)).value();
    reached.get_future().wait();
  }
  ~held_writer() {
    release();
    out->stop();
  }
  void release() {
    if (!released)
      opened.set_value();
    released = true;
  }

  static constexpr uint64_t held_ticket = 999;
  std::promise<void> reached;
  std::promise<void> opened;
  bool released = false;
  report_log log;
  std::shared_ptr<store> data;
  std::unique_ptr<writer> out;
};

write_batch small_batch(uint64_t ticket, size_t documents = 1) {
  write_batch batch;
  batch.ticket = ticket;
  for (size_t i = 0; i < documents; ++i)
    batch.put_document(table::settings, std::to_string(ticket) + "/" + std::to_string(i), "x");
  return batch;
}

TEST(writer, CommitsARecordOfEveryKindAndReadsItBack) {
  const temp_folder temp;
  auto options = test_farm::options_for(temp.data());
  options.durable = true;
  test_farm farm(options);
  write_batch batch;
  batch.responses = {full_response()};
  batch.samples = {full_sample()};
  batch.runs = {run_of(first_run)};
  batch.events = {full_event()};
  batch.results = {{first_run, R"({"score":1})"}};
  batch.put_document(table::users, "alice", "hash");
  const auto report = farm.write(std::move(batch));
  ASSERT_FALSE(report.error);
  auto view = farm.look();
  const auto expected = full_response();
  EXPECT_TRUE(same(view.find_response(first_run, expected.address).value().value(), expected));
  EXPECT_EQ(view.find_sample(first_run, expected.address).value(), full_sample());
  EXPECT_EQ(view.find_run(first_run).value()->spec.owner, user_id("alice"));
  EXPECT_EQ(view.find_result(first_run).value(), R"({"score":1})");
  EXPECT_EQ(view.find_document(table::users, "alice").value(), (document{1, "hash"}));
}

TEST(writer, ReportsWatermarksOfEveryRunOnce) {
  const temp_folder temp;
  test_farm farm(temp.data());
  write_batch batch;
  batch.samples = {sample_of(first_run, 0), sample_of(second_run, 0), sample_of(first_run, 1)};
  batch.responses = {response_of(first_run, 0)};
  const auto report = farm.write(std::move(batch));
  ASSERT_EQ(report.runs.size(), 2U);
  EXPECT_EQ(report.runs[0].run, first_run);
  EXPECT_EQ(report.runs[0].last_seq, 2U);
  EXPECT_EQ(report.runs[1].run, second_run);
  EXPECT_EQ(report.runs[1].last_seq, 1U);
}

TEST(writer, FillsTheLastSequenceNumberIntoRunRecords) {
  const temp_folder temp;
  test_farm farm(temp.data());
  write_batch batch;
  batch.samples = {sample_of(first_run, 0), sample_of(first_run, 1)};
  batch.events = {event_of(first_run)};
  batch.runs = {run_of(first_run)};
  ASSERT_FALSE(farm.write(std::move(batch)).error);
  EXPECT_EQ(farm.look().find_run(first_run).value()->last_seq, 3U);
}

TEST(writer, KeepsTheLaterOfTwoRowsOfOneSample) {
  const temp_folder temp;
  test_farm farm(temp.data());
  write_batch batch;
  batch.samples = {sample_of(first_run, 5, sample_status::answered), sample_of(first_run, 2),
                   sample_of(first_run, 5, sample_status::failed)};
  ASSERT_FALSE(farm.write(std::move(batch)).error);
  EXPECT_EQ(farm.look().find_sample(first_run, address_of(5)).value()->status, sample_status::failed);
  EXPECT_EQ(farm.look().page_samples(first_run, std::nullopt, 10).value().samples.size(), 2U);
}

TEST(writer, CommitsManyBatchesTogetherAndReportsThemInOrder) {
  const temp_folder temp;
  held_writer farm(temp.data());
  for (uint64_t ticket = 1; ticket <= 50; ++ticket)
    ASSERT_TRUE(farm.out->submit(small_batch(ticket)));
  farm.release();
  farm.log.wait_for(50);
  EXPECT_EQ(farm.log.commits(), 2U);
  auto order = farm.log.order();
  ASSERT_EQ(order.size(), 51U);
  for (uint64_t ticket = 1; ticket <= 50; ++ticket)
    EXPECT_EQ(order[ticket], ticket);
}

TEST(writer, EndsACommitAtItsLargestSize) {
  const temp_folder temp;
  writer_options options;
  options.max_commit_rows = 10;
  held_writer farm(temp.data(), options);
  for (uint64_t ticket = 1; ticket <= 6; ++ticket)
    ASSERT_TRUE(farm.out->submit(small_batch(ticket, 4)));
  ASSERT_TRUE(farm.out->submit(small_batch(7, 30)));
  farm.release();
  farm.log.wait_for(7);
  // Two batches of four each, then the one that is too large for any commit alone.
  EXPECT_EQ(farm.log.commits(), 1U + 3U + 1U);
}

TEST(writer, AnswersBusyWhenTooMuchWaitsAndLeavesTheBatchAlone) {
  const temp_folder temp;
  writer_options options;
  options.max_queued_rows = 5;
  held_writer farm(temp.data(), options);
  ASSERT_TRUE(farm.out->submit(small_batch(1, 3)));
  auto refused = small_batch(2, 3);
  const auto answer = farm.out->submit(std::move(refused));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, errc::busy);
  EXPECT_EQ(refused.documents.size(), 3U);
  EXPECT_EQ(farm.out->statistics().queued_rows, 3U);
  farm.release();
  farm.log.wait_for(1);
  EXPECT_TRUE(farm.out->submit(std::move(refused)));
  farm.log.wait_for(2);
}

TEST(writer, BoundsTheBytesThatWait) {
  const temp_folder temp;
  writer_options options;
  options.max_queued_bytes = 10'000;
  held_writer farm(temp.data(), options);
  write_batch large;
  large.put_document(table::settings, "large", std::string(20'000, 'x'));
  // Alone even a batch above the bound is taken.
  ASSERT_TRUE(farm.out->submit(std::move(large)));
  EXPECT_EQ(farm.out->submit(small_batch(2)).error().code, errc::busy);
}

TEST(writer, CommitsWhatWaitsWhenItIsStopped) {
  const temp_folder temp;
  {
    held_writer farm(temp.data());
    for (uint64_t ticket = 1; ticket <= 20; ++ticket)
      ASSERT_TRUE(farm.out->submit(small_batch(ticket)));
    farm.release();
    farm.out->stop();
    EXPECT_EQ(farm.log.written().size(), 21U);
    EXPECT_EQ(farm.out->submit(small_batch(21)).error().code, errc::shutting_down);
  }
  test_farm again(temp.data());
  EXPECT_TRUE(again.look().find_document(table::settings, "20/0").value());
}

TEST(writer, IsTheOnlyOne) {
  const temp_folder temp;
  test_farm farm(temp.data());
  const auto second = writer::start(farm.data(), {}, [](commit_report&&) {});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, errc::conflict);
}

TEST(writer, IsFollowedByAnotherOneAfterItsEnd) {
  const temp_folder temp;
  const auto data = store::open(test_farm::options_for(temp.data())).value();
  ASSERT_TRUE(writer::start(data, {}, [](commit_report&&) {}));
  EXPECT_TRUE(writer::start(data, {}, [](commit_report&&) {}));
}

TEST(writer, RefusesWhatTheStoreCanNeverTake) {
  const temp_folder temp;
  test_farm farm(temp.data());
  const auto code_of = [&](auto fill) {
    write_batch batch;
    fill(batch);
    const auto answer = farm.out().submit(std::move(batch));
    return answer ? std::optional<errc>{} : std::optional(answer.error().code);
  };
  EXPECT_EQ(code_of([](auto& b) { b.put_document(table::runs, "x", "y"); }), errc::invalid_argument);
  EXPECT_EQ(code_of([](auto& b) { b.put_document(table::users, "", "y"); }), errc::invalid_argument);
  EXPECT_EQ(code_of([](auto& b) { b.put_document(table::users, std::string(512, 'k'), "y"); }),
            errc::invalid_argument);
  EXPECT_EQ(code_of([](auto& b) { b.put_document(table::users, "k", std::string(max_value_bytes, 'y')); }),
            errc::too_large);
  EXPECT_EQ(code_of([](auto& b) { b.runs.push_back(run_of(run_id{})); }), errc::invalid_argument);
  EXPECT_EQ(code_of([](auto& b) {
              b.events.push_back(event_of(first_run, "{}", event_type::evaluation_progress));
            }),
            errc::invalid_argument);
  EXPECT_EQ(code_of([](auto& b) { b.put_document(table::users, std::string(511, 'k'), "y"); }), std::nullopt);
}

TEST(writer, CountsWhatItDoes) {
  const temp_folder temp;
  test_farm farm(temp.data());
  write_batch batch;
  batch.samples = {sample_of(first_run, 0)};
  ASSERT_FALSE(farm.write(std::move(batch)).error);
  farm.out().stop();
  const auto counters = farm.out().statistics();
  EXPECT_EQ(counters.commits, 1U);
  EXPECT_EQ(counters.batches, 1U);
  EXPECT_EQ(counters.rows, 2U) << "the sample and its event row";
  EXPECT_GT(counters.bytes, 22U);
  uint64_t in_buckets = 0;
  for (const auto count : counters.commit_time_buckets)
    in_buckets += count;
  EXPECT_EQ(in_buckets, 1U);
  EXPECT_EQ(counters.queued_rows, 0U);
}

TEST(writer, KeepsEverythingThatManyThreadsSubmit) {
  const temp_folder temp;
  test_farm farm(temp.data());
  constexpr uint64_t per_thread = 200;
  std::vector<std::thread> threads;
  for (uint64_t t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (uint64_t i = 1; i <= per_thread; ++i) {
        write_batch batch;
        batch.ticket = t * 1000 + i;
        batch.samples = {sample_of(first_run, static_cast<uint32_t>(t * 1000 + i))};
        farm.out().submit(std::move(batch)).value();
      }
    });
  for (auto& thread : threads)
    thread.join();
  farm.out().stop();
  EXPECT_EQ(farm.reports().written().size(), 4 * per_thread);
  EXPECT_EQ(farm.look().last_seq(first_run).value(), 4 * per_thread);
  EXPECT_EQ(farm.look().page_samples(first_run, std::nullopt, 1000).value().samples.size(), 4 * per_thread);
}

TEST(writer, EnlargesATinyMapAgainAndAgain) {
  const temp_folder temp;
  auto options = test_farm::options_for(temp.data());
  options.map_size = 256 << 10;
  {
    test_farm farm(options);
    for (uint32_t i = 0; i < 200; ++i) {
      write_batch batch;
      auto response = response_of(first_run, i);
      response.answer = shared_text(number_source(i).bytes(20'000));
      batch.responses = {response};
      batch.samples = {sample_of(first_run, i)};
      ASSERT_FALSE(farm.write(std::move(batch)).error);
    }
  }
  test_farm again(temp.data());
  EXPECT_EQ(again.look().find_response(first_run, address_of(199)).value()->answer.view(),
            number_source(199).bytes(20'000));
  EXPECT_EQ(again.look().last_seq(first_run).value(), 200U);
}

TEST(writer, IsFullAtTheLargestMap) {
  const temp_folder temp;
  auto options = test_farm::options_for(temp.data());
  options.map_size = 256 << 10;
  options.max_map_size = 1 << 20;
  std::vector<uint64_t> written;
  {
    test_farm farm(options);
    std::optional<fault> why;
    for (uint64_t ticket = 1; !why && ticket < 10'000; ++ticket) {
      write_batch batch;
      batch.ticket = ticket;
      batch.put_document(table::settings, std::to_string(ticket), number_source(ticket).bytes(1500));
      ASSERT_TRUE(farm.out().submit(std::move(batch)));
      why = farm.reports().wait_for(ticket).error;
    }
    ASSERT_TRUE(why);
    EXPECT_EQ(why->code, errc::store_full);
    EXPECT_EQ(farm.out().submit(small_batch(1)).error(), *why);
    EXPECT_EQ(farm.data()->write_fault(), why);
    written = farm.reports().written();
    EXPECT_GT(written.size(), 100U);
    for (const auto ticket : written)
      EXPECT_TRUE(farm.look().find_document(table::settings, std::to_string(ticket)).value());
  }
  test_farm again(temp.data());
  ASSERT_FALSE(again.write(small_batch(1)).error);
  for (const auto ticket : written)
    EXPECT_TRUE(again.look().find_document(table::settings, std::to_string(ticket)).value());
}

} // namespace
} // namespace assay::storage
