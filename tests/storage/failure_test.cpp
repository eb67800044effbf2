#include "tests/storage/support.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>

namespace assay::storage {
namespace {

using namespace testing;

constexpr uint64_t batches = 6;

write_batch batch_of(uint64_t ticket) {
  write_batch batch;
  batch.ticket = ticket;
  const auto sample = static_cast<uint32_t>(ticket);
  batch.samples = {sample_of(first_run, sample)};
  batch.responses = {response_of(first_run, sample)};
  batch.events = {event_of(first_run, std::to_string(ticket))};
  batch.runs = {run_of(first_run)};
  batch.put_document(table::settings, std::to_string(ticket), "written");
  return batch;
}

/// Everything reported is there, completely, and nothing else.
void expect_exactly(const std::shared_ptr<store>& data, const std::vector<uint64_t>& written) {
  auto view = snapshot::open(data).value();
  for (uint64_t ticket = 1; ticket <= batches; ++ticket) {
    const bool there = std::ranges::count(written, ticket) != 0;
    const auto address = address_of(static_cast<uint32_t>(ticket));
    EXPECT_EQ(view.find_sample(first_run, address).value().has_value(), there) << ticket;
    EXPECT_EQ(view.find_response(first_run, address).value().has_value(), there) << ticket;
    EXPECT_EQ(view.find_document(table::settings, std::to_string(ticket)).value().has_value(), there)
        << ticket;
  }
  const auto events = view.page_events(first_run, 0, 1000).value();
  EXPECT_EQ(events.events.size(), 2 * written.size());
}

/// Fails the operation of one kind with one number, counted from when it is armed.
struct failure_plan {
  store_operation operation = store_operation::put;
  injected_error error = injected_error::none;
  std::atomic<int> left = -1;
  std::atomic<bool> met = false;

