#include "storage/environment.hpp"
#include "storage/maintenance.hpp"
#include "tests/storage/helper_process.hpp"
#include "tests/storage/support.hpp"

#include <gtest/gtest.h>

#include <lmdb.h>

#include <thread>

namespace assay::storage {
namespace {

using namespace testing;

// What docs/decisions/0003 promises and no other test needs.

unsigned flags_of(const store& which) {
  unsigned flags = 0;
  EXPECT_EQ(mdb_env_get_flags(which.environment()->handle(), &flags), 0);
  return flags;
}

TEST(store_promises, EveryCommitIsFlushedUnlessSomeoneSaysOtherwise) {
  const temp_folder temp;
  store_options options;
  options.folder = temp.data();
  const auto data = store::open(options).value();
  EXPECT_EQ(flags_of(*data) & (MDB_NOSYNC | MDB_NOMETASYNC | MDB_WRITEMAP | MDB_MAPASYNC), 0U);
  const temp_folder other;
  options.folder = other.data();
  options.durable = false;
  EXPECT_EQ(flags_of(*store::open(options).value()) & (MDB_NOSYNC | MDB_WRITEMAP), unsigned{MDB_NOSYNC});
}

TEST(store_promises, ALargeMapIsReservedWithoutUsingTheDisk) {
  const temp_folder temp;
  store_options options;
  options.folder = temp.data();
  const auto data = store::open(options).value();
  EXPECT_EQ(measure(data).value().map_bytes, uint64_t{64} << 30);
  EXPECT_LT(std::filesystem::file_size(temp.data() / "data.mdb"), uint64_t{1} << 20);
}

TEST(store_promises, ASnapshotMovesBetweenThreads) {
  const temp_folder temp;
  test_farm farm(temp.data());
  write_batch batch;
  batch.runs = {run_of(first_run)};
  ASSERT_FALSE(farm.write(std::move(batch)).error);
  std::optional<snapshot> view;
  std::thread([&] { view = farm.look(); }).join();
  EXPECT_TRUE(view->find_run(first_run).value());
  // A thread may hold several at once.
  const auto second = farm.look();
  EXPECT_EQ(farm.data()->readers().open, 2U);
  std::thread([&] { view.reset(); }).join();
  EXPECT_EQ(farm.data()->readers().open, 1U);
}

TEST(store_promises, TheStartFreesWhatKilledReadersLeft) {
  const temp_folder temp;
  { test_farm farm(temp.data()); }
  // As long as one process has the store open, LMDB keeps the table of readers.
  helper_process living("read", {temp.data()});
  ASSERT_EQ(living.read_line(), "open");
  {
    helper_process killed("hold", {temp.data()});
    ASSERT_EQ(killed.read_line(), "held");
  }
  const auto data = store::open(test_farm::options_for(temp.data())).value();
  int left = -1;
  ASSERT_EQ(mdb_reader_check(data->environment()->handle(), &left), 0);
  EXPECT_EQ(left, 0);
}

TEST(store_promises, ASnapshotLivesTwoSecondsAtMost) {
  EXPECT_EQ(store_options{}.snapshot_limit, milliseconds{2000});
}

TEST(store_promises, ACommitWaitsOneOrTwoMillisecondsForOthers) {
  EXPECT_GE(writer_options{}.window, microseconds{1000});
  EXPECT_LE(writer_options{}.window, microseconds{2000});
}

TEST(store_promises, TheFirstBatchGoesAtOnceAndTheNextOnesGather) {
  const temp_folder temp;
  auto options = test_farm::options_for(temp.data());
  writer_options writing;
  // Longer than any test: only a full commit ends the gathering.
  writing.window = std::chrono::hours{1};
  writing.max_commit_rows = 64;
  test_farm farm(options, writing);
  const auto document = [](uint64_t ticket) {
    write_batch batch;
    batch.ticket = ticket;
    batch.put_document(table::settings, std::to_string(ticket), "x");
    return batch;
  };
  ASSERT_TRUE(farm.out().submit(document(1)));
  farm.reports().wait_for(1);
  for (uint64_t ticket = 2; ticket <= 65; ++ticket) {
    EXPECT_EQ(farm.reports().commits(), 1U);
    ASSERT_TRUE(farm.out().submit(document(ticket)));
  }
  farm.reports().wait_for(65);
  EXPECT_EQ(farm.reports().commits(), 2U) << "sixty-four batches, one commit";
  ASSERT_TRUE(farm.out().submit(document(66)));
  farm.out().stop();
  EXPECT_EQ(farm.reports().commits(), 3U) << "an end does not wait for the window";
}

} // namespace
} // namespace assay::storage