  fault_injector injector() {
    return [this](store_operation at) {
      if (at != operation || left < 0 || left-- != 0)
        return injected_error::none;
      met = true;
      return error;
    };
  }
};

/// Runs the batches with the failure at every place where it can happen.
void fail_everywhere(store_operation operation, injected_error error, errc expected) {
  int place = 0;
  for (bool met = true; met; ++place) {
    ASSERT_LT(place, 1000);
    const temp_folder temp;
    failure_plan plan;
    plan.operation = operation;
    plan.error = error;
    std::vector<uint64_t> written;
    {
      auto options = test_farm::options_for(temp.data());
      options.inject = plan.injector();
      test_farm farm(options);
      plan.left = place;
      std::optional<fault> first;
      for (uint64_t ticket = 1; ticket <= batches; ++ticket) {
        if (const auto handed = farm.out().submit(batch_of(ticket)); !handed) {
          ASSERT_TRUE(first);
          EXPECT_EQ(handed.error(), *first);
          continue;
        }
        const auto report = farm.reports().wait_for(ticket);
        if (!report.error)
          continue;
        EXPECT_FALSE(first) << "only one batch may meet the failure itself";
        first = report.error;
        EXPECT_EQ(first->code, expected);
        EXPECT_FALSE(first->hint.empty());
      }
      met = plan.met;
      EXPECT_EQ(first.has_value(), met);
      EXPECT_EQ(farm.data()->write_fault(), first);
      written = farm.reports().written();
      EXPECT_EQ(written.size() == batches, !met);
      expect_exactly(farm.data(), written);
      if (met) {
        EXPECT_EQ(writer::start(farm.data(), {}, [](commit_report&&) {}).error(), *first);
      }
    }
    test_farm again(temp.data());
    expect_exactly(again.data(), written);
    auto more = batch_of(99);
    const auto report = again.write(std::move(more));
    ASSERT_FALSE(report.error);
    EXPECT_EQ(report.runs.at(0).last_seq, 2 * written.size() + 2);
  }
  EXPECT_GT(place, static_cast<int>(batches));
}

TEST(failing_store, IsFullWhenTheDiskIsFullAtAnyRow) {
  fail_everywhere(store_operation::put, injected_error::disk_full, errc::store_full);
}

TEST(failing_store, IsFullWhenTheDiskIsFullAtAnyCommit) {
  fail_everywhere(store_operation::commit, injected_error::disk_full, errc::store_full);
}

TEST(failing_store, FailsWhenARowCannotBeWritten) {
  fail_everywhere(store_operation::put, injected_error::io_error, errc::store_failed);
}

TEST(failing_store, FailsForGoodWhenACommitFails) {
  fail_everywhere(store_operation::commit, injected_error::io_error, errc::store_failed);
}

TEST(failing_store, FailsWhenATransactionCannotBegin) {
  fail_everywhere(store_operation::begin, injected_error::io_error, errc::store_failed);
}

TEST(failing_store, GrowsWhereverTheMapIsFull) {
  for (const auto operation : {store_operation::put, store_operation::commit}) {
    bool met = true;
    for (int place = 0; met; ++place) {
      const temp_folder temp;
      failure_plan plan;
      plan.operation = operation;
      plan.error = injected_error::map_full;
      auto options = test_farm::options_for(temp.data());
      options.map_size = 16 << 20;
      options.inject = plan.injector();
      test_farm farm(options);
      plan.left = place;
      for (uint64_t ticket = 1; ticket <= batches; ++ticket) {
        ASSERT_TRUE(farm.out().submit(batch_of(ticket)));
        EXPECT_FALSE(farm.reports().wait_for(ticket).error);
      }
      met = plan.met;
      expect_exactly(farm.data(), {1, 2, 3, 4, 5, 6});
      EXPECT_EQ(farm.look().find_document(table::settings, "1").value()->version, 1U) << "written once";
    }
  }
}

TEST(failing_store, IsFullWhenTheMapCannotGrow) {
  const temp_folder temp;
  auto options = test_farm::options_for(temp.data());
  std::atomic<bool> armed = false;
  options.inject = [&](store_operation at) {
    if (!armed)
      return injected_error::none;
    return at == store_operation::put || at == store_operation::grow ? injected_error::map_full
                                                                     : injected_error::none;
  };
  test_farm farm(options);
  ASSERT_FALSE(farm.write(batch_of(1)).error);
  armed = true;
  EXPECT_EQ(farm.write(batch_of(2)).error->code, errc::store_full);
  expect_exactly(farm.data(), {1});
}

TEST(failing_store, ReportsEveryBatchThatWaits) {
  const temp_folder temp;
  auto options = test_farm::options_for(temp.data());
  std::atomic<bool> armed = false;
  options.inject = [&](store_operation at) {
    return armed && at == store_operation::commit ? injected_error::io_error : injected_error::none;
  };
  writer_options writing;
  writing.window = std::chrono::minutes{10};
  writing.max_commit_rows = 12;
  test_farm farm(options, writing);
  ASSERT_FALSE(farm.write({}).error);
  armed = true;
  // The third one makes the commit start; with five rows each the others stay in the queue or are refused.
  std::vector<uint64_t> taken;
  for (uint64_t ticket = 1; ticket <= batches; ++ticket)
    if (farm.out().submit(batch_of(ticket)))
      taken.push_back(ticket);
  ASSERT_GE(taken.size(), 3U);
  for (const auto ticket : taken)
    EXPECT_EQ(farm.reports().wait_for(ticket).error->code, errc::store_failed);
  farm.out().stop();
  EXPECT_EQ(farm.reports().order().size(), taken.size() + 1);
  expect_exactly(farm.data(), {});
}

TEST(failing_store, StopsErasingButStaysReadable) {
  const temp_folder temp;
  auto options = test_farm::options_for(temp.data());
  std::atomic<int> commits_left = 1'000'000;
  options.inject = [&](store_operation at) {
    return at == store_operation::commit && commits_left-- <= 0 ? injected_error::io_error
                                                                : injected_error::none;
  };
  {
    test_farm farm(options);
    auto batch = batch_of(1);
    batch.runs = {run_of(first_run, run_state::completed)};
    ASSERT_FALSE(farm.write(std::move(batch)).error);
    commits_left = 1;
    write_batch erase;
    erase.erased_runs = {first_run};
    ASSERT_FALSE(farm.write(std::move(erase)).error);
    farm.out().stop(true);
    EXPECT_EQ(farm.data()->write_fault()->code, errc::store_failed);
    EXPECT_FALSE(farm.look().find_run(first_run).value());
    EXPECT_TRUE(farm.look().find_sample(first_run, address_of(1)).value());
  }
  test_farm again(temp.data());
  again.out().stop(true);
  EXPECT_FALSE(again.look().find_sample(first_run, address_of(1)).value());
}

} // namespace
} // namespace assay::storage
